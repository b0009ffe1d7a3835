"""Answers that many open pages share: one query for all who ask the same within a few seconds."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")
_MAX_KEPT = 512


class SharedAnswers:
    """Keeps answers for ``seconds``; those who ask while one is made wait for that one.

    Keys begin with the organisation, so that nothing crosses from one to another.
    """

    def __init__(self, seconds: float = 4.0) -> None:
        self._seconds = seconds
        self._kept: dict[Hashable, tuple[float, asyncio.Future[object]]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The answer for ``key``, made by ``make`` if nobody has one."""
        now = time.monotonic()
        found = self._kept.get(key)
        if found is None or found[0] < now:
            task: asyncio.Future[object] = asyncio.ensure_future(_run(make))
            found = (now + self._seconds, task)
            self._kept[key] = found
            if len(self._kept) > _MAX_KEPT:
                self._kept = {name: one for name, one in self._kept.items() if one[0] >= now}
        try:
            # A reader who leaves must not take the answer from the others.
            return await asyncio.shield(found[1])  # type: ignore[arg-type]
        except BaseException:
            if found[1].done() and self._kept.get(key) is found:
                del self._kept[key]
            raise


async def _run(make: Callable[[], Awaitable[object]]) -> object:
    return await make()
