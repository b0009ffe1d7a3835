"""What cannot be told of a call is named: the argument and the way out, and never content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from rune_core.cli.app import build
from rune_core.policy.conditions import Activation, Condition, ConditionError
from rune_core.policy.untold import untold
from rune_core.session.call import call_facts
from rune_core.session.sources import Sources
from rune_core.testing import shield_for_tests
from rune_core.tool_risk import infer

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "zq7canary9xkwj"
ARGUMENTS: dict[str, object] = {
    "to": CANARY,
    "amount": CANARY,
    "nothing": None,
    "order": {"lines": [{"price": 3, CANARY: 1}], CANARY: CANARY},
    "x-y": 1,
    CANARY: CANARY,
}


def activation(tool: str, arguments: dict[str, object]) -> Activation:
    return Activation(call_facts(infer(tool), arguments, Sources()), arguments, tags=["prod"])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('args.cc.value == "x"', "the call has no argument args.cc; guard it with has(args.cc)"),
        ('args["cc"].value == "x"', "the call has no argument args.cc;"),
        ('args["c-c"].value == "x"', 'args["c-c"]; guard it with "c-c" in args && …'),
        ('"args.to" == tool || args.cc.value == "x"', "no argument args.cc;"),
        ('has(args.bcc) && true || args.cc.value == "x"', "no argument args.cc;"),
        ('args.to.value == "x" || args.cc.value.startsWith("y")', "no argument args.cc;"),
        ("args.order.value.total > 5", "there is no args.order.value.total; guard it with has("),
        (
            "args.order.value.lines.exists(line, line.weight > 3)",
            "something that it reads has no 'weight'",
        ),
        ("args.order.value.lines[0].weight > 3", "there is no args.order.value.lines"),
        ("args.amount.value > 5", "> does not take string and int (args.amount.value is string)"),
        ("args.amount.value > 5", "type(args.amount.value) == …"),
        ("args.nothing.value > 5", "args.nothing.value is null"),
        ('args.order.value.startsWith("a")', "startsWith does not take map and string"),
        ("args.to.value", "it gives neither true nor false"),
        ("1 / size(tags) == 1 / (size(tags) - 1)", "it divides by zero"),
        ("int(args.to.value) > 1", "the engine finds no answer"),
        ('args[args.to.value + "!"].value == 1', "a key that it looks up is not there"),
    ],
)
def test_what_is_missing_is_named(source: str, said: str) -> None:
    condition, call = Condition(source), activation("send", ARGUMENTS)
    with pytest.raises(ConditionError):
        condition.holds(call)
    assert said in untold(condition, call)
    assert CANARY not in untold(condition, call)


def test_every_one_of_a_batch_is_told_apart() -> None:
    """Three and more conditions are held together; each still says what it misses."""
    rules = "\n".join(
        f"  - {{name: r{name}, type: tool_call, when: 'args.{name}.value == 1', action: block}}"
        for name in ("a", "b", "c", "d")
    )
    with shield_for_tests(policy=f'version: "1.0"\nrules:\n{rules}\n') as shield:
        result = shield.validate_action("send", {"b": 2})
    reasons = {match.rule: match.reason for match in result.decision.matches}
    for name in ("a", "c", "d"):
        assert f"the call has no argument args.{name};" in reasons[f"r{name}"]
    assert "rb" not in reasons


# Four ways of looking into arguments, of which most calls here lack something.
CONDITIONS = tuple(
    Condition(source)
    for source in (
        'args.a.value.b == "x"',
        "args.a.value > 3 || args.b.value < 2",
        'args.a.value.exists(one, one.c == "d") && args.e.value.matches("f+")',
        "args[args.a.value].value == args.b.value + 1",
    )
)
ODD = st.sampled_from(
    ["a", "b", CANARY, f'NOT_FOUND: Key not found in map : "{CANARY}"', f"_>_({CANARY})"]
)


@settings(deadline=None)
@given(
    st.dictionaries(
        ODD,
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | ODD,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3),
            max_leaves=8,
        ),
    )
)
def test_whatever_a_call_holds_is_not_told(arguments: dict[str, object]) -> None:
    call = activation("send", arguments)
    for condition in CONDITIONS:
        try:
            condition.holds(call)
        except ConditionError:
            assert CANARY not in untold(condition, call)


POLICY = """
version: "1.0"
rules:
  - {name: inside, type: tool_call, tools: [send], when: 'args.cc.value != "x"', action: block,
     description: Mail stays inside}
  - {name: mild, type: tool_call, tools: [send], when: 'args.bcc.value != "x"', action: flag}
  - {name: steps, type: sequence, action: block,
     steps: [{tools: [read]}, {tools: [send], when: 'args.subject.value == "x"'}]}
  - {name: never, type: tool_denylist, tools: [send], action: block}
exceptions:
  - {rule: never, reason: it is known, when: 'args.ticket.value == "x"'}
"""


def test_the_decision_names_rule_and_argument() -> None:
    with shield_for_tests(policy=POLICY) as shield, shield.session():
        shield.validate_action("read", {})
        result = shield.validate_action("send", {"to": CANARY})
    reasons = {match.rule: match.reason for match in result.decision.matches}
    assert reasons["inside"].startswith("tool 'send': Mail stays inside (its condition cannot be")
    assert "no argument args.cc;" in reasons["inside"]
    assert "no argument args.subject;" in reasons["steps"]
    assert "mild" not in reasons
    assert CANARY not in result.explanation


def test_explain_and_test_say_it_too(tmp_path: Path) -> None:
    policy = tmp_path / "mail.yaml"
    policy.write_text(POLICY)
    run = CliRunner()
    words = ["policy", "explain", "-p", str(policy), "--call", "send", "--args", "{}", "--json"]
    told = json.loads(run.invoke(build(), words).stdout)
    why = {rule["rule"]: rule["why"] for rule in told["rules"]}
    assert "no argument args.bcc;" in why["mild"]
    assert "neither asks nor blocks" in why["mild"]
    assert "the exception in mail:11 does not lift it" in why["never"]
    assert "no argument args.ticket;" in why["never"]
    policy.with_name("mail.cases.yaml").write_text(
        "cases:\n  - {name: goes out, call: send, args: {to: x}, action: allow}\n"
    )
    failed = run.invoke(build(), ["policy", "test", str(policy)])
    assert failed.exit_code == 1
    assert "Blocked by rule 'inside' (mail)" in failed.stdout
    assert "no argument args.cc; guard it with has(args.cc) && …" in failed.stdout
