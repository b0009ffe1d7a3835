"""How long events are kept, and how they go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from benchmarks.made_events import made_event, made_events

from rune_core.event.schema import LayerEntry
from rune_server.analytics import Analytics, Window
from rune_server.analytics.schema import TABLES
from rune_server.errors import ConfigurationError

NOW = datetime.now(UTC).replace(microsecond=0)
MONTH = Window(NOW - timedelta(days=40), NOW + timedelta(minutes=1))


async def in_tables(analytics, organisation):
    """Rows of each table that are left of an organisation."""
    store = await analytics.store(organisation)
    found = {}
    for table in TABLES:
        rows = await store.query(
            f"SELECT count() FROM {store.database}.{table} WHERE organisation_id = {{o:UUID}}",
            {"o": organisation},
        )
        found[table] = rows[0][0]
    return found


async def merged(analytics, organisation):
    """Let TTLs act now."""
    store = await analytics.store(organisation)
    for table in TABLES:
        await store.write(
            lambda client, table=table: client.command(
                f"OPTIMIZE TABLE {store.database}.{table} FINAL"
            )
        )


async def test_an_organisation_is_erased_and_nothing_else(analytics, organisation):
    other = uuid4()
    missed = LayerEntry("l2", "skipped")
    for each in (organisation, other):
        events = made_events(99, until=NOW)
        await analytics.insert(each, [*events, made_event(NOW, layers=(missed,))])
    before = await in_tables(analytics, other)
    assert all(before.values())
    assert await analytics.erase(organisation) == 100
    assert not any((await in_tables(analytics, organisation)).values())
    assert await in_tables(analytics, other) == before
    # It is gone from the files too, not only hidden.
    store = await analytics.store(organisation)
    masked = await store.write(
        lambda client: (
            client.query(
                "SELECT count() FROM system.parts WHERE active AND has_lightweight_delete "
                "AND database = {d:String}",
                parameters={"d": store.database},
            ).result_rows
        )
    )
    assert masked[0][0] == 0


async def test_an_agent_is_erased_and_its_bill_is_not(analytics, organisation):
    events = made_events(200, until=NOW)
    await analytics.insert(organisation, events, received_at=NOW)
    agent = events[0].agent_id
    its = sum(event.agent_id == agent for event in events)
    assert await analytics.erase(organisation, agent) == its
    totals = await analytics.totals(organisation, MONTH)
    assert totals.events == 200 - its
    assert agent not in {row.agent_id for row in await analytics.agents(organisation, MONTH)}
    assert agent not in {row.name for row in await analytics.top(organisation, "agent", MONTH)}
    assert sum(day.events for day in await analytics.usage(organisation, NOW)) == 200
    assert await analytics.erase(organisation, "' OR 1 = 1 --") == 0
    assert (await analytics.totals(organisation, MONTH)).events == 200 - its


async def test_what_is_older_than_its_retention_goes_by_itself(analytics, organisation):
    old = [made_event(NOW - timedelta(days=35), seed=n) for n in range(20)]
    young = [made_event(NOW - timedelta(days=5), seed=n) for n in range(10)]
    await analytics.insert(organisation, [*old, *young], retention_days=30)
    other = uuid4()
    await analytics.insert(other, old, retention_days=90)
    await merged(analytics, organisation)
    assert (await analytics.totals(organisation, MONTH)).events == 10
    assert len((await analytics.events(organisation, limit=100)).items) == 10
    assert (await analytics.totals(other, MONTH)).events == 20


async def test_another_plan_changes_how_long_what_is_there_is_kept(analytics, organisation):
    old = [made_event(NOW - timedelta(days=20), seed=n) for n in range(10)]
    young = [made_event(NOW - timedelta(days=5), seed=n) for n in range(10)]
    await analytics.insert(organisation, [*old, *young], retention_days=30)
    await analytics.retain(organisation, 90)
    await merged(analytics, organisation)
    assert (await analytics.totals(organisation, MONTH)).events == 20
    await analytics.retain(organisation, 10)
    assert (await analytics.totals(organisation, MONTH)).events == 10
    store = await analytics.store(organisation)
    days = await store.query(
        f"SELECT DISTINCT retention_days FROM {store.database}.events "
        "WHERE organisation_id = {o:UUID}",
        {"o": organisation},
    )
    assert [row[0] for row in days] == [10]


async def test_purging_takes_what_is_before(analytics, organisation):
    events = made_events(100, since=NOW - timedelta(days=10), until=NOW)
    await analytics.insert(organisation, events)
    border = NOW - timedelta(days=5)
    older = sum(datetime.fromisoformat(event.timestamp) < border for event in events)
    assert await analytics.purge(organisation, border) == older
    page = await analytics.events(organisation, limit=1000)
    assert len(page.items) == 100 - older
    assert min(row.timestamp for row in page.items) >= border


async def test_regions_are_databases_of_their_own(analytics):
    where = {uuid4(): "us", uuid4(): "eu"}

    async def region_of(organisation):
        return where[organisation]

    routed = Analytics(analytics.stores, region_of)
    for organisation in where:
        await routed.insert(organisation, made_events(10, until=NOW))
    for organisation, region in where.items():
        for name, store in analytics.stores.items():
            rows = await store.query(
                f"SELECT count() FROM {store.database}.events WHERE organisation_id = {{o:UUID}}",
                {"o": organisation},
            )
            assert rows[0][0] == (10 if name == region else 0)
    with pytest.raises(ConfigurationError, match="region"):
        routed.store_of("moon")


async def test_usage_is_counted_by_day_of_arrival(analytics, organisation):
    noon = NOW.replace(day=15, hour=12, minute=0, second=0)
    for days, number in ((0, 5), (1, 7)):
        await analytics.insert(
            organisation,
            made_events(number, until=noon, size=100),
            received_at=noon + timedelta(days=days),
        )
    rows = await analytics.usage(organisation, noon)
    assert [(row.day.day, row.events, row.characters) for row in rows] == [
        (15, 5, 500),
        (16, 7, 700),
    ]
    assert await analytics.usage(organisation, noon - timedelta(days=60)) == []
