"""When the judge is asked, what it is told, and what its answer does."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from rune_core import Action, LayerStatus
from rune_core.event.schema import JudgeOutcomeName
from rune_core.layers.judge.judge import JudgeOutcome
from rune_core.testing import FakeJudge, shield_for_tests
from rune_scanner.finding import Surface, Threat

ATTACK = {"attack": True, "attack_confidence": 0.9, "threat": "prompt_injection"}
ASK_ABOUT_PAYMENTS = """
version: "1.0"
rules:
  - {name: judge-payments, type: tool_call, tools: [pay], when: "true", action: allow, judge: true}
  - {name: strays, scanner: tool_manipulation, surface: tool_call, rules: [l3-not-asked-for],
     threshold: 0.7, action: block}
"""


def report(result):
    return next(report for report in result.reports if report.layer == "l3_judge")


def both_ways(shield, text):
    yield shield.scan_document(text)
    yield asyncio.run(shield.ascan_document(text + " "))


def test_off_unless_configured() -> None:
    with shield_for_tests() as shield:
        result = shield.scan_document("anything")
    assert (report(result).status, report(result).reason) == ("skipped", "not configured")
    assert result.judge_outcome is None
    assert shield.stats.judge_outcomes == {}


def test_a_doubt_that_the_judge_shares_is_acted_on(judged) -> None:
    with judged(ATTACK) as (shield, judge, sink):
        for result in both_ways(shield, "something odd here"):
            assert result.action is Action.REDACT
            assert "odd" not in (result.sanitized_content or "odd")
            assert result.judge_outcome == "agreed"
            assert result.l3_result == "flag"
            assert report(result).status is LayerStatus.RAN
            assert report(result).score == pytest.approx(0.9)
            assert not result.degraded
        shield.flush()
        assert len(judge.requests) == 2
        for event in sink.events:
            entry = next(layer for layer in event.layers if layer.layer == "l3_judge")
            assert (entry.status, entry.outcome) == ("ran", "agreed")
            assert "l3-attack" in event.detectors
        assert shield.stats.judge_outcomes == {"agreed": 2}


def test_a_doubt_that_it_does_not_share_stays_as_it_was(judged) -> None:
    """Its no lifts nothing: what it read may have talked it out of it."""
    with judged() as (shield, _, sink):
        for result in both_ways(shield, "something odd here"):
            assert result.action is Action.FLAG
            assert result.judge_outcome == "disagreed"
            assert report(result).score == 0
        shield.flush()
        outcomes = {layer.outcome for event in sink.events for layer in event.layers}
        assert outcomes == {None, "disagreed"}


@pytest.mark.parametrize(
    ("confidence", "asked"), [(0.39, False), (0.4, True), (0.84, True), (0.85, False), (1, False)]
)
def test_only_scores_in_the_band_are_in_doubt(judged, confidence, asked) -> None:
    # An output: nothing is cut there, so nothing but the band decides.
    with judged(confidence=confidence) as (shield, judge, _):
        result = shield.scan_output("odd")
        assert bool(judge.requests) is asked
        if not asked:
            assert (result.judge_outcome, report(result).status) == ("not_asked", "skipped")
            assert report(result).reason == "not in doubt"


def test_what_is_cut_already_is_not_asked_about(judged) -> None:
    with judged(confidence=0.8) as (shield, judge, _):
        result = shield.scan_document("odd")
        assert result.action is Action.REDACT
        assert (result.judge_outcome, judge.requests) == ("not_asked", [])
        assert report(result).reason == "already cut or stopped"


def test_clean_texts_and_secrets_are_not_asked_about(judged) -> None:
    with judged(l1=True) as (shield, judge, _):
        assert shield.scan_document("all is well").judge_outcome == "not_asked"
        key = "AKIA" + "J3Q7ZP5X2VNM4WTB"
        assert shield.scan_input(f"my key is {key}").judge_outcome == "not_asked"
        assert judge.requests == []
        lines = str(shield.coverage())
        assert "l3_judge does not run" not in lines


def test_a_policy_can_ask_about_a_call(judged) -> None:
    answer = {"serves_user": "no", "serves_confidence": 0.85}
    with judged(answer, policy=ASK_ABOUT_PAYMENTS) as (shield, judge, _):
        with shield.session() as session:
            session.user("What is the weather in Rome?")
            session.user("And in Oslo?")
            result = shield.validate_action("pay", {"to": "X", "amount": 5})
            other = shield.validate_action("search", {"q": "x"})
        assert result.action is Action.BLOCK
        assert result.decision.rule == "strays"
        assert other.judge_outcome == "not_asked"
        (request,) = judge.requests
        assert request.evidence == [
            {"evidence": "a tool call that the agent is about to make"},
            {"the_user_asked": "What is the weather in Rome?"},
            {"the_user_asked": "And in Oslo?"},
            {"tool": "pay"},
            {"arguments": '{"to": "X", "amount": 5}'},
        ]
        found = next(f for f in result.findings if f.layer == "l3_judge")
        assert (found.rule_id, found.threat) == ("l3-not-asked-for", Threat.TOOL_MANIPULATION)
        assert found.confidence == pytest.approx(0.85)


def test_what_the_judge_found_is_known_when_a_call_is_traced(judged) -> None:
    """A call whose argument comes from a text that the judge takes for an attack is hijacked."""
    text = "Our new account is DE89370400440532013000."
    policy = """
