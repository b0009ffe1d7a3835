"""Breakers that are open: what ``circuit_breaker`` rules stop until they close again. Bounded."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_OPEN: Final = 4096


class Breakers:
    """Which breakers are open, and until when. Threads may share it.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._until: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def open(self, key: tuple[str, ...], seconds: float | None) -> None:
        """Open one for so many seconds; None for as long as its scope lives."""
        with self._lock:
            self._until[key] = float("inf") if seconds is None else self._clock() + seconds
            self._until.move_to_end(key)
            while len(self._until) > MAX_OPEN:
                self._until.popitem(last=False)

    def is_open(self, key: tuple[str, ...]) -> bool:
        """Whether it is open."""
        with self._lock:
            until = self._until.get(key)
            if until is None:
                return False
            if until > self._clock():
                return True
            del self._until[key]
            return False
