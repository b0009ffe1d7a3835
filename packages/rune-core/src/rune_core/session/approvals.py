"""Approvals that a person gave in this session and need not give again. Bounded, in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_APPROVALS: Final = 1024


class Approvals:
    """What was approved, and until when. Threads may share it.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, rule: str, what: str, seconds: float | None) -> None:
        """Remember that a person approved ``what`` though ``rule`` asks.

        Args:
            rule: The rule.
            what: Stands for the call, or for every call of a tool.
            seconds: How long; None for as long as the session lives.
        """
        with self._lock:
            until = float("inf") if seconds is None else self._clock() + seconds
            self._until[rule, what] = until
            self._until.move_to_end((rule, what))
            while len(self._until) > MAX_APPROVALS:
                self._until.popitem(last=False)

    def holds(self, rule: str, what: str) -> bool:
        """Whether that is remembered."""
        with self._lock:
            return self._until.get((rule, what), 0.0) > self._clock()
