"""Make the rollups anew from the events, after a version that kept other columns apart.

They hold nothing that the events do not. Nothing may be written meanwhile: it would be missing or
counted twice. A remake that was cut off begins again, by a table that stands until it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from rune_server.analytics.schema import MINUTES, ROLLED_UP, Placement, statements

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_log = structlog.get_logger("rune_server.analytics")
_ROLLUPS = ("events_by_minute", "events_by_hour")
_COLUMNS = {"organisation_id", "retention_days", *ROLLED_UP}
_MARK = "remaking"


def of_another_make(client: Client, database: str) -> bool:
    """Whether the rollups have other columns than they should, or were not made to the end."""
    rows = client.query(
        "SELECT table, groupArray(name) FROM system.columns WHERE database = {database:String} "
        "GROUP BY table",
        parameters={"database": database},
    ).result_rows
    found = {table: set(columns) for table, columns in rows}
    return _MARK in found or any(found.get(each, _COLUMNS) != _COLUMNS for each in _ROLLUPS)


def remake(client: Client, database: str, placement: Placement) -> None:
    """Drop the rollups and fill new ones, a day of events at a time, on the writer's thread."""
    _log.info("the rollups are made anew from the events", database=database)
    on = placement.on_cluster
    client.command(
        f"CREATE TABLE IF NOT EXISTS {database}.{_MARK}{on} (nothing UInt8) ENGINE = Null"
    )
    for rollup in _ROLLUPS:
        client.command(f"DROP VIEW IF EXISTS {database}.{rollup}_view{on} SYNC")
    for rollup in _ROLLUPS:
        client.command(f"DROP TABLE IF EXISTS {database}.{rollup}{on} SYNC")
    for statement in statements(database, placement):
        client.command(statement)
    days = client.query(f"SELECT DISTINCT toDate(timestamp) FROM {database}.events").result_rows
    for (day,) in days:
        of_day = f"(SELECT * FROM {database}.events WHERE toDate(timestamp) = '{day}')"
        # The view from minutes to hours fills the other.
        client.command(f"INSERT INTO {database}.events_by_minute {MINUTES.format(events=of_day)}")
    client.command(f"DROP TABLE {database}.{_MARK}{on} SYNC")
