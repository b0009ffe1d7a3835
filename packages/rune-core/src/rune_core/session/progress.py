"""How far the calls of a session have come along each ``sequence`` rule. Bounded.

For each step the latest possible beginning of the steps up to it is kept. That is all that is
needed to answer exactly, whatever number of calls lies in between: of two beginnings the later
one fits every window that the earlier one fits.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_RULES: Final = 4096
MAX_PENDING: Final = 256
"""Calls whose decision is under way; beyond, the oldest counts as made."""

_Mark: TypeAlias = "tuple[int, float]"


@dataclass(slots=True, eq=False)
class Attempt:
    """A call that is being decided.

    Attributes:
        at: When it began, on the clock of its session.
        steps: By rule, which steps the call is, and of how many.
    """

    at: float
    steps: dict[str, tuple[tuple[int, ...], int]] = field(default_factory=dict)


class Progress:
    """Follows the calls of one session. Threads may share it.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._made = 0
        self._reached: OrderedDict[str, list[_Mark | None]] = OrderedDict()
        self._pending: list[Attempt] = []

    @property
    def calls_made(self) -> int:
        """Calls that went through."""
        return self._made

    def begin(self) -> Attempt:
        """Announce a call. It must be settled."""
        with self._lock:
            attempt = Attempt(self._clock())
            self._pending.append(attempt)
            if len(self._pending) > MAX_PENDING:
                self._fold(self._pending.pop(0))
            return attempt

    def completes(
        self,
        attempt: Attempt,
        rule: str,
        steps: Sequence[int],
        length: int,
        *,
        within_calls: int | None = None,
        within_seconds: float | None = None,
    ) -> bool:
        """Whether a call is the last step of a sequence whose others were made before it.

        Calls that are being decided at the same time count as made before.

        Args:
            attempt: The call.
            rule: The rule's name.
            steps: Which steps the call is, from 0.
            length: How many steps the rule has.
            within_calls: How many calls after the first step's the last may come.
            within_seconds: The same in seconds.
        """
        with self._lock:
            attempt.steps[rule] = (tuple(steps), length)
            if length - 1 not in steps:
                return False
            reached = list(self._of(rule, length))
            number = self._made
            for other in self._pending:
                if other is attempt:
                    continue
                number += 1
                told = other.steps.get(rule)
                if told is not None and told[1] == length:
                    _advance(reached, told[0], (number, other.at))
            start = reached[length - 2]
            if start is None:
                return False
            if within_calls is not None and number + 1 - start[0] > within_calls:
                return False
            return within_seconds is None or attempt.at - start[1] <= within_seconds

    def settle(self, attempt: Attempt, *, made: bool) -> None:
        """Say whether the call went through. One that was stopped leaves no trace."""
        with self._lock:
            if attempt not in self._pending:
                return
            self._pending.remove(attempt)
            if made:
                self._fold(attempt)

    def _fold(self, attempt: Attempt) -> None:
        self._made += 1
        for rule, (steps, length) in attempt.steps.items():
            _advance(self._of(rule, length), steps, (self._made, attempt.at))

    def _of(self, rule: str, length: int) -> list[_Mark | None]:
        reached = self._reached.get(rule)
        if reached is None or len(reached) != length - 1:
            # The rule is new, or was rewritten by a reload: its old steps mean nothing.
            reached = self._reached[rule] = [None] * (length - 1)
            while len(self._reached) > MAX_RULES:
                self._reached.popitem(last=False)
        self._reached.move_to_end(rule)
        return reached


def _advance(reached: list[_Mark | None], steps: Sequence[int], mark: _Mark) -> None:
    # From the last step to the first, so that one call is never two steps of one sequence.
    for step in sorted(steps, reverse=True):
        if step >= len(reached):
            continue
        start = mark if step == 0 else reached[step - 1]
        known = reached[step]
        if start is not None and (known is None or start > known):
            reached[step] = start
