"""Budgets: calls, spend and repeats are counted when made, and only then."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.errors import PolicyLoadError
from rune_core.policy.counting import amount_at
from rune_core.policy.load import load_text
from rune_core.session.ledger import MAX_ENTRIES, Ledger
from rune_core.testing import FakeApproval, shield_for_tests

if TYPE_CHECKING:
    from rune_core import Shield


def shield(body: str, **more: Any) -> Shield:
    return shield_for_tests(
        policy=f'version: "1.0"\ndefaults: off\nrules:\n  - {{name: cap, type: budget, {body}}}',
        **more,
    )


def spend(guard: Shield, amount: object, tool: str = "send_money", **context: Any) -> str:
    result = guard.validate_action(tool, {"amount": amount, "to": "ann"}, **context)
    return str(result.action)


SPENDING = "tools: [send_money, pay], spend: amount, max_spend: 100, action: block"


def test_spend_is_summed_over_the_session_and_over_its_tools() -> None:
    guard = shield(SPENDING)
    with guard.session():
        assert spend(guard, 60) == "allow"
        assert spend(guard, 40, tool="pay") == "allow"
        assert spend(guard, 0.01) == "block"
        assert spend(guard, 60, tool="other") == "allow"
    with guard.session():
        assert spend(guard, 100) == "allow"


def test_a_call_that_is_stopped_spends_nothing() -> None:
    guard = shield(SPENDING)
    with guard.session():
        assert spend(guard, 90) == "allow"
        for _ in range(5):
            assert spend(guard, 20) == "block"
        assert spend(guard, 10) == "allow"


def test_a_call_stopped_by_another_rule_spends_nothing() -> None:
    guard = shield_for_tests(
        policy="""
version: "1.0"
defaults: off
rules:
  - {name: cap, type: budget, tools: [pay], spend: amount, max_spend: 100}
  - name: only-ann
    type: tool_call
    tools: [pay]
    when: args.to.value != "ann"
    action: block
