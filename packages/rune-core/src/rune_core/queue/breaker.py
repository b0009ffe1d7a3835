"""A circuit breaker: what keeps failing is left alone for a while, then tried once."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = 3
REST_SECONDS = 15.0
LONGEST_SECONDS = 300.0


class Breaker:
    """Closed while things work; open after some failures in a row; half-open for one trial.

    Args:
        failures: Failures in a row that open it.
        rest: First rest, in seconds; doubles with every trial that fails.
        longest: Longest rest.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        failures: int = FAILURES,
        rest: float = REST_SECONDS,
        longest: float = LONGEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._rest = rest
        self._longest = longest
        self._clock = clock
        self._in_a_row = 0
        self._until = float("-inf")

    @property
    def is_closed(self) -> bool:
        """Whether nothing is wrong, or not for long."""
        return self._in_a_row < self._failures

    @property
    def rest_seconds(self) -> float:
        """Seconds until a trial is allowed; 0 when one is."""
        return 0.0 if self.is_closed else max(0.0, self._until - self._clock())

    def succeeded(self) -> None:
        """It worked: close."""
        self._in_a_row = 0

    def failed(self) -> None:
        """It failed once more."""
        self._in_a_row += 1
        trials = self._in_a_row - self._failures
        if trials >= 0:
            rest = min(self._longest, self._rest * 2.0 ** min(trials, 30))
            # Processes that lost the server together must not come back together.
            self._until = self._clock() + rest * random.uniform(0.5, 1.0)  # noqa: S311
