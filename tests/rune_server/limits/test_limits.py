"""Rates: in one process, over Redis, and when Redis goes away."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_server.limits import Limit, Limits, MemoryLimits, RedisLimits
from rune_server.limits import memory as memory_limits
from rune_server.limits.bucket import MAX_DEBT


class Time:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_a_burst_then_the_rate():
    clock = Time()
    limits = MemoryLimits(clock)
    limit = Limit(per_second=10, burst=20)

    def take(cost=1.0):
        return limits.take([("a", limit, cost)])

    assert [take().allowed for _ in range(21)] == [True] * 20 + [False]
    refused = take()
    assert refused.remaining == 0
    assert refused.retry_after == pytest.approx(0.1)
    assert dict(refused.headers())["retry-after"] == "1"
    clock.at += 1
    assert sum(take().allowed for _ in range(20)) == 10
    clock.at += 1000
    assert sum(take().allowed for _ in range(30)) == 20


def test_more_than_a_burst_is_paid_for_afterwards():
    clock = Time()
    limits = MemoryLimits(clock)
    limit = Limit(per_second=10, burst=20)
    assert limits.take([("a", limit, 50)]).allowed
    refused = limits.take([("a", limit, 1)])
    assert not refused.allowed
    clock.at += 3.2
    assert limits.take([("a", limit, 1)]).allowed


def test_all_or_nothing():
    limits = MemoryLimits(Time())
    wide, narrow = Limit(1, 100), Limit(1, 2)
    for _ in range(5):
        limits.take([("wide", wide, 10), ("narrow", narrow, 1)])
    # The three that were refused took nothing of the wide one.
    assert limits.take([("wide", wide, 0)]).remaining == 80


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 30)), min_size=1, max_size=60))
def test_no_clock_makes_it_give_more_or_lock_out(steps):
    clock = Time()
    limits = MemoryLimits(clock)
    limit = Limit(per_second=5, burst=10)
    forward, taken = 0.0, 0.0
    for jump, cost in steps:
        clock.at += jump
        forward += max(0.0, jump)
        answer = limits.take([("a", limit, cost)])
        taken += cost if answer.allowed else 0.0
        assert 0 <= answer.remaining <= 10
        if not answer.allowed:
            assert answer.retry_after > 0
    # The most that a clock which went back can leave: a debt, on top of an empty bucket.
    clock.at += MAX_DEBT + limit.burst / limit.per_second
    assert limits.take([("a", limit, 10)]).allowed
    # A clock that went back gives at most one burst more each time.
    back = sum(1 for jump, _ in steps if jump < 0)
    assert (
        taken
        <= 10
        + 5 * forward
        + back * (10 + max(cost for _, cost in steps))
        + max(cost for _, cost in steps)
        + 1e-6
    )


def test_names_are_bounded(monkeypatch):
    monkeypatch.setattr(memory_limits, "MAX_NAMES", 100)
    clock = Time()
    limits = MemoryLimits(clock)
    for number in range(1000):
        limits.take([(str(number), Limit(1, 5), 1)])
    assert len(limits._full_at) <= 101
    # Who is over a limit is not forgotten while others that are not can be.
    clock.at += 10
    limits.take([("busy", Limit(0.001, 1), 1)])
    for number in range(1000):
        limits.take([(f"n{number}", Limit(1000, 5), 1)])
        clock.at += 0.01
    assert not limits.take([("busy", Limit(0.001, 1), 1)]).allowed


def test_places_are_given_back():
    limits = Limits()
    with limits.holding("a", 1) as first, limits.holding("a", 1) as second:
        assert (first, second) == (True, False)
    with limits.holding("a", 1) as again:
        assert again
    assert not limits._open


async def test_processes_share_a_rate_over_redis(redis):
    # A machine that runs tests may be slow to answer.
    one, two = RedisLimits(redis.url, seconds=10), RedisLimits(redis.url, seconds=10)
    limit = Limit(per_second=0.01, burst=30)
    try:
        answers = await asyncio.gather(
            *(each.take([("a", limit, 1.0)]) for each in (one, two) for _ in range(30))
        )
        assert sum(answer.allowed for answer in answers) == 30
        assert sorted(a.remaining for a in answers if a.allowed) == list(range(30))
        refused = await one.take([("a", limit, 1.0)])
        assert 50 < refused.retry_after <= 100
        assert one.is_shared
        # Two buckets at once: all or nothing.
        both = [("a", limit, 1.0), ("b", limit, 1.0)]
        assert not (await one.take(both)).allowed
        assert (await one.take([("b", limit, 0.0)])).remaining == 30
        redis.stop()
        # Without Redis each counts for itself, and nobody waits.
        began = asyncio.get_running_loop().time()
        allowed = [(await one.take([("a", limit, 1.0)])).allowed for _ in range(40)]
        assert sum(allowed) == 30
        assert asyncio.get_running_loop().time() - began < 5
        assert one.is_shared is False
        assert Limits().is_shared is None
    finally:
        await one.close()
        await two.close()