"""
    )
    with guard.session():
        for _ in range(5):
            assert guard.validate_action("pay", {"amount": 90, "to": "eve"}).blocked
        assert guard.validate_action("pay", {"amount": 90, "to": "ann"}).action == "allow"


@pytest.mark.parametrize("approve", [True, False])
def test_what_a_person_approved_is_spent_and_what_was_denied_is_not(approve: bool) -> None:
    guard = shield(
        SPENDING.replace("block", "ask"),
        approval_handler=FakeApproval(approve=approve),
        on_block="replace",
    )
    with guard.session():
        guard.guard_call("pay", {"amount": 80})
        assert guard.guard_call("pay", {"amount": 80}).stopped is not approve
        left = guard.guard_call("pay", {"amount": 15})
        assert left.action == ("ask" if approve else "allow")


@pytest.mark.parametrize("amount", [-5, "-5", float("nan"), float("inf"), "ten", "1,000.00", None])
def test_an_amount_that_cannot_be_told_counts_as_a_match_where_the_rule_closes(
    amount: object,
) -> None:
    guard = shield(SPENDING)
    assert spend(guard, amount) == "block"
    assert guard.validate_action("pay", {"sum": 3}).blocked
    assert spend(shield(SPENDING.replace("block", "flag")), amount) == "allow"


def test_numbers_add_up_as_they_are_written() -> None:
    guard = shield(SPENDING.replace("100", "0.3"))
    with guard.session():
        assert spend(guard, 0.1) == "allow"
        assert spend(guard, "0.2") == "allow"
        assert spend(guard, 0.1) == "block"


def test_an_argument_inside_another_is_named_by_its_path_and_lists_are_summed() -> None:
    guard = shield("tools: [order], spend: items.price, max_spend: 10")
    with guard.session():
        items = [{"price": 4}, {"price": "5.5"}]
        assert guard.validate_action("order", {"items": items}).action == "allow"
        assert guard.validate_action("order", {"items": [{"price": 1}]}).blocked


def test_calls_are_counted_per_session_agent_or_process() -> None:
    guard = shield("max_calls: 1, per: agent")
    with guard.session(agent_id="a"):
        assert spend(guard, 1) == "allow"
    with guard.session(agent_id="a"):
        assert spend(guard, 1) == "block"
    with guard.session(agent_id="b"):
        assert spend(guard, 1) == "allow"
    guard = shield("max_calls: 1, per: process")
    with guard.session(agent_id="a"):
        assert spend(guard, 1) == "allow"
    with guard.session(agent_id="b"):
        assert spend(guard, 1) == "block"


def test_a_loop_is_broken_whatever_the_order_of_the_arguments() -> None:
    guard = shield("max_repeats: 2")
    with guard.session():
        assert guard.validate_action("get", {"a": 1, "b": 2}).action == "allow"
        assert guard.validate_action("get", {"b": 2, "a": 1}).action == "allow"
        assert guard.validate_action("get", {"a": 1, "b": 3}).action == "allow"
        assert guard.validate_action("look", {"a": 1, "b": 2}).action == "allow"
        broken = guard.validate_action("get", {"a": 1, "b": 2})
    assert broken.blocked
    assert "the same call more than 2 times" in broken.explanation


def test_monitoring_counts_what_went_through() -> None:
    guard = shield(SPENDING + ", mode: monitor")
    with guard.session():
        assert [spend(guard, 80) for _ in range(3)] == ["allow"] * 3
        result = guard.validate_action("pay", {"amount": 1})
    assert result.decision.monitored_action == "block"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_window_forgets() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    assert ledger.reserve(("a",), Decimal(5), 10)[0] == 5
    clock.now = 6
    assert ledger.reserve(("a",), Decimal(2), 10)[0] == 7
    clock.now = 10
    assert ledger.reserve(("a",), Decimal(1), 10)[0] == 3


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), min_size=1, max_size=60
    ),
    st.sampled_from([None, 3, 7]),
)
def test_the_sum_is_what_was_kept_and_is_not_too_old(
    rows: list[tuple[int, int, bool]], window: int | None
) -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    kept: list[tuple[float, int]] = []
    for amount, wait, used in rows:
        clock.now += wait
        total, entry = ledger.reserve(("k",), Decimal(amount), window)
        alive = [was for at, was in kept if window is None or at > clock.now - window]
        assert total == sum(alive) + amount
        if used:
            kept.append((clock.now, amount))
        else:
            ledger.give_back(entry)
            ledger.give_back(entry)


def test_memory_is_bounded_and_never_counts_too_little() -> None:
    clock = Clock()
    ledger = Ledger(max_accounts=4, clock=clock)
    entries = []
    for number in range(MAX_ENTRIES + 500):
        clock.now = number / 1000
        total, entry = ledger.reserve(("k",), Decimal(1), 3600)
        entries.append(entry)
    assert total == MAX_ENTRIES + 500
    for entry in entries[:400]:
        ledger.give_back(entry)
    assert ledger.reserve(("k",), Decimal(0), 3600)[0] == MAX_ENTRIES + 100
    for number in range(20):
        ledger.reserve((str(number),), Decimal(1))
    assert len(ledger) == 4


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("ab"), inner),
    )
)
def test_any_argument_gives_an_amount_that_is_not_negative_or_none(value: object) -> None:
    amount = amount_at({"a": value}, ("a", "b"))
    assert amount is None or amount >= 0
    amount = amount_at({"a": value}, ("a",))
    assert amount is None or amount >= 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("action: block", "p.yaml:3: rules[0]: limits nothing (give max_calls"),
        ("max_spend: 5, tools: [a]", "rules[0].spend: is missing beside max_spend"),
        ("spend: amount, tools: [a], max_calls: 3", "rules[0].max_spend: is missing beside spend"),
        ("spend: amount, max_spend: 5", "rules[0].tools: is missing beside spend"),
        ("spend: a..b, max_spend: 5, tools: [a]", "rules[0].spend: is not the name of an argument"),
        ("max_spend: -1, spend: a, tools: [a]", "rules[0].max_spend: must be a number from 0"),
        ("max_spend: .nan, spend: a, tools: [a]", "rules[0].max_spend: must be a number from 0"),
        ("max_calls: .inf", "rules[0].max_calls: must be a whole number"),
        ("max_repeats: 0", "rules[0].max_repeats: must be a whole number from 1"),
        ("max_calls: 1, per: user", "rules[0].per: 'user' is unknown (one of session, agent"),
        ("max_calls: 1, window_seconds: 0", "rules[0].window_seconds: must be positive"),
        ("max_calls: 1, when: hijacked", "rules[0].when: is not a key of a budget rule"),
    ],
)
def test_a_faulty_budget_names_file_line_and_key(body: str, message: str) -> None:
    with pytest.raises(PolicyLoadError) as caught:
        load_text(f'version: "1.0"\nrules:\n  - {{name: r, type: budget, {body}}}', path="p.yaml")
    assert message in str(caught.value)
