"""A version that keeps other columns apart makes the rollups anew, out of the events."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from benchmarks.made_events import made_events
from tests.rune_server.services import clickhouse_server

from rune_server.analytics import Analytics, EventFilter, Target, Window
from rune_server.analytics.connect import Store
from rune_server.errors import ConfigurationError

NOW = datetime.now(UTC).replace(microsecond=0)
WEEK = Window(NOW - timedelta(days=7), NOW + timedelta(minutes=1))
DAY = Window(NOW - timedelta(days=1), NOW + timedelta(minutes=1))
DATABASE = "rune_older"
OLDER = (
    "(organisation_id UUID, began DateTime('UTC'), agent_id LowCardinality(String), "
    "events SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree "
    "ORDER BY (organisation_id, began, agent_id)"
)


def aged(client, database=DATABASE):
    """Leave the rollups as an older version might have: by agents alone, with its own views."""
    for rollup, source in (("events_by_minute", "events"), ("events_by_hour", "events_by_minute")):
        client.command(f"DROP VIEW {database}.{rollup}_view SYNC")
        client.command(f"DROP TABLE {database}.{rollup} SYNC")
        client.command(f"CREATE TABLE {database}.{rollup} {OLDER}")
        at, number = ("timestamp", "1") if source == "events" else ("began", "events")
        client.command(
            f"CREATE MATERIALIZED VIEW {database}.{rollup}_view TO {database}.{rollup} AS "
            f"SELECT organisation_id, toStartOfMinute({at}) AS began, agent_id, {number} AS events "
            f"FROM {database}.{source}"
        )


def cut_off(client):
    """Leave them as a process did that ended while it made them."""
    client.command(f"CREATE TABLE {DATABASE}.remaking (nothing UInt8) ENGINE = Null")
    client.command(f"TRUNCATE TABLE {DATABASE}.events_by_hour")
    client.command(f"ALTER TABLE {DATABASE}.events_by_minute DELETE WHERE began < today()")


def dropped(client):
    client.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")


async def filled(target):
    """A store with some events of a week, and those."""
    store = Store(target)
    await store.open()
    organisation = uuid4()
    sent = made_events(500, since=WEEK.since, until=NOW)
    await Analytics({"us": store}).insert(organisation, sent)
    return store, organisation, sent


async def assert_figures_are_right(store, organisation, sent):
    analytics = Analytics({"us": store})
    for window in (WEEK, DAY):
        since = window.since.replace(second=0)
        inside = [each for each in sent if since <= datetime.fromisoformat(each.timestamp)]
        assert (await analytics.totals(organisation, window)).events == len(inside)
        found = await analytics.top(organisation, "detector", window, EventFilter(), 1000)
        assert sum(row.events for row in found) == sum(len(each.detectors) for each in inside)


@pytest.mark.parametrize("leave", [aged, cut_off])
async def test_an_embedded_store_does_it_as_it_opens(analytics, leave):
    target = Target(database=DATABASE, path=analytics.stores["us"].target.path, keys=(b"k" * 32,))
    store, organisation, sent = await filled(target)
    await store.write(leave)
    await store.close()
    store = Store(target)
    await store.open()
    try:
        await assert_figures_are_right(store, organisation, sent)
        more = made_events(100, since=DAY.since, until=NOW, seed=2)
        await Analytics({"us": store}).insert(organisation, more)
        await assert_figures_are_right(store, organisation, [*sent, *more])
    finally:
        await store.write(dropped)
        await store.close()


async def test_on_a_server_somebody_says_that_nothing_else_runs(tmp_path):
    with clickhouse_server(tmp_path / "store") as served:
        target = Target(database=DATABASE, url=served.url)
        store, organisation, sent = await filled(target)
        await store.write(aged)
        await store.close()
        store = Store(target)
        with pytest.raises(ConfigurationError, match="rune migrate --rollups"):
            await store.open()
        await store.open(alone=True)
        await assert_figures_are_right(store, organisation, sent)
        await store.close()


async def test_the_command_line_makes_them_anew(tmp_path):
    """A new version's processes refuse to start until the operator has said so."""
    with clickhouse_server(tmp_path / "store") as served:
        target = Target(database="rune_us", url=served.url)
        store, organisation, sent = await filled(target)
        await store.write(lambda client: aged(client, "rune_us"))
        await store.close()

        def rune(*arguments):
            return subprocess.run(
                [sys.executable, "-m", "rune_core.cli", "migrate", *arguments],
                env={
                    **{name: each for name, each in os.environ.items() if name[:5] != "RUNE_"},
                    "RUNE_DATA_DIR": str(tmp_path / "data"),
                    "RUNE_ANALYTICS_DSN": served.url,
                },
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )

        for arguments in ((), ("--check", "--rollups")):
            asked = await asyncio.to_thread(rune, *arguments)
            assert asked.returncode == 0, asked.stderr
            with pytest.raises(ConfigurationError, match="rune migrate --rollups"):
                await Store(target).open()
        made = await asyncio.to_thread(rune, "--rollups")
        assert made.returncode == 0, made.stderr
        assert "is current" in made.stdout
        store = Store(target)
        await store.open()
        await assert_figures_are_right(store, organisation, sent)
        await store.close()
