from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.layers.base import LayerReport, LayerStatus
from rune_core.verdict import fold, score
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat

findings = st.builds(
    Finding,
    rule_id=st.sampled_from(["a", "b", "c", "d", "e"]),
    threat=st.sampled_from(Threat),
    severity=st.sampled_from(Severity),
    confidence=st.floats(0, 1),
    span=st.just(Span(0, 1)),
    surface=st.sampled_from(Surface),
)


def finding(confidence, rule_id="r", threat=Threat.JAILBREAK, severity=Severity.HIGH):
    return Finding(rule_id, threat, severity, confidence, Span(0, 1), Surface.INPUT)


@given(st.lists(findings, max_size=12), findings)
def test_more_evidence_never_lowers_a_score(before, extra):
    old, new = fold(before), fold([*before, extra])
    assert new.risk_score >= old.risk_score
    assert all(new.scores[threat] >= value for threat, value in old.scores.items())
    assert extra.threat in new.scores


@given(st.lists(findings, max_size=12), st.randoms())
def test_order_does_not_matter(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    first, second = fold(items), fold(shuffled)
    assert first == second
    assert list(first.scores) == list(second.scores)


@given(st.lists(findings, min_size=1, max_size=12))
def test_scores_lie_between_the_surest_finding_and_one(items):
    for threat, value in fold(items).scores.items():
        surest = max(item.confidence for item in items if item.threat is threat)
        assert surest <= value <= 1


@given(st.lists(findings, max_size=12))
def test_contributions_are_complete_and_add_up_to_the_scores(items):
    verdict = fold(items)
    for threat, value in verdict.scores.items():
        parts = [part for part in verdict.contributions if part.threat is threat]
        assert {part.rule_id for part in parts} == {
            item.rule_id for item in items if item.threat is threat
        }
        assert len(parts) == len({part.rule_id for part in parts})
        assert sum(part.share for part in parts) == pytest.approx(value)
        assert all(0 <= part.share <= part.confidence + 1e-12 for part in parts)


def test_layers_that_agree_add_up_and_each_is_named():
    rules = finding(0.7, "ignore-previous")
    model = Finding(
        "l2-jailbreak", Threat.JAILBREAK, Severity.HIGH, 0.8, Span(0, 1), Surface.INPUT, "l2_vector"
    )
    verdict = fold([rules, model])
    assert [(p.layer, p.rule_id) for p in verdict.contributions] == [
        ("l2_vector", "l2-jailbreak"),
        (rules.layer, "ignore-previous"),
    ]
    assert verdict.contributions[0].share == pytest.approx(0.8)
    assert verdict.contributions[1].share == pytest.approx(0.2 * 0.7 / 4)


def test_the_same_rule_twice_is_one_reason():
    assert score([finding(0.6), finding(0.6)]) == score([finding(0.6)]) == pytest.approx(0.6)


def test_a_second_rule_adds_a_quarter_of_its_confidence():
    assert score([finding(0.6, "a"), finding(0.4, "b")]) == pytest.approx(1 - 0.4 * 0.9)


def test_nothing_found_is_no_threat():
    verdict = fold([])
    assert (verdict.risk_score, verdict.threat_type, dict(verdict.scores)) == (0.0, None, {})


def test_certain_but_harmless_weighs_less_than_likely_and_grave():
    verdict = fold(
        [
            finding(1.0, threat=Threat.PII_EXPOSURE, severity=Severity.LOW),
            finding(0.8, threat=Threat.PROMPT_INJECTION, severity=Severity.CRITICAL),
        ]
    )
    assert verdict.threat_type is Threat.PROMPT_INJECTION
    assert verdict.risk_score == pytest.approx(0.8)
    assert verdict.scores[Threat.PII_EXPOSURE] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("status", "complete", "degraded"),
    [
        (LayerStatus.RAN, True, False),
        (LayerStatus.SKIPPED, True, False),
        (LayerStatus.ERROR, True, True),
        (LayerStatus.TIMEOUT, True, True),
        (LayerStatus.RAN, False, True),
    ],
)
def test_a_layer_that_did_not_finish_degrades(status, complete, degraded):
    assert fold([], [LayerReport("x", status, complete=complete)]).degraded is degraded
