"""The limits of one process: shared ones over Redis where there is one, local ones always."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rune_server.limits.memory import MemoryLimits
from rune_server.limits.redis import RedisLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rune_server.limits.bucket import Limit, Taken


class Limits:
    """Rates and open requests.

    Args:
        redis_url: Where counts are shared; None keeps them in this process.
        clock: Seconds on a clock that does not jump, for rates that are kept here.
    """

    def __init__(
        self, redis_url: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._local = MemoryLimits(clock)
        self._shared = RedisLimits(redis_url) if redis_url else None
        self._open: Counter[str] = Counter()

    @property
    def is_shared(self) -> bool | None:
        """Whether counts are shared now; None when they are not meant to be."""
        return None if self._shared is None else self._shared.is_shared

    async def take(self, wanted: Sequence[tuple[str, Limit, float]]) -> Taken:
        """Take from every named bucket, or from none; shared with other processes.

        Args:
            wanted: Name, limit and cost of each.
        """
        if self._shared is not None:
            return await self._shared.take(wanted)
        return self._local.take(wanted)

    def take_here(self, name: str, limit: Limit, cost: float = 1.0) -> Taken:
        """Take from a bucket of this process alone, without waiting for anything."""
        return self._local.take([(name, limit, cost)])

    @contextmanager
    def holding(self, name: str, most: int) -> Iterator[bool]:
        """Hold one of ``most`` places for the length of the block; False when all are taken."""
        if self._open[name] >= most:
            yield False
            return
        self._open[name] += 1
        try:
            yield True
        finally:
            self._open[name] -= 1
            if self._open[name] <= 0:
                del self._open[name]

    async def close(self) -> None:
        """Give connections back."""
        if self._shared is not None:
            await self._shared.close()
