"""How a rate is kept: the generic cell rate algorithm, a token bucket in one number.

That number is when the bucket will be full again. It needs no job that refills anything, one
comparison decides, and it tells how much is left and when to come back.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_DEBT = 60.0
"""Seconds. Nobody gets so far behind by asking: the clock went back, and locks nobody out."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate.

    Attributes:
        per_second: How much is given back each second.
        burst: How much fits: what may be taken at once after a pause.
    """

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking.

    Attributes:
        allowed: Whether it was taken. Otherwise nothing was.
        limit: The burst of the tightest limit.
        remaining: What it still holds.
        reset: Seconds until it is full again.
        retry_after: Seconds until the same would be allowed; 0 when it was.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: float
    retry_after: float = 0.0

    def headers(self) -> list[tuple[str, str]]:
        """``RateLimit-*`` and, when refused, ``Retry-After``."""
        found = [
            ("ratelimit-limit", str(self.limit)),
            ("ratelimit-remaining", str(self.remaining)),
            ("ratelimit-reset", str(-int(-self.reset // 1))),
        ]
        if not self.allowed:
            found.append(("retry-after", str(max(1, -int(-self.retry_after // 1)))))
        return found


def take(full_at: float, now: float, limit: Limit, cost: float) -> tuple[float, Taken]:
    """Take ``cost`` from a bucket.

    More than a burst can never be there at once; so much is let through when the bucket is full
    and paid for afterwards.

    Args:
        full_at: When the bucket is full again; anything up to ``now`` means that it is full.
        now: The time, on a clock that does not jump.
        limit: The rate.
        cost: How much is wanted.

    Returns:
        The new ``full_at`` and the answer.
    """
    if full_at > now + limit.burst / limit.per_second + MAX_DEBT:
        full_at = now
    begin = max(full_at, now)
    needed = min(cost, limit.burst)
    wait = begin + needed / limit.per_second - now - limit.burst / limit.per_second
    allowed = wait <= 1e-9
    after = begin + cost / limit.per_second if allowed else begin
    left = max(0.0, limit.burst - (after - now) * limit.per_second)
    return after, Taken(
        allowed, int(limit.burst), int(left + 1e-6), after - now, 0.0 if allowed else wait
    )
