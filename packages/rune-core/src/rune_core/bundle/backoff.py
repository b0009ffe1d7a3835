"""How long to wait after a failure."""

from __future__ import annotations

import random

from rune_core.errors import KeyRefusedError, ServerError, ServerStatusError

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
REFUSED_SECONDS = 300.0
"""Where trying again soon helps nobody: a key that is refused, a path that is not there."""


class Backoff:
    """Full jitter: a random time up to a bound that doubles, so that instances spread out.

    Args:
        first: The first bound, in seconds.
        longest: The last one.
    """

    def __init__(self, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        self.first = first
        self._longest = longest
        self._failures = 0

    def reset(self) -> None:
        """It worked."""
        self._failures = 0

    def after(self, error: ServerError | None = None) -> float:
        """Seconds to wait, after one more failure.

        What the server asks for (``Retry-After``) is the least, and is spread too.
        """
        bound = min(self._longest, self.first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        least = 0.0
        if isinstance(error, ServerStatusError) and error.retry_after is not None:
            least = error.retry_after
        elif isinstance(error, KeyRefusedError) or _is_missing(error):
            least = REFUSED_SECONDS
        return least + random.uniform(0.0, bound)  # noqa: S311 - spreads load, guards nothing


def _is_missing(error: ServerError | None) -> bool:
    return isinstance(error, ServerStatusError) and error.status in (404, 405, 410)
