"""What is told without the engine is what the engine tells."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rune_core.policy.conditions import Activation, Condition, ConditionBatch, ConditionError
from rune_core.policy.plain import Failed
from rune_core.session.call import CallFacts
from rune_core.session.distinctive import PartKind
from rune_core.session.provenance import Origin, OriginKind, TracedValue
from rune_core.tool_risk import infer
from rune_scanner import Finding, Severity, Span, Surface, Threat

TEXTS = st.sampled_from(["", "a", "b", "ab", "prod", "é", "\U0001f600", "\ud800", "a\0b", "low"])
NUMBERS = st.sampled_from([0, 1, 5, 250, -1, 2**53, 2**53 + 1, 2**62, 2**70]) | st.sampled_from(
    [0.0, 0.5, 1.0, 250.0, 2.0**53, 1e300, float("inf"), float("nan")]
)
VALUES = st.recursive(
    st.none() | st.booleans() | TEXTS | NUMBERS | st.just(b"ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["to", "amount", "é", "other"])
ARGUMENTS = st.dictionaries(NAMES | st.integers(0, 2), VALUES, max_size=4)
ORIGINS = st.builds(
    Origin,
    st.sampled_from(list(OriginKind)),
    tool=st.sampled_from([None, "read", "é"]),
    part=st.sampled_from([None, *PartKind]),
    instruction=st.sampled_from([0.0, 0.5, 1.0]),
    asked=st.booleans(),
)

LITERALS = st.sampled_from(
    (
        *('"a"', "'ab'", '"prod"', '"é"', '""', "0", "1", "250", "0.5", "250.0", "true", "false"),
        *('["a", "b"]', "[1, 5]", '["low", "high"]', "[]"),
    )
)
PATHS = st.sampled_from(
    [
        "args.to.value",
        "args.amount.value",
        'args["to"].value',
        "args.to.value.a",
        "args.to.origins",
        "args.other",
        "args",
        "tool",
        "risk",
        "agent",
        "tags",
        "capabilities",
        "origins",
        "instruction",
        "findings",
        "session",
        "session.calls",
        "size(args)",
        "size(tags)",
        "args.to.value.size()",
        "hijacked",
        "delegated",
    ]
)
ITEMS = st.sampled_from(
    (
        *('o.kind == "untrusted"', "o.instruction > 0.4", "o.asked", 'o == "a"', "o.rule"),
        *("o > 1", "o in tags", 'o.tool.startsWith("r")', "o.confidence >= 0.8", "true"),
        'tool == "x" || o',
    )
)
PATTERNS = st.sampled_from(('"a"', "'^a?b$'", '"é"', '"["'))


@st.composite
def atoms(draw: st.DrawFn) -> str:
    path, literal = draw(PATHS), draw(LITERALS)
    match draw(st.integers(0, 7)):
        case 0:
            return f"{path} {draw(st.sampled_from(['==', '!=', '<', '<=', '>', '>=']))} {literal}"
        case 1:
            return f"{literal} in {path}"
        case 2:
            return f"{path} in {literal}"
        case 3:
            method = draw(st.sampled_from(["startsWith", "endsWith", "contains", "matches"]))
            return f"{path}.{method}({draw(PATTERNS)})"
        case 4:
            return f"{path}.{draw(st.sampled_from(['exists', 'all']))}(o, {draw(ITEMS)})"
        case 5:
            return f"has({draw(st.sampled_from(['args.to', 'args.to.value.a', 'session.calls']))})"
        case 6:
            return draw(
                st.sampled_from(["args.to.value", "hijacked", "delegated", "asked_by_user", "true"])
            )
        case _:
            return f"{path} == {draw(PATHS)}"


CONDITIONS = st.recursive(
    atoms(),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(" ".join)
        | inner.map(lambda one: f"!({one})")
        | inner.map(lambda one: f"({one})")
    ),
    max_leaves=5,
)


@st.composite
def calls(draw: st.DrawFn) -> Activation:
    arguments = draw(ARGUMENTS)
    traced = tuple(
        TracedValue(str(name), tuple(draw(st.lists(ORIGINS, min_size=1, max_size=3))))
        for name in arguments
    )
    facts = CallFacts(
        infer("send_money"),
        traced,
        asked_by_user=draw(st.booleans()),
        delegated=draw(st.booleans()),
        session={"calls": 3},
    )
    findings = [Finding("r", Threat.PII_EXPOSURE, Severity.LOW, 0.8, Span(0, 1), Surface.TOOL_CALL)]
    return Activation(facts, arguments, findings, draw(TEXTS), draw(st.lists(TEXTS, max_size=3)))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONDITIONS, calls())
def test_plain_conditions_are_told_as_the_engine_tells_them(source: str, call: Activation) -> None:
    try:
        condition = Condition(source)
    except ConditionError:
        return  # types that the engine refuses when it loads
    told: bool | None
    asked: bool | None
    try:
        asked = condition.asked(call)
    except ConditionError:
        asked = None
    try:
        told = condition.holds(call)
    except ConditionError:
        told = None
    assert told is asked
    (together,) = ConditionBatch([condition]).hold(call)
    assert together is asked


@pytest.mark.parametrize(
    "source",
    [
        'hijacked && !asked_by_user && risk != "low"',
        'args.to.origins.exists(o, o.kind == "untrusted") && args.amount.value > 1000',
        '"to" in args && args.to.value.contains("urgent")',
        'findings.exists(f, f.threat == "x" && f.confidence > 0.9)',
        '!("prod" in tags) && asked_by_text',
        'has(args.to) && tool in ["a", "b"]',
        'args["to"].value.startsWith("x") || size(args) > 3',
    ],
)
def test_usual_conditions_need_no_engine(source: str) -> None:
    assert Condition(source).plain is not None


@pytest.mark.parametrize(
    "source",
    [
        "args.amount.value + 1 > 5",
        'tool.matches("\\\\d")',
        "args.amount.value == -1",
        'tool == r"a"',
        "(risk == 'low' ? 1 : 2) == 1",
        "args.exists_one(a, a == 'to')",
        "args.amount.value == 5u",
        "timestamp('2026-01-01T00:00:00Z') > timestamp('2025-01-01T00:00:00Z')",
    ],
)
def test_what_is_not_plain_is_for_the_engine(source: str) -> None:
    assert Condition(source).plain is None


@pytest.mark.parametrize(
    "source",
    [
        "(" * 30 + "hijacked" + ")" * 30,
        "(" * 200 + "hijacked" + ")" * 200,
        "!" * 3000 + "hijacked",
        "args" + ".a" * 1900 + " == 1",
        "has(args" + ".a" * 1900 + ")",
        " || ".join(["hijacked"] * 300),
        "args.to.value" + '["a"]' * 700 + " == 1",
    ],
)
def test_deep_conditions_load_and_are_told_or_are_refused(source: str) -> None:
    call = Activation(CallFacts(infer("send_money")), {"to": "a"})
    try:
        condition = Condition(source)
    except ConditionError:
        return
    (told,) = ConditionBatch([condition]).hold(call)
    assert told in (False, None)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('args.lacking.value == "x"', None),
        ('args.lacking.value == "x" && hijacked', False),
        ('args.lacking.origins.exists(o, o.kind == "user") || args.to.value == "a"', True),
        ('"lacking" in args && args.lacking.value == "x"', False),
        ('!(args.lacking.value in ["x"])', None),
    ],
)
def test_an_argument_that_a_call_lacks_needs_no_engine(source: str, told: bool | None) -> None:
    condition = Condition(source)
    call = Activation(CallFacts(infer("send_money")), {"to": "a"})
    assert condition.plain is not None
    assert condition.plain(call) is (Failed if told is None else told)
    assert ConditionBatch([condition]).hold(call) == [told]
