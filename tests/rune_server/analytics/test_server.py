"""The same statements over clickhouse-connect's HTTP client: see clickhouse_shim.py."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from benchmarks.made_events import made_event, made_events
from tests.rune_server.services import clickhouse_server

from rune_core.ids import uuid7
from rune_server.analytics import Analytics, EventFilter, Target, Window, open_analytics, rows
from rune_server.analytics.batches import Batch, write_batch
from rune_server.analytics.connect import Store
from rune_server.analytics.targets import targets
from rune_server.bus import MemoryBus
from rune_server.errors import UnavailableError
from rune_server.ingest import open_ingest
from rune_server.ingest import writer as writing
from rune_server.storage import Vault

VAULT = Vault(b"m" * 32)
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = Window(NOW - timedelta(days=1), NOW + timedelta(minutes=1))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with clickhouse_server(tmp_path_factory.mktemp("served") / "store") as found:
        yield found


def target(served, region="us"):
    return Target(database=f"rune_{region}", url=f"http://127.0.0.1:{served.port}")


async def test_every_question_over_http(served, organisation):
    async with open_analytics({r: target(served, r) for r in ("us", "eu")}) as analytics:
        events = made_events(300, until=NOW)
        batch = uuid7()
        for _ in range(2):
            await analytics.insert(organisation, events, batch=batch, received_at=NOW)
        a, o = analytics, organisation
        page = await a.events(o, EventFilter(tags=("production", "staging")), limit=300)
        assert len(page.items) == 300
        assert page.items[0].layers
        assert {row.timestamp.tzinfo for row in page.items} == {UTC}
        assert (await a.totals(o, DAY)).events == 300
        assert sum(map(sum, (await a.series(o, DAY, "surface")).lines.values())) == 300
        assert (await a.latency(o, DAY))[0].events == 300
        assert sum(row.totals.events for row in await a.agents(o, DAY)) == 300
        assert sum(row.calls for row in await a.tools(o, None, DAY)) > 0
        assert sum(row.events for row in await a.coverage(o, DAY)) == 300
        assert await a.first_seen(o, "tool", NOW - timedelta(days=1))
        assert await a.event(o, page.items[5].event_id)
        assert await a.session(o, page.items[5].session_id)
        assert (await a.sessions(o, limit=10)).items
        assert sum(day.events for day in await a.usage(o, NOW)) == 300
        assert await a.erase(o) == 300
        assert (await a.totals(o, DAY)).events == 0
        assert analytics.is_encrypted is None


async def test_duplicates_are_found_over_http(served, organisation):
    store = Store(target(served))
    await store.open()
    try:
        analytics = Analytics({"us": store})
        events = made_events(50, until=NOW)
        await analytics.insert(organisation, events[:20])
        token = uuid7()
        lines = rows.lines(rows.prefix(organisation, 30, NOW, token), events)
        ids = [event.event_id for event in events]
        batch = Batch(token, token, lines, ids, [organisation], [(DAY.since, DAY.until)])
        for _ in range(2):
            known = await store.write(
                lambda client: write_batch(client, "rune_us", batch, embedded=False)
            )
            assert known == 20
        assert (await analytics.totals(organisation, DAY)).events == 50
    finally:
        await store.close()


async def test_the_server_goes_away_and_comes_back(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(writing, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(writing, "LONGEST_PAUSE", 0.2)
    organisation = uuid4()
    with clickhouse_server(tmp_path / "store") as away:
        async with (
            open_analytics({"us": target(away)}) as analytics,
            open_ingest(settings, VAULT, analytics, MemoryBus()) as ingest,
        ):
            sent = 0
            for round_ in range(3):
                for _ in range(5):
                    events = [made_event(NOW, seed=sent + n) for n in range(10)]
                    found = await ingest.accept(organisation, "us", 30, events, NOW)
                    assert found.accepted == 10
                    sent += 10
                if round_ == 0:
                    away.stop()
                    with pytest.raises(UnavailableError) as told:
                        await analytics.totals(organisation, DAY)
                    assert told.value.retry_after
                    assert not analytics.is_reachable
            assert not await ingest.settled(0.5)
            away.start()
            assert await ingest.settled(60)
            page = await analytics.events(organisation, limit=1000)
            assert len({row.event_id for row in page.items}) == len(page.items) == sent
            assert (await analytics.totals(organisation, DAY)).events == sent


async def test_closing_does_not_wait_for_a_server_that_hangs():
    connections = []

    async def silent(_reader, writer):
        connections.append(writer)

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    store = Store(Target(database="rune_us", url=f"http://127.0.0.1:{port}"))
    asked = [
        asyncio.create_task(each)
        for each in (store.open(), *(store.query("SELECT 1", {}) for _ in range(9)))
    ]
    while len(connections) < 4:  # noqa: ASYNC110 - the writer and three readers
        await asyncio.sleep(0.01)
    async with asyncio.timeout(30):
        await store.close()
    with pytest.raises(UnavailableError) as stopping:
        await store.query("SELECT 1", {})
    assert stopping.value.code == "stopping"
    for writer in connections:
        writer.close()
    listening.close()
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in done} == {UnavailableError, asyncio.CancelledError}


def test_addresses_of_servers(settings):
    found = targets(
        replace(
            settings,
            analytics_dsn="clickhouses://u:p@one:8443/rune?cluster=c&policy=aes",
            analytics_dsn_eu="http://two:8123",
        ),
        VAULT,
    )
    assert found["us"].url == "https://u:p@one:8443"
    assert (found["us"].database, found["us"].cluster, found["us"].policy) == (
        "rune_us",
        "c",
        "aes",
    )
    assert (found["eu"].url, found["eu"].database) == ("http://two:8123", "rune_eu")
    assert "p@one" not in repr(found)
