"""Dry runs: what is said to be sure is what core's own evaluation says, and doubts are named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from benchmarks.made_events import made_event
from hypothesis import given, settings
from hypothesis import strategies as st

from rune_core.event.schema import ArgumentEntry
from rune_core.policy.compiled import CompiledPolicy
from rune_core.policy.evaluate import Facts, evaluate
from rune_core.policy.load import load_text
from rune_core.verdict import fold
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat
from rune_server import policies
from rune_server.errors import ForbiddenError, UnprocessableError
from rune_server.policies.forecast import Seen, forecast

HEAD = 'version: "1.0"\nrules:\n'
START = datetime(2026, 11, 1, tzinfo=UTC)
THREATS = ("prompt_injection", "jailbreak", "secret_exposure", "pii_exposure")


def seen(number: int = 0, **fields) -> Seen:
    """A tool call of the past, a second after the one before."""
    given = {
        "at": START + timedelta(seconds=number),
        "surface": "tool_call",
        "agent": "billing",
        "tags": frozenset(("prod",)),
        "session": "s",
        "sequence": number,
        "tool": "search",
        "tool_risk": "low",
        "threats": frozenset(),
        "top_threat": "",
        "risk": 0.0,
        "severity": "",
        "detectors": (),
        "passed": True,
        "arguments": (),
        "hash_key": "",
        **fields,
    }
    return Seen(**given)


def one(rule: str, *history: Seen):
    (found,) = forecast(load_text(HEAD + f"  - {rule}\n"), history)
    return found


findings = st.lists(
    st.builds(
        lambda threat, number, percent: Finding(
            rule_id=f"{threat}-{number}",
            threat=Threat(threat),
            severity=list(Severity)[number],  # a rule has one severity
            confidence=percent / 100,
            span=Span(0, 1),
            layer="l1",
            view="raw",
            surface=Surface.TOOL_RESULT,
        ),
        st.sampled_from(THREATS),
        st.integers(1, 3),
        st.integers(1, 100),
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(
    found=findings,
    threat=st.sampled_from(THREATS),
    threshold=st.integers(1, 100),
    narrowed=st.sampled_from(["", ", rules: ['*-1']", ", except_rules: ['*-2', jail*]"]),
    kind=st.sampled_from(["scanner", "data_protection"]),
)
def test_what_is_sure_is_what_core_decides(found, threat, threshold, narrowed, kind) -> None:
    if kind == "scanner":
        rule = (
            f"{{name: r, scanner: {threat}, threshold: {threshold / 100}, action: block{narrowed}}}"
        )
    else:
        names = "[secrets, 'pii_*-1']"
        rule = (
            f"{{name: r, type: data_protection, patterns: {names}, "
            f"threshold: {threshold / 100}, action: redact}}"
        )
    policy = load_text(HEAD + f"  - {rule}\n")
    compiled = CompiledPolicy([policy], builtin=None)
    really = evaluate(compiled, Facts(Surface.TOOL_RESULT, found)).matches
    verdict = fold(found)
    scores = [*verdict.scores.values(), *(each.confidence for each in found)]
    if any(abs(score - threshold / 100) < 0.001 for score in scores):
        return  # too near to be told after rounding
    event = seen(
        surface="tool_result",
        threats=frozenset(each.value for each in verdict.scores),
        top_threat=verdict.threat_type.value if verdict.threat_type else "",
        risk=round(verdict.risk_score, 4),
        severity=verdict.severity.value if verdict.severity else "",
        detectors=tuple(sorted({finding.rule_id for finding in found})),
    )
    (told,) = forecast(policy, [event])
    assert told.matches <= len(really) <= told.at_most
    assert (told.decidable == "yes") is (told.matches == told.at_most)


def test_lists_are_exact() -> None:
    history = [seen(n, tool=tool) for n, tool in enumerate(("search", "RM", "rm", "wire"))]
    deny = one("{name: d, type: tool_denylist, tools: [rm], action: block}", *history)
    assert (deny.decidable, deny.matches, deny.sentence) == ("yes", 2, "would have fired 2 times")
    allow = one("{name: a, type: tool_allowlist, tools: [search], action: block}", *history)
    assert (allow.matches, allow.tools) == (3, (("RM", 1), ("rm", 1), ("wire", 1)))
    masked = one("{name: a, type: tool_allowlist, tools: [search]}", seen(tool="masked"))
    assert (masked.decidable, masked.matches, masked.at_most) == ("partly", 0, 1)
    none = one("{name: d, type: tool_denylist, tools: [nothing]}", *history)
    assert none.sentence == "would not have fired"


def test_narrowing_and_exceptions_count() -> None:
    history = [seen(0, agent="billing"), seen(1, agent="support"), seen(2, agent="")]
    text = HEAD + (
        "  - {name: d, type: tool_denylist, tools: [search], agents: [bill*, sup*]}\n"
        "exceptions:\n  - {rule: d, reason: known, agents: [support]}\n"
    )
    (found,) = forecast(load_text(text), history)
    assert (found.matches, found.excepted, found.agents) == (1, 1, (("billing", 1),))


def test_rates_are_replayed() -> None:
    history = [seen(n) for n in range(10)]
    rule = "{name: r, type: rate_limit, max_calls: 3, window_seconds: 5, per: session}"
    found = one(rule, *history)
    assert (found.decidable, found.matches) == ("yes", 4)  # 0 1 2 pass, 3 4 not; again at 5
    per_agent = one(rule.replace("session", "agent"), *history)
    assert per_agent.decidable == "partly"
    assert "one process" in per_agent.sentence
    per_process = one(rule.replace("session", "process"), *history)
    assert per_process.sentence.startswith("not decidable from metadata: it counts per process")


def test_budgets() -> None:
    history = [seen(n, arguments=(ArgumentEntry("q", f"{n % 2:032x}", 1),)) for n in range(6)]
    calls = one("{name: b, type: budget, max_calls: 4, per: session}", *history)
    assert (calls.decidable, calls.matches) == ("yes", 2)
    repeats = one("{name: b, type: budget, max_repeats: 2, per: session}", *history)
    assert (repeats.decidable, repeats.matches) == ("yes", 2)
    spend = "{name: b, type: budget, max_spend: 5, spend: amount, tools: [search]}"
    assert "argument's value" in one(spend, *history).sentence
    both = one(spend.replace("max_spend", "max_calls: 4, max_spend"), *history)
    assert (both.decidable, both.matches, both.at_most) == ("partly", 2, 6)


def test_sequences_follow_each_session() -> None:
    rule = (
        "{name: s, type: sequence, steps: [{tools: [read]}, {tools: [send]}], "
        "within_calls: 1, action: block}"
    )
    history = [
        seen(0, tool="read"),
        seen(1, tool="send"),
        seen(2, tool="other", session="t"),
        seen(3, tool="send", session="t"),
        seen(4, tool="read", session="t"),
        seen(5, tool="other", session="t"),
        seen(6, tool="send", session="t"),
    ]
    found = one(rule, *history)
    assert (found.decidable, found.matches) == ("yes", 1)
    conditional = rule.replace("{tools: [send]}", "{tools: [send], when: args.to.value == 'x'}")
    maybe = one(conditional, *history)
    assert (maybe.decidable, maybe.matches, maybe.at_most) == ("partly", 0, 1)
    assert "never values" in maybe.sentence


UNTRUSTED = (ArgumentEntry("to", "ab" * 8, 3, ("untrusted",)),)


@pytest.mark.parametrize(
    ("when", "matches", "at_most"),
    [
        ("tool == 'search' && risk == 'low'", 2, 2),
        ("'prod' in tags", 2, 2),
        ("agent.startsWith('x')", 0, 0),
        ("args.to.origins.exists(o, o.kind == 'untrusted')", 1, 2),
        ("origins.exists(o, o.kind == 'untrusted')", 1, 1),
        ("args.to.value > 100", 0, 2),
        ("args.to.value > 100 && risk == 'high'", 0, 0),
        ("hijacked", 0, 2),
        ("hijacked || tool == 'search'", 2, 2),
        ("has(args.to.value)", 0, 2),
        ("size(origins) > 0", 0, 2),
    ],
)
def test_conditions_are_told_as_far_as_metadata_goes(when, matches, at_most) -> None:
    history = (seen(0, arguments=UNTRUSTED), seen(1))
    found = one(f'{{name: c, type: tool_call, when: "{when}", action: ask}}', *history)
    assert (found.matches, found.at_most) == (matches, at_most)
    assert (found.decidable == "yes") is (matches == at_most)


def test_patterns_need_the_text() -> None:
    found = one("{name: p, type: data_protection, patterns: [{regex: 'ACME-[0-9]{4}'}]}", seen())
    assert found.decidable == "no"
    mixed = one(
        "{name: p, type: data_protection, patterns: [{regex: 'ACME-[0-9]{4}'}, secrets]}",
        seen(
            threats=frozenset(("secret_exposure",)),
            top_threat="secret_exposure",
            risk=0.9,
            severity="high",
            detectors=("secret-1",),
        ),
    )
    assert mixed.sentence.startswith("would have fired at least once (its patterns match text")


async def test_a_dry_run_reads_stored_events(platform, owner, organisation, clock) -> None:
    now = clock.now()
    made = [
        made_event(
            now - timedelta(hours=n),
            seed=n,
            surface="tool_call",
            event_type="tool_call",
            tool="wire" if n % 3 else "search",
            agent_id="billing",
        )
        for n in range(1, 61)
    ]
    await platform.analytics.insert(organisation.id, made, received_at=now)
    text = HEAD + "  - {name: d, type: tool_denylist, tools: [wire], action: block}\n"
    found = await policies.dry_run(platform, owner, text, days=1)
    assert (found.events, found.complete) == (24, True)
    assert found.rules[0].sentence == "would have fired 16 times"
    week = await policies.dry_run(platform, owner, text)
    assert (week.events, week.rules[0].matches) == (60, 40)
    other = await policies.dry_run(platform, owner, text, agents=("other",))
    assert other.rules[0].matches == 0
    broken = await policies.dry_run(platform, owner, HEAD + "  - {name: d}\n")
    assert [fault.line for fault in broken.faults] == [3]
    with pytest.raises(UnprocessableError):
        await policies.dry_run(platform, owner, text, days=91)


async def test_the_risk_is_of_the_worst_threat_not_of_the_one_that_decided(
    platform, owner, organisation, clock
) -> None:
    """An injection that names a number: the risk score of the event is the number's."""
    now = clock.now()
    made = made_event(
        now - timedelta(hours=1),
        threat_type="prompt_injection",
        threats=("pii_exposure", "prompt_injection"),
        risk_score=0.97,
        severity="high",
        detectors=("PI-0001", "PII-0001"),
        surface="input",
        tool=None,
    )
    await platform.analytics.insert(organisation.id, [made], received_at=now)
    text = HEAD + "".join(
        f"  - {{name: {name}, scanner: {name}, threshold: 0.9, action: flag}}\n"
        for name in ("pii_exposure", "prompt_injection")
    )
    found = await policies.dry_run(platform, owner, text, days=1)
    sure = {rule.rule: (rule.matches, rule.at_most) for rule in found.rules}
    assert sure == {"pii_exposure": (1, 1), "prompt_injection": (0, 1)}


async def test_others_events_are_not_read(platform, organisation, new_organisation, clock) -> None:
    from rune_server.actor import Permission, Role, member

    other = await new_organisation("Other")
    made = [made_event(clock.now(), surface="tool_call", tool="wire", event_type="tool_call")]
    await platform.analytics.insert(organisation.id, made, received_at=clock.now())
    text = HEAD + "  - {name: d, type: tool_denylist, tools: [wire], action: block}\n"
    stranger = member(other.id, "stranger", Role.OWNER)
    assert (await policies.dry_run(platform, stranger, text)).events == 0
    from dataclasses import replace

    blind = replace(stranger, permissions=frozenset((Permission.POLICIES_READ,)))
    with pytest.raises(ForbiddenError):
        await policies.dry_run(platform, blind, text)
