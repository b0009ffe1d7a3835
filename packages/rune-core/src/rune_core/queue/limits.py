"""How long a server wants to hear nothing, or nothing of one kind.

``Retry-After`` holds for everything. ``X-Rune-Rate-Limits`` names categories of events::

    X-Rune-Rate-Limits: 60:scan;tool_call, 2700:alert, 5:

Seconds, a colon, categories separated by semicolons; none stands for all.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rune_core.queue.front import CATEGORIES
from rune_core.server_fault import MAX_RETRY_AFTER, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEADER = "x-rune-rate-limits"
_MAX_HEADER = 2_000


class RateLimits:
    """What may not be sent before when.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def limit(self, seconds: float, categories: tuple[str, ...] = CATEGORIES) -> None:
        """Send nothing of these categories for so long."""
        until = self._clock() + min(max(seconds, 0.0), MAX_RETRY_AFTER)
        for category in categories:
            self._until[category] = max(until, self._until.get(category, until))

    def read(self, header: str) -> None:
        """Obey an ``X-Rune-Rate-Limits`` header. What cannot be read in it is passed over."""
        for part in header[:_MAX_HEADER].split(","):
            seconds, _, names = part.strip().partition(":")
            wait = retry_after(seconds) if seconds.strip()[:1].isdigit() else None
            if wait is None:
                continue
            named = tuple(name.strip() for name in names.split(";") if name.strip())
            known = tuple(name for name in named if name in CATEGORIES)
            if known or not named:
                self.limit(wait, known or CATEGORIES)

    def obey(self, headers: Mapping[str, str]) -> None:
        """Obey the headers of an answer.

        Args:
            headers: Names in lower case.
        """
        self.read(headers.get(HEADER, ""))
        remaining, reset = headers.get("ratelimit-remaining"), headers.get("ratelimit-reset")
        if remaining is not None and remaining.strip() == "0" and reset is not None:
            wait = retry_after(reset, headers.get("date"))
            if wait is not None:
                self.limit(wait)

    def blocked(self) -> tuple[str, ...]:
        """The categories that may not be sent now."""
        now = self._clock()
        return tuple(category for category, until in self._until.items() if until > now)

    def seconds(self) -> float:
        """Seconds until something may be sent; 0 when something may be now."""
        now = self._clock()
        return max(0.0, min(self._until.get(category, now) - now for category in CATEGORIES))

    def next_change(self) -> float | None:
        """Seconds until a category that is blocked now is free; None when none is."""
        now = self._clock()
        left = [until - now for until in self._until.values() if until > now]
        return min(left) if left else None