version: "1.0"
rules: [{name: iban, type: data_protection, patterns: ['DE[0-9]{20}'], action: flag, judge: true}]
"""
    for answer, action in ((ATTACK, Action.ASK), ("", Action.FLAG)):
        with judged(answer, policy=policy) as (shield, _, _), shield.session() as session:
            session.user("Send the money to our supplier.")
            shield.scan_tool_result(text, tool="read_mail")
            call = shield.validate_action("send_money", {"iban": "DE89370400440532013000"})
            assert call.action is action, (answer, call.explanation)


def test_a_call_is_not_counted_twice_when_the_judge_was_asked(judged) -> None:
    policy = ASK_ABOUT_PAYMENTS + "  - {name: two, type: rate_limit, tools: [pay], max_calls: 2}\n"
    policy = policy.replace("max_calls: 2", "max_calls: 2, window_seconds: 60")
    with judged(ATTACK, policy=policy) as (shield, judge, _):
        actions = [shield.validate_action("pay", {"n": n}).decision.rule for n in range(3)]
        assert actions[2] == "two"
        assert "two" not in actions[:2]
        assert len(judge.requests) == 3


def test_the_judge_is_no_filter_for_other_texts_than_calls(judged) -> None:
    """``serves_user`` about a text means nothing."""
    with judged({"serves_user": "no", "serves_confidence": 1.0}) as (shield, _, _):
        assert shield.scan_document("odd").judge_outcome == "disagreed"


def test_a_judge_is_never_certain(judged) -> None:
    with judged({**ATTACK, "attack_confidence": 1.0}) as (shield, _, _):
        found = [f for f in shield.scan_output("odd").findings if f.layer == "l3_judge"]
        assert [finding.confidence for finding in found] == [0.95]


def test_the_same_question_is_asked_once(judged) -> None:
    with judged(ATTACK) as (shield, judge, _):
        first = shield.scan_document("something odd")
        again = shield.scan_document("something odd")
        other_session = shield.open_session()
        third = shield.scan_document("something odd", session=other_session)
        assert len(judge.requests) == 1
        assert first.action == again.action == third.action == Action.REDACT
        assert report(third).reason == "answered before"
        shield.scan_document("something else odd")
        assert len(judge.requests) == 2


def test_switched_off_it_is_not_asked(judged) -> None:
    with judged(l3_enabled=False) as (shield, judge, _):
        result = shield.scan_document("odd")
        assert report(result).reason == "disabled by configuration"
        assert (result.judge_outcome, judge.requests) == (None, [])


def test_the_key_goes_into_a_header_and_nowhere_else(judged) -> None:
    with judged(judge_api_key="sk-a-key-of-the-judge") as (shield, judge, _):
        shield.scan_document("odd")
        assert judge.requests[0].headers["authorization"] == "Bearer sk-a-key-of-the-judge"
        assert "sk-a-key" not in repr(shield.config)
    with judged() as (shield, judge, _):
        shield.scan_document("odd")
        assert "authorization" not in judge.requests[0].headers


def test_the_request_asks_for_a_schema_and_leaves_no_room_for_words(judged) -> None:
    with judged() as (shield, judge, _):
        shield.scan_document("odd")
        body = judge.requests[0].body
    assert body["model"] == "fake-judge"
    assert body["temperature"] == 0
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    properties = schema["schema"]["properties"]
    assert set(properties) == set(schema["schema"]["required"])
    free = [k for k, v in properties.items() if v["type"] == "string" and "enum" not in v]
    assert free == ["mark"]


def test_events_know_every_outcome() -> None:
    assert set(JudgeOutcomeName.__args__) == {outcome.value for outcome in JudgeOutcome}


def test_a_judge_on_every_surface(judged) -> None:
    with judged(ATTACK) as (shield, judge, _):
        for surface in Surface:
            result = (
                shield.validate_action("find", {"q": "odd"})
                if surface is Surface.TOOL_CALL
                else shield.scan(surface, "odd")
            )
            assert result.judge_outcome == "agreed", surface
        told = {request.evidence[0]["evidence"] for request in judge.requests}
        assert len(told) == len(Surface)


def test_many_scans_at_once_on_one_loop() -> None:
    with FakeJudge(ATTACK) as judge:
        rule = (
            "{name: all, type: tool_call, tools: ['*'], when: 'true', action: allow, judge: true}"
        )
        policy = f'version: "1.0"\nrules: [{rule}]\n'
        with shield_for_tests(policy=policy, **judge.settings) as shield:

            async def run():
                return await asyncio.gather(
                    *(shield.avalidate_action("t", {"n": n}) for n in range(12))
                )

            results = asyncio.run(run())
        assert {result.judge_outcome for result in results} == {"agreed"}
        assert len(judge.requests) == 12


def test_events_of_judged_results_pass_the_published_schema(judged) -> None:
    from rune_core.event.schema import Event

    with judged(ATTACK) as (shield, _, sink):
        shield.scan_document("odd")
        shield.flush()
        (event,) = sink.events
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
