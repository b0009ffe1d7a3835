"""Limits inside one process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rune_server.limits.bucket import Taken, take

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rune_server.limits.bucket import Limit

MAX_NAMES = 100_000


class MemoryLimits:
    """Buckets by name, bounded: those that are full again are forgotten first.

    Args:
        clock: Seconds on a clock that does not jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def take(self, wanted: Sequence[tuple[str, Limit, float]]) -> Taken:
        """Take from every named bucket, or from none.

        Args:
            wanted: Name, limit and cost of each.

        Returns:
            The answer of the first that refuses, or else of the one with the least left.
        """
        now = self._clock()
        new: dict[str, float] = {}
        tightest: Taken | None = None
        for name, limit, cost in wanted:
            new[name], answer = take(self._full_at.get(name, 0.0), now, limit, cost)
            if not answer.allowed:
                return answer
            if tightest is None or answer.remaining < tightest.remaining:
                tightest = answer
        if len(self._full_at) + len(new) > MAX_NAMES:
            self._forget(now)
        self._full_at.update(new)
        assert tightest is not None
        return tightest

    def _forget(self, now: float) -> None:
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        while len(self._full_at) > MAX_NAMES // 2:
            self._full_at.pop(next(iter(self._full_at)))
