"""Sliding-window call counters behind ``rate_limit`` rules. In memory, bounded."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from threading import Lock
from typing import TYPE_CHECKING

from rune_core.policy.model import RateLimitMatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rune_core.context import ScanContext
    from rune_core.policy.compiled_rule import CompiledRule

MAX_KEYS = 4096


class RateCounter:
    """Counts calls per rule and scope.

    A call is counted when it is let through; one that is stopped leaves no trace, so an agent
    that retries does not lock itself out for ever.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._calls: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def take(self, rules: Iterable[CompiledRule], context: ScanContext) -> Taken:
        """Count a call against every rule that is not yet exhausted."""
        now = self._clock()
        taken = Taken(self, now)
        with self._lock:
            for rule in rules:
                match = rule.rule.match
                assert isinstance(match, RateLimitMatch)
                key = (rule.rule.name, _scope(match.per, context))
                calls = self._calls.setdefault(key, deque())
                self._calls.move_to_end(key)
                while calls and calls[0] <= now - match.window_seconds:
                    calls.popleft()
                if len(calls) >= match.max_calls:
                    taken.exceeded.add(rule.rule.name)
                else:
                    calls.append(now)
                    taken.keys.append(key)
            while len(self._calls) > MAX_KEYS:
                self._calls.popitem(last=False)
        return taken

    def give_back(self, taken: Taken) -> None:
        """Forget a call that was counted but then stopped."""
        with self._lock:
            for key in taken.keys:
                calls = self._calls.get(key)
                if calls is not None and taken.at in calls:
                    calls.remove(taken.at)
        taken.keys.clear()


class Taken:
    """One call's counts.

    Attributes:
        at: When, on the counter's clock.
        keys: Where it was counted.
        exceeded: Names of the rules whose limit was already reached.
    """

    __slots__ = ("_counter", "at", "exceeded", "keys")

    def __init__(self, counter: RateCounter, at: float) -> None:
        self._counter = counter
        self.at = at
        self.keys: list[tuple[str, str]] = []
        self.exceeded: set[str] = set()

    def give_back(self) -> None:
        """Forget this call."""
        if self.keys:
            self._counter.give_back(self)


def _scope(per: str, context: ScanContext) -> str:
    if per == "session":
        return context.session.id
    return (context.agent_id or "") if per == "agent" else ""
