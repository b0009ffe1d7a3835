from __future__ import annotations

import pytest

from rune_core import Action, ShieldBlockedError
from rune_core.rates import MAX_KEYS, RateCounter
from rune_core.testing import FakeScanner, shield_for_tests
from rune_scanner.finding import Threat


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def shield(rule, **settings):
    made = shield_for_tests(
        FakeScanner({"rm": Threat.COMMAND_INJECTION}),
        policy=f'version: "1.0"\nrules: [{{name: rate, type: rate_limit, {rule}}}]',
        **settings,
    )
    clock = Clock()
    made._engine.rates = RateCounter(clock)
    return made, clock


def test_calls_beyond_the_limit_match_until_the_window_slides():
    made, clock = shield("max_calls: 2, window_seconds: 10, action: block")
    for _ in range(2):
        assert made.validate_action("t").action is Action.ALLOW
        clock.now += 4
    assert made.validate_action("t").decision.rule == "rate"
    clock.now += 2
    assert made.validate_action("t").action is Action.ALLOW
    assert made.validate_action("t").blocked


def test_a_stopped_call_does_not_count():
    made, _ = shield("max_calls: 1, window_seconds: 10, action: block")
    assert made.validate_action("t", {"x": "rm"}).decision.rule == "command-injection-in-call"
    assert not made.validate_action("t").blocked


def test_a_call_that_was_not_approved_does_not_count():
    made, _ = shield("max_calls: 1, window_seconds: 10, action: ask", on_block="raise")
    made.guard_call("t", {})
    for _ in range(3):
        with pytest.raises(ShieldBlockedError):
            made.guard_call("t", {})
    assert sum(map(len, made._engine.rates._calls.values())) == 1


def test_tools_narrow_a_limit():
    made, _ = shield('max_calls: 0, window_seconds: 10, tools: ["mail.*"], action: block')
    assert made.validate_action("mail.send").blocked
    assert not made.validate_action("search").blocked


@pytest.mark.parametrize(
    ("per", "same_agent", "other_agent"),
    [("agent", True, False), ("session", False, False), ("process", True, True)],
)
def test_whose_calls_count_together(per, same_agent, other_agent):
    made, _ = shield(f"max_calls: 1, window_seconds: 10, per: {per}, action: block")
    with made.session():
        made.validate_action("t", agent_id="a")
    with made.session():
        assert made.validate_action("t", agent_id="a").blocked is same_agent
    with made.session():
        assert made.validate_action("t", agent_id="b").blocked is other_agent


def test_memory_is_bounded():
    made, _ = shield("max_calls: 1, window_seconds: 10, per: agent, action: flag")
    for number in range(MAX_KEYS + 50):
        made.validate_action("t", agent_id=f"agent-{number}")
    assert len(made._engine.rates._calls) <= MAX_KEYS
