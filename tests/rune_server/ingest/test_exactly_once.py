"""Whatever happens between accepting and writing: every acknowledged event is there once."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from benchmarks.made_events import made_event, made_events
from clickhouse_connect.driver.exceptions import DatabaseError

from rune_core.ids import uuid7
from rune_server.analytics import Window, rows
from rune_server.analytics.batches import Batch, write_batch
from rune_server.bus import MemoryBus
from rune_server.errors import UnavailableError
from rune_server.ingest import writer as writing
from rune_server.ingest.claims import Claims
from rune_server.ingest.closed import Closed, name_of
from rune_server.ingest.ingest import Ingest, open_ingest
from rune_server.ingest.segment import SegmentFile, records
from rune_server.storage import Vault

VAULT = Vault(b"m" * 32)
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = Window(NOW - timedelta(days=1), NOW + timedelta(hours=1))


@pytest.fixture
async def ingest(settings, analytics):
    async with open_ingest(settings, VAULT, analytics, MemoryBus()) as found:
        yield found


@pytest.fixture
def organisation():
    return uuid4()


async def accept(ingest, organisation, events):
    return await ingest.accept(organisation, "us", 30, events, NOW)


async def counted(analytics, organisation):
    """Rows, distinct ids, and what the rollups count."""
    store = await analytics.store(organisation)
    found = await store.query(
        f"SELECT count(), uniqExact(event_id) FROM {store.database}.events "
        "WHERE organisation_id = {o:UUID}",
        {"o": organisation},
    )
    totals = await analytics.totals(organisation, DAY)
    layers = await analytics.latency(organisation, DAY)
    usage = await analytics.usage(organisation, NOW)
    return (
        *found[0],
        totals.events,
        next((row.events for row in layers if row.layer == "total"), 0),
        sum(day.events for day in usage),
    )


async def test_a_batch_written_twice_counts_once_everywhere(analytics, organisation):
    events = made_events(500, until=NOW)
    batch = uuid7()
    for late in range(3):
        at = NOW + timedelta(milliseconds=late)
        await analytics.insert(organisation, events, batch=batch, received_at=at)
    assert await counted(analytics, organisation) == (500,) * 5


async def test_events_that_another_batch_brought_are_left_out(analytics, organisation):
    other = uuid4()
    events = made_events(300, until=NOW)
    await analytics.insert(organisation, events[:200], received_at=NOW)
    # The same ids of another organisation hinder nobody.
    await analytics.insert(other, events, received_at=NOW)
    store = await analytics.store(organisation)
    token = uuid7()
    lines = rows.lines(rows.prefix(organisation, 30, NOW, token), events)
    ids = [event.event_id for event in events]
    batch = Batch(token, token, lines, ids, [organisation], [(DAY.since, DAY.until)])
    for expected in (200, 200):
        known = await store.write(
            lambda client: write_batch(client, store.database, batch, embedded=True)
        )
        assert known == expected
    assert await counted(analytics, organisation) == (300,) * 5
    assert (await counted(analytics, other))[0] == 300


async def test_segments_of_a_process_that_died_are_written_once(settings, analytics, organisation):
    """As after kill -9: written or not, the file is still there."""
    spool = settings.data_dir / "spool"
    spool.mkdir(parents=True)
    written, unwritten = uuid7(), uuid7()
    first, second = made_events(100, until=NOW), made_events(100, until=NOW, seed=1)
    await analytics.insert(organisation, first, batch=written, received_at=NOW)
    for batch, events in ((written, first), (unwritten, second)):
        file = SegmentFile(spool / name_of(batch, "us"), VAULT)
        file.append(rows.lines(rows.prefix(organisation, 30, NOW, batch), events))
        file.close()
    # The client did not hear our answer, and sends everything again.
    async with open_ingest(settings, VAULT, analytics, MemoryBus()) as ingest:
        await accept(ingest, organisation, [*second, *first])
        assert await ingest.settled()
        assert await counted(analytics, organisation) == (200,) * 5
    assert list(spool.glob("*.spool")) == []


async def test_the_store_is_away_for_a_while(
    monkeypatch, settings, analytics, organisation, caplog
):
    monkeypatch.setattr(writing, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(writing, "LONGEST_PAUSE", 0.05)
    store = await analytics.store(organisation)
    real, failures = store.write, 0

    async def unreliable(do):
        nonlocal failures
        failures += 1
        if failures <= 5:
            raise UnavailableError(code="analytics_down")
        if failures in (6, 8):
            raise DatabaseError("too many parts", code=252)
        if failures == 7:
            await real(do)  # it was written, and nobody heard
            raise UnavailableError(code="analytics_down")
        return await real(do)

    monkeypatch.setattr(store, "write", unreliable)
    async with open_ingest(settings, VAULT, analytics, MemoryBus()) as ingest:
        events = made_events(400, until=NOW)
        for begin in range(0, 400, 100):
            found = await accept(ingest, organisation, events[begin : begin + 100])
            assert found.accepted == 100
        assert await ingest.settled()
    assert failures > 8
    assert await counted(analytics, organisation) == (400,) * 5


async def test_what_the_store_refuses_goes_into_quarantine_and_the_rest_is_written(
    settings, analytics, organisation
):
    folder = settings.data_dir / "quarantine"
    async with open_ingest(settings, VAULT, analytics, MemoryBus()) as ingest:
        good = made_events(30, until=NOW)
        segment = ingest.spool.segment("us")
        lines = rows.lines(rows.prefix(organisation, 30, NOW, segment.id), good).splitlines(True)
        bad = lines[7].replace(b'"size":', b'"size":"none","was":')
        ids = [event.event_id for event in good]
        joined = b"".join([*lines[:7], bad, *lines[8:]])
        await ingest.spool.add(segment, joined, organisation, ids, (DAY.since, NOW))
        later = made_events(10, until=NOW, seed=1)
        await accept(ingest, organisation, later)
        assert await ingest.settled()
        assert (await counted(analytics, organisation)) == (39,) * 5
        (file,) = folder.iterdir()
        assert list(records(file, VAULT)) == [bad]


async def test_a_file_that_cannot_be_read_goes_into_quarantine(settings, analytics, organisation):
    spool = settings.data_dir / "spool"
    spool.mkdir(parents=True)
    damaged = spool / name_of(uuid7(), "us")
    file = SegmentFile(damaged, VAULT)
    file.append(b"something\n")
    file.close()
    raw = bytearray(damaged.read_bytes())
    raw[-1] ^= 1
    damaged.write_bytes(raw)
    async with open_ingest(settings, VAULT, analytics, MemoryBus()) as ingest:
        await accept(ingest, organisation, made_events(5, until=NOW))
        assert await ingest.settled()
        assert ingest.spool.size < 100_000
    kept = settings.data_dir / "quarantine" / damaged.name
    assert kept.read_bytes() == bytes(raw)
    assert (await counted(analytics, organisation))[0] == 5


async def test_many_clients_that_repeat_themselves(ingest, analytics, organisation):
    chance = random.Random(5)
    events = made_events(600, until=NOW)

    async def client(number):
        for _ in range(6):
            some = chance.sample(events, 60)
            found = await accept(ingest, organisation, some)
            assert found.accepted + found.duplicates == 60
            sent.update(event.event_id for event in some)
            taken.append(found.accepted)

    sent: set[str] = set()
    taken: list[int] = []
    await asyncio.gather(*(client(number) for number in range(12)))
    assert await ingest.settled()
    assert sum(taken) == len(sent)
    assert await counted(analytics, organisation) == (len(sent),) * 5


async def test_a_client_that_leaves_while_it_waits_takes_nobody_with_it(
    ingest, analytics, organisation
):
    events = made_events(20, until=NOW)
    tasks = [asyncio.create_task(accept(ingest, organisation, [event])) for event in events]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(each.accepted == 1 for each in done[1::2])
    # Those that left send again.
    for event in events[::2]:
        await accept(ingest, organisation, [event])
    assert await ingest.settled()
    assert await counted(analytics, organisation) == (20,) * 5


async def test_old_and_new_events_in_one_segment(ingest, analytics, organisation):
    old = [made_event(NOW - timedelta(days=days), seed=days) for days in range(1, 29)]
    await analytics.insert(organisation, old[:10], received_at=NOW)
    await accept(ingest, organisation, [*old, *made_events(50, until=NOW)])
    assert await ingest.settled()
    store = await analytics.store(organisation)
    found = await store.query(
        f"SELECT count(), uniqExact(event_id) FROM {store.database}.events "
        "WHERE organisation_id = {o:UUID}",
        {"o": organisation},
    )
    assert list(found[0]) == [78, 78]


async def test_a_clock_that_jumps(settings, analytics, organisation):
    """Our own clock tells when events arrived, and nothing else hangs on it."""
    async with open_ingest(settings, VAULT, analytics, MemoryBus()) as ingest:
        events = made_events(40, until=NOW)
        for number, jump in enumerate((0, 86_400, -86_400, 40 * 86_400)):
            await ingest.accept(
                organisation,
                "us",
                365,
                events[number * 10 : number * 10 + 10],
                NOW + timedelta(seconds=jump),
            )
        assert await ingest.settled()
        again = await ingest.accept(organisation, "us", 365, events, NOW - timedelta(days=3))
        assert again.duplicates == 40
    rows_, ids, rolled, _, _ = await counted(analytics, organisation)
    assert (rows_, ids, rolled) == (40, 40, 40)


@pytest.mark.parametrize("from_file", [False, True])
async def test_a_sender_ahead_sends_again_after_a_restart(
    settings, analytics, organisation, monkeypatch, from_file
):
    """Its event stands at the moment of its arrival, which is another one the second time."""
    sent = made_event(NOW + timedelta(days=3))
    for hours in (0, 5):
        arrived = NOW - timedelta(hours=6 - hours)
        taken = msgspec.structs.replace(sent, timestamp=rows.timestamp(arrived))
        if from_file:  # as if the segment had been left by an earlier process
            monkeypatch.setattr(Closed, "contents", property(lambda _: None, lambda *_: None))
        async with open_ingest(settings, VAULT, analytics, MemoryBus()) as ingest:
            await ingest.accept(organisation, "us", 30, [taken], arrived, {taken.event_id})
            assert await ingest.settled()
    rows_, ids, rolled, _, _ = await counted(analytics, organisation)
    assert (rows_, ids, rolled) == (1, 1, 1)


async def test_two_writers_bring_an_event_once(redis, organisation):
    one, two = Claims(redis.url), Claims(redis.url)
    events = made_events(2500, until=NOW)
    first, second = uuid7(), uuid7()
    lines = {
        each: rows.lines(rows.prefix(organisation, 30, NOW, each), events)
        for each in (first, second)
    }
    try:
        got = await asyncio.gather(
            one.without_others(first, lines[first]), two.without_others(second, lines[second])
        )
        kept = [part.count(b"\n") for part in got]
        assert sum(kept) == 2500
        # Tried again, each gets the same answer.
        assert await one.without_others(first, lines[first]) == got[0]
        assert await two.without_others(second, lines[second]) == got[1]
        redis.stop()
        assert await one.without_others(first, lines[first]) == lines[first]
    finally:
        await one.close()
        await two.close()


async def test_two_edges_with_the_same_events(redis, tmp_path, analytics, organisation, settings):
    from dataclasses import replace

    both = [replace(settings, data_dir=tmp_path / name, redis_dsn=redis.url) for name in ("a", "b")]
    events = made_events(800, until=NOW)
    async with (
        open_ingest(both[0], VAULT, analytics, MemoryBus()) as one,
        open_ingest(both[1], VAULT, analytics, MemoryBus()) as two,
    ):

        async def send(edge: Ingest, seed: int) -> None:
            mixed = random.Random(seed).sample(events, len(events))
            for begin in range(0, len(mixed), 50):
                await accept(edge, organisation, mixed[begin : begin + 50])

        await asyncio.gather(send(one, 1), send(two, 2))
        redis.stop()  # limits and claims go on without it
        await accept(one, organisation, made_events(10, until=NOW, seed=9))
        assert await one.settled()
        assert await two.settled()
    assert await counted(analytics, organisation) == (810,) * 5
