"""Feeds: each row once, to every page of one filter, and nothing across organisations."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from benchmarks.dashboard import scenes

from rune_server.analytics import EventFilter
from rune_server.dashboard.feeds import Feeds
from rune_server.dashboard.shared_answers import SharedAnswers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rune_core.event.schema import Event
    from rune_server.platform import Platform
    from rune_server.state.tables.organisations import Organisation

EVERYTHING = EventFilter()


def made(platform: Platform, seed: int) -> list[Event]:
    world = scenes.World(seed)
    return list(scenes.session(world, scenes.AGENTS[0], platform.clock.now(), trouble=True))


async def write(platform: Platform, organisation: Organisation, events: list[Event]) -> None:
    await platform.analytics.insert(organisation.id, events)
    await platform.bus.publish(f"events.{organisation.id}", b"{}")


async def test_each_row_once_to_every_page(
    platform: Platform,
    organisation: Organisation,
    new_organisation: Callable[[str], Awaitable[Organisation]],
) -> None:
    feeds = Feeds(platform)
    other = await new_organisation("Other")
    old = made(platform, 1)
    await write(platform, organisation, old)
    async with (
        feeds.open(organisation.id, EVERYTHING) as first,
        feeds.open(organisation.id, EVERYTHING) as second,
        feeds.open(other.id, EVERYTHING) as theirs,
    ):
        assert first.feed is second.feed
        new = made(platform, 2)
        await write(platform, organisation, new)
        for reader in (first, second):
            got: list[str] = []
            while len(got) < len(new):
                batch = await asyncio.wait_for(reader.next(), 10)
                assert batch is not None
                got += [str(row.event_id) for row in batch]
            assert sorted(got) == sorted(event.event_id for event in new)
        await platform.bus.publish(f"events.{organisation.id}", b"{}")
        await asyncio.sleep(0.6)
        assert first.batches.empty()
        assert theirs.batches.empty()
        missed = await first.missed(platform.clock.now() - timedelta(minutes=10))
        assert {str(row.event_id) for row in missed} >= {event.event_id for event in old + new}
    assert not feeds._feeds


async def test_a_filter_is_the_lists_own(platform: Platform, organisation: Organisation) -> None:
    feeds = Feeds(platform)
    chosen = EventFilter(actions=("block", "ask"))
    async with feeds.open(organisation.id, chosen) as reader:
        events = made(platform, 3)
        stopped = [event.event_id for event in events if event.action in {"block", "ask"}]
        assert stopped
        assert len(stopped) < len(events)
        await write(platform, organisation, events)
        got: list[str] = []
        while len(got) < len(stopped):
            batch = await asyncio.wait_for(reader.next(), 30)
            assert batch is not None
            got += [str(row.event_id) for row in batch]
        assert sorted(got) == sorted(stopped)
        await platform.bus.publish(f"events.{organisation.id}", b"{}")
        await asyncio.sleep(0.6)
        assert reader.batches.empty()


async def test_a_feed_ends_with_the_bus(platform: Platform, organisation: Organisation) -> None:
    feeds = Feeds(platform)
    async with feeds.open(organisation.id, EVERYTHING) as reader:
        await platform.bus.close()
        assert await asyncio.wait_for(reader.next(), 5) is None


async def test_pages_that_come_back_lose_and_double_nothing(
    platform: Platform, organisation: Organisation
) -> None:
    """They are told what they missed by one query, and of what is written meanwhile once."""
    feeds = Feeds(platform)
    began = platform.clock.now()
    batches = [made(platform, seed) for seed in (4, 5, 6)]
    wanted = {event.event_id for batch in batches for event in batch}

    async def page() -> list[str]:
        async with feeds.open(organisation.id, EVERYTHING) as reader:
            got = [str(row.event_id) for row in await reader.missed(began)]
            while len(got) < len(wanted):
                rows = await asyncio.wait_for(reader.next(), 10)
                assert rows is not None
                got += [str(row.event_id) for row in rows]
        return got

    async with feeds.open(organisation.id, EVERYTHING):  # the feed is there already
        pages = []
        for batch in batches:
            await write(platform, organisation, batch)
            # Some come before the feed has told, some after.
            for pause in (0, 0.1, 0.2):
                await asyncio.sleep(pause)
                pages.append(asyncio.create_task(page()))
        for got in await asyncio.gather(*pages):
            assert sorted(got) == sorted(wanted)


async def test_answers_are_shared_and_faults_are_not_kept() -> None:
    answers = SharedAnswers(seconds=60)
    made_times = 0

    async def make() -> int:
        nonlocal made_times
        made_times += 1
        await asyncio.sleep(0.01)
        if made_times == 1:
            raise RuntimeError("down")
        return made_times

    first = asyncio.gather(*(answers.get("key", make) for _ in range(5)), return_exceptions=True)
    assert {type(one) for one in await first} == {RuntimeError}
    assert await asyncio.gather(*(answers.get("key", make) for _ in range(5))) == [2] * 5
    assert await answers.get("other", make) == 3


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    answers = SharedAnswers(seconds=60)
    go = asyncio.Event()

    async def make() -> str:
        await go.wait()
        return "answer"

    leaver = asyncio.create_task(answers.get("key", make))
    waiter = asyncio.create_task(answers.get("key", make))
    await asyncio.sleep(0.01)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    go.set()
    assert await waiter == "answer"
