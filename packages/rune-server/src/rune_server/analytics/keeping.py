"""Write, keep for as long as the plan says, purge, erase, count for the bill."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid4

from rune_server.analytics import conditions, rows
from rune_server.analytics.batches import insert_lines
from rune_server.analytics.model import UsageRow
from rune_server.analytics.schema import BY_AGENT, TABLES
from rune_server.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from rune_core.event.schema import Event
    from rune_server.analytics.connect import Store

_PARTS = "SELECT table, name, active FROM system.parts WHERE database = {name:String}"
_RESEAL_SECONDS = 60.0
_TIMES = {
    "events": "timestamp",
    "events_by_minute": "began",
    "events_by_hour": "began",
    "latency_by_hour": "began",
    "missed_by_hour": "began",
    "seen": "last_seen",
}


class _Part(NamedTuple):
    """A part of a table."""

    table: str
    name: str


async def insert(
    store: Store,
    organisation_id: UUID,
    events: Iterable[Event],
    *,
    retention_days: int,
    received_at: datetime | None = None,
    batch: UUID | None = None,
) -> int:
    """Write events in one go. A batch of the same id is written once, however often it is sent."""
    events = list(events)
    if not events:
        return 0
    batch = batch or uuid4()
    before = rows.prefix(organisation_id, retention_days, received_at or datetime.now(UTC), batch)
    lines = rows.lines(before, events)
    await store.write(
        lambda client: insert_lines(
            client, store.database, batch, lines, embedded=store.is_embedded
        )
    )
    return len(events)


async def purge(store: Store, organisation_id: UUID, before: datetime) -> int:
    """Remove what happened before a moment. How many events that were."""
    parameters = {"organisation": organisation_id, "before": conditions.stamp(before)}
    older = "organisation_id = {organisation:UUID} AND %s < {before:DateTime64(3, 'UTC')}"
    number = await store.query(
        f"SELECT count() FROM {store.database}.events WHERE {older % 'timestamp'}", parameters
    )
    await _all(
        _delete(store, table, older % column, parameters) for table, column in _TIMES.items()
    )
    return int(number[0][0])


async def erase(
    store: Store, organisation_id: UUID, agent_id: str | None, *, before: datetime | None = None
) -> int:
    """Remove everything about an agent, or about the organisation. How many events that were.

    What is deleted cannot be read from the moment this returns, and is gone from the disk too.

    Args:
        store: Where the organisation's events are.
        organisation_id: The organisation.
        agent_id: The agent; None for the whole organisation.
        before: Only what happened before this moment; of sums by minute or hour, whole ones.
    """
    parameters: dict[str, object] = {"organisation": organisation_id}
    condition = "organisation_id = {organisation:UUID}"
    if agent_id is not None:
        parameters["agent"] = agent_id
        condition += " AND agent_id = {agent:String}"
    older = ""
    if before is not None:
        parameters["before"] = conditions.stamp(before)
        older = " AND %s < {before:DateTime64(3, 'UTC')}"
    number = await store.query(
        f"SELECT count() FROM {store.database}.events WHERE {condition}"
        + (older % "timestamp" if older else ""),
        parameters,
    )

    async def forget(table: str) -> None:
        when = older % _TIMES[table] if older and table in _TIMES else older and " AND false"
        await _delete(store, table, condition + when, parameters)
        await _wipe(store, table)

    await _all(forget(table) for table in (TABLES if agent_id is None else BY_AGENT))
    return int(number[0][0])


async def kept_otherwise(store: Store, organisation_id: UUID, days: int) -> bool:
    """Whether any event is kept for another time than ``days``: its TTL goes by when it came."""
    found = await store.query(
        f"SELECT 1 FROM {store.database}.events WHERE organisation_id = {{organisation:UUID}} "
        "AND retention_days != {days:UInt16} LIMIT 1",
        {"organisation": organisation_id, "days": days},
    )
    return bool(found)


async def retain(store: Store, organisation_id: UUID, days: int) -> None:
    """Keep what is stored for this many days from now on, after a change of plan."""
    parameters = {"organisation": organisation_id, "days": days}
    for table in _TIMES:
        await _run(
            store,
            f"ALTER TABLE {store.database}.{table}{_on_cluster(store)} "
            "UPDATE retention_days = {days:UInt16} "
            "WHERE organisation_id = {organisation:UUID} AND retention_days != {days:UInt16}",
            parameters,
        )
    await purge(store, organisation_id, datetime.now(UTC) - timedelta(days=days))


async def usage(store: Store, organisation_id: UUID, month: datetime) -> list[UsageRow]:
    """Events per day of a month (UTC), without empty days. Erasing an agent does not change it."""
    found = await store.query(
        f"SELECT day, sum(events), sum(characters) FROM {store.database}.usage_by_day "
        "WHERE organisation_id = {organisation:UUID} AND toYYYYMM(day) = {month:UInt32} "
        "GROUP BY day ORDER BY day",
        {"organisation": organisation_id, "month": month.year * 100 + month.month},
    )
    return [UsageRow(*row) for row in found]


def _on_cluster(store: Store) -> str:
    return f" ON CLUSTER '{store.target.cluster}'" if store.target.cluster else ""


async def _run(store: Store, sql: str, parameters: Mapping[str, object] | None = None) -> None:
    bound = dict(parameters or {})
    await store.write(lambda client: client.command(sql, parameters=bound))


async def _all(steps: Iterable[Awaitable[None]]) -> None:
    """Take steps at once; what one raises is raised when all have ended."""
    for failed in await asyncio.gather(*steps, return_exceptions=True):
        if failed is not None:
            raise failed


async def _delete(
    store: Store, table: str, condition: str, parameters: Mapping[str, object]
) -> None:
    sql = f"DELETE FROM {store.database}.{table}{_on_cluster(store)} WHERE {condition}"
    await store.administer(sql, "to delete events", parameters)


async def _wipe(store: Store, table: str) -> None:
    """Write the parts anew without the rows that were deleted from them."""
    sql = f"ALTER TABLE {store.database}.{table}{_on_cluster(store)} APPLY DELETED MASK"
    await store.administer(sql, "to delete events")


async def reseal(store: Store) -> None:
    """Write every part of an embedded store anew, under the current key. Events come in meanwhile.

    Returns once no part is left that was there before. The key may go when every store of the
    folder was written anew: see ``Analytics.reseal``.

    Raises:
        UnavailableError: Older parts are still in use a minute after all were written anew.
    """
    names = [f"{store.database}.{table}" for table in TABLES]
    before = (await _parts(store)).keys()
    for name in names:
        await _run(store, f"ALTER TABLE {name} MODIFY SETTING old_parts_lifetime = 1")
    try:
        await _rewrite(store, names)
        deadline = time.monotonic() + _RESEAL_SECONDS
        # The name of a part is never used again.
        while left := before & (parts := await _parts(store)).keys():
            if time.monotonic() > deadline:
                raise UnavailableError("parts under an older key are still in use", retry_after=60)
            # One that was being merged when its table's turn came was passed over.
            missed = sorted({part.table for part in left if parts[part]})
            await _rewrite(store, [f"{store.database}.{table}" for table in missed])
            await asyncio.sleep(0.5)
    finally:
        for name in names:
            await _run(store, f"ALTER TABLE {name} RESET SETTING old_parts_lifetime")


async def _rewrite(store: Store, names: Iterable[str]) -> None:
    for name in names:
        await store.administer(
            f"OPTIMIZE TABLE {name} FINAL SETTINGS optimize_skip_merged_partitions = 0",
            "to write it anew",
        )


async def _parts(store: Store) -> dict[_Part, bool]:
    """Every part that is on the disk, and whether it is read; others wait to be removed."""
    found = await store.write(
        lambda client: client.query(_PARTS, parameters={"name": store.database}).result_rows
    )
    return {_Part(str(table), str(name)): bool(active) for table, name, active in found}
