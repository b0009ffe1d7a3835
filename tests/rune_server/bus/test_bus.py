"""The bus: within a process, between processes over a real Redis, and when Redis goes away."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis as Client
from tests.rune_server.services import Redis, redis_server

from rune_server.bus import LOOK_AGAIN, MemoryBus, RedisBus, open_bus
from rune_server.bus.base import MAX_WAITING
from rune_server.bus.redis import PREFIX


async def connected(server: Redis) -> RedisBus:
    bus = RedisBus(server.url)
    await bus.start()
    await until(bus.ready)
    return bus


async def hears(server: Redis, topic: str, processes: int) -> None:
    """Wait until so many processes are subscribed to a topic at Redis."""
    async with Client.from_url(server.url) as asking:

        async def subscribed() -> bool:
            ((_, number),) = await asking.pubsub_numsub(f"{PREFIX}{topic}")
            return number == processes

        await until(subscribed)


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - it is the other end that is waited for
            await asyncio.sleep(0.01)


async def test_a_message_reaches_the_subscribers_of_its_topic() -> None:
    bus = await open_bus(None)
    async with bus.subscribe("a", "b") as both, bus.subscribe("b") as one:
        await bus.publish("a", b"1")
        await bus.publish("b", b"2")
        assert await both.next(60) == ("a", b"1")
        assert await both.next(60) == ("b", b"2")
        assert await one.next(60) == ("b", b"2")
        assert await one.next(0.01) is None
    await bus.publish("b", b"3")
    await bus.close()


async def test_a_slow_subscriber_loses_the_oldest() -> None:
    bus = MemoryBus()
    async with bus.subscribe("a") as slow:
        for number in range(MAX_WAITING + 10):
            await bus.publish("a", str(number).encode())
        assert await slow.next(60) == ("a", b"10")


async def test_closing_ends_the_iteration() -> None:
    bus = MemoryBus()
    async with bus.subscribe("a") as messages:
        await bus.publish("a", b"1")
        await bus.close()
        assert [message async for message in messages] == [("a", b"1")]
        assert messages.ended
    async with bus.subscribe("a") as messages:
        assert [message async for message in messages] == []


@pytest.mark.parametrize("message", [b"", b"x" * (1024 * 1024 + 1)])
async def test_a_message_has_bounds(message: bytes) -> None:
    with pytest.raises(ValueError, match="bytes long"):
        await MemoryBus().publish("a", message)


async def test_processes_hear_each_other_once(tmp_path) -> None:
    with redis_server(tmp_path) as server:
        here, there = await connected(server), await connected(server)
        async with here.subscribe("keys", "a") as ours, there.subscribe("keys") as theirs:
            await hears(server, "keys", 2)
            await hears(server, "a", 1)
            await here.publish("keys", b"1")
            await there.publish("a", b"2")
            await there.publish("keys", b"3")
            assert await theirs.next(60) == ("keys", b"1")
            assert await theirs.next(60) == ("keys", b"3")
            assert [await ours.next(60) for _ in range(3)] == [
                ("keys", b"1"),
                ("a", b"2"),
                ("keys", b"3"),
            ]
            assert await ours.next(0.1) is None
            assert await theirs.next(0.1) is None
        await hears(server, "keys", 0)
        async with here.subscribe("keys") as again:
            await hears(server, "keys", 1)
            await there.publish("keys", b"4")
            assert await again.next(60) == ("keys", b"4")
        await here.close()
        await there.close()


async def test_without_redis_a_process_hears_itself_and_later_looks_again(tmp_path) -> None:
    with redis_server(tmp_path) as server:
        here, there = await connected(server), await connected(server)
        async with here.subscribe("a") as ours, there.subscribe("a") as theirs:
            server.stop()

            async def gone() -> bool:
                return not (await here.ready() or await there.ready())

            await until(gone)
            await here.publish("a", b"1")
            assert await ours.next(60) == ("a", b"1")
            server.start()
            # The other one lost it, and is told that it may have.
            assert await theirs.next(60) == ("a", LOOK_AGAIN)
            assert await ours.next(60) == ("a", LOOK_AGAIN)
            await here.publish("a", b"2")
            assert await theirs.next(60) == ("a", b"2")
        await here.close()
        await there.close()
