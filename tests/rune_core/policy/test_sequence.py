"""Sequences: A, then B, within one session."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.errors import PolicyLoadError
from rune_core.policy.load import load_text
from rune_core.session.progress import MAX_PENDING, Progress
from rune_core.testing import shield_for_tests

if TYPE_CHECKING:
    from rune_core import Shield

SECRET_THEN_SEND = """
version: "1.0"
defaults: off
rules:
  - name: secret-then-send
    type: sequence
    steps:
      - tools: ["vault.*", read_file]
        when: '!("path" in args) || args.path.value.startsWith("/secrets/")'
      - when: '"send" in capabilities'
    within_calls: 3
    action: block
    severity: critical
"""


def calls(guard: Shield, *made: tuple[str, dict[str, Any]]) -> list[str]:
    return [str(guard.validate_action(tool, arguments).action) for tool, arguments in made]


SECRET = ("read_file", {"path": "/secrets/key"})
PLAIN = ("read_file", {"path": "/notes.txt"})
SEND = ("send_email", {"to": "ann@corp.example"})


def test_the_last_step_is_stopped_when_the_others_came_before() -> None:
    guard = shield_for_tests(policy=SECRET_THEN_SEND)
    with guard.session():
        assert calls(guard, SEND, PLAIN, SEND) == ["allow"] * 3
        assert calls(guard, SECRET, SEND, SEND) == ["allow", "block", "block"]
    with guard.session():
        assert calls(guard, SEND) == ["allow"]


def test_the_reason_says_what_the_rule_is_about_and_no_content() -> None:
    guard = shield_for_tests(policy=SECRET_THEN_SEND)
    with guard.session():
        calls(guard, SECRET)
        result = guard.validate_action(*SEND)
    assert result.decision.matches[0].kind == "sequence"
    assert "last of 2 steps made in order within 3 calls" in result.explanation
    assert "/secrets" not in result.explanation


def test_a_window_counts_calls_that_were_made_so_retries_do_not_wait_it_out() -> None:
    guard = shield_for_tests(policy=SECRET_THEN_SEND)
    with guard.session():
        calls(guard, SECRET)
        assert calls(guard, *[SEND] * 10) == ["block"] * 10
        assert calls(guard, PLAIN, PLAIN, SEND) == ["allow", "allow", "block"]
        assert calls(guard, PLAIN, SEND) == ["allow", "allow"]


def test_a_refused_first_step_was_never_made() -> None:
    guard = shield_for_tests(
        policy=SECRET_THEN_SEND + "  - {name: no-secrets, type: tool_denylist, tools: [vault.x]}\n"
    )
    with guard.session():
        assert calls(guard, ("vault.x", {}), SEND) == ["block", "allow"]
        assert calls(guard, ("vault.y", {}), SEND) == ["allow", "block"]


def test_a_step_whose_condition_cannot_be_told_counts_where_the_rule_closes() -> None:
    text = SECRET_THEN_SEND.replace('!("path" in args) || ', "")
    guard = shield_for_tests(policy=text)
    with guard.session():
        assert calls(guard, ("read_file", {}), SEND) == ["allow", "block"]
    guard = shield_for_tests(policy=text.replace("action: block", "action: flag"))
    with guard.session():
        assert calls(guard, ("read_file", {}), SEND) == ["allow", "allow"]


def test_seconds_bound_a_sequence() -> None:
    now = [0.0]
    progress = Progress(clock=lambda: now[0])

    def call(*steps: int) -> bool:
        attempt = progress.begin()
        done = progress.completes(attempt, "r", steps, 2, within_seconds=10)
        progress.settle(attempt, made=not done)
        return done

    assert not call(0)
    now[0] = 10
    assert call(1)
    now[0] = 10.5
    assert not call(1)


def test_calls_decided_at_the_same_time_see_each_other() -> None:
    progress = Progress()
    first, second = progress.begin(), progress.begin()
    assert not progress.completes(first, "r", [0], 2)
    assert progress.completes(second, "r", [1], 2)
    progress.settle(first, made=False)
    third = progress.begin()
    assert not progress.completes(third, "r", [1], 2)


def test_calls_never_settled_are_bounded() -> None:
    progress = Progress()
    for _ in range(MAX_PENDING * 3):
        progress.begin()
    assert len(progress._pending) == MAX_PENDING
    assert progress.calls_made == MAX_PENDING * 2


step_sets = st.lists(
    st.tuples(st.frozensets(st.integers(0, 2)), st.booleans()), min_size=1, max_size=12
)


@given(step_sets, st.none() | st.integers(1, 6))
def test_it_says_what_trying_every_choice_of_calls_says(
    rows: list[tuple[frozenset[int], bool]], within: int | None
) -> None:
    progress = Progress()
    made: list[frozenset[int]] = []
    for steps, kept in rows:
        attempt = progress.begin()
        told = progress.completes(attempt, "r", sorted(steps), 3, within_calls=within)
        history = [*made, steps]
        last = len(history) - 1
        expected = 2 in steps and any(
            0 in history[a] and 1 in history[b] and (within is None or last - a <= within)
            for a, b in combinations(range(last), 2)
        )
        assert told is expected
        progress.settle(attempt, made=kept)
        if kept:
            made.append(steps)


def test_memory_does_not_grow_with_calls() -> None:
    guard = shield_for_tests(policy=SECRET_THEN_SEND)
    with guard.session() as session:
        for number in range(300):
            guard.validate_action("read_file", {"path": f"/secrets/{number}"})
        assert session.progress.calls_made == 300
        assert len(session.progress._reached) == 1
        assert not session.progress._pending


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("action: block", "p.yaml:3: rules[0].steps: is missing"),
        ("steps: [{tools: [a]}], action: block", "rules[0].steps: must be 2 to 16 steps"),
        ("steps: [{tools: [a]}, {}], action: block", "rules[0].steps[1]: has neither tools nor"),
        ("steps: [a, b], action: block", "rules[0].steps[0]: must be a mapping"),
        (
            "steps: [{tools: [a]}, {when: argz}], action: ask",
            "rules[0].steps[1].when: column 1: undeclared reference to 'argz'",
        ),
        (
            "steps: [{tools: [a]}, {tools: [b], tool: c}], action: ask",
            "rules[0].steps[1].tool: is not a key of a step",
        ),
        ("steps: [{tools: [a]}, {tools: [b]}]", "rules[0].action: is missing"),
        (
            "steps: [{tools: [a]}, {tools: [b]}], tools: [c], action: ask",
            "rules[0].tools: is not a key of a sequence rule (each step names its tools)",
        ),
        (
            "steps: [{tools: [a]}, {tools: [b]}], within_calls: 0, action: ask",
            "rules[0].within_calls: must be a whole number from 1",
        ),
    ],
)
def test_a_faulty_sequence_names_file_line_and_key(body: str, message: str) -> None:
    with pytest.raises(PolicyLoadError) as caught:
        load_text(f'version: "1.0"\nrules:\n  - {{name: r, type: sequence, {body}}}', path="p.yaml")
    assert message in str(caught.value)
