"""What is in a cluster's ClickHouse, asked past the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clickhouse_connect import get_client

if TYPE_CHECKING:
    from tests.rune_server.services import ClickHouse


def stored(clickhouse: ClickHouse) -> tuple[list[str], int]:
    """The id of every event in the table, and how many the rollup counts."""
    client = get_client(dsn=clickhouse.url, autogenerate_session_id=False)
    try:
        rows = client.query("SELECT toString(event_id) FROM rune_us.events").result_rows
        rolled = client.query("SELECT sum(events) FROM rune_us.events_by_minute").result_rows
    finally:
        client.close()
    return [str(row[0]) for row in rows], int(rolled[0][0])
