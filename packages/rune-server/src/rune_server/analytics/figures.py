"""Figures over a window: series, totals, the most frequent, latencies, counts for alerts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from rune_server.analytics import conditions
from rune_server.analytics.conditions import EXPRESSIONS
from rune_server.analytics.model import (
    EVERYTHING,
    CountRow,
    Dimension,
    LatencyRow,
    Series,
    TopRow,
    Totals,
)
from rune_server.analytics.schema import LATENCY_CLASS, LATENCY_STEP, LAYERS_OF_EVENT
from rune_server.analytics.sources import ENDS, HOURS, SHORT, WITHIN, Source, within
from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from rune_server.analytics.connect import Store
    from rune_server.analytics.model import EventFilter, Window

MAX_LINES = 12
OTHER = "other"
STOPPED = "action IN ('ask', 'block')"
_ALERT = "event_type = 'alert'"


async def series(
    store: Store, organisation_id: UUID, window: Window, by: Dimension | None, chosen: EventFilter
) -> Series:
    """Counts over time, one line per value of ``by``; the smallest together as ``other``."""
    source = Source(store, organisation_id, chosen, window, *([by] if by else []), step=window.step)
    step = int(window.step.total_seconds())
    split = _expression(by) if by else "''"
    rows = await store.query(
        f"SELECT toInt64(intDiv(toUnixTimestamp({source.time}), {step})) * {step} AS at, "
        f"{split} AS name, {source.count} FROM {source.table} WHERE {source.conditions.sql} "
        "GROUP BY at, name ORDER BY at",
        source.conditions.parameters,
    )
    first = int(window.since.timestamp()) // step * step
    end = window.until.timestamp()
    times = tuple(range(first, int(end) + (0 if end == int(end) else 1), step))
    place = {at: number for number, at in enumerate(times)}
    sums: dict[str, int] = {}
    for _, name, count in rows:
        sums[name] = sums.get(name, 0) + count
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    kept = ranked if len(ranked) <= MAX_LINES else ranked[: MAX_LINES - 1]
    lines: dict[str, list[int]] = {name: [0] * len(times) for name in kept}
    if len(kept) < len(ranked):
        lines[OTHER] = [0] * len(times)
    for at, name, count in rows:
        if at in place:
            lines[name if name in lines else OTHER][place[at]] += count
    if not by:
        lines = {"events": lines.get("", [0] * len(times))}
    return Series(
        tuple(datetime.fromtimestamp(at, UTC) for at in times),
        {name: tuple(values) for name, values in lines.items()},
    )


_TOTALS = (
    ("tool_calls", "event_type = 'tool_call'"),
    ("allowed", "action = 'allow'"),
    ("flagged", "action = 'flag'"),
    ("redacted", "action = 'redact'"),
    ("asked", "action = 'ask'"),
    ("blocked", "action = 'block'"),
    ("monitored", "monitored_action IN ('redact', 'ask', 'block')"),
    ("threats", "threat_type != ''"),
    ("degraded", "degraded"),
)


def totals_sql(source: Source) -> str:
    """The columns of ``Totals``, but for alerts and agents."""
    sums = ", ".join(source.count_if(condition) for _, condition in _TOTALS)
    mean = f"if({source.count} = 0, 0, {source.sum_risk} / {source.count})"
    return f"{source.count}, {sums}, {mean}, {source.max_risk}"


def totals_of(row: Sequence[float], *, alerts: int = 0, agents: int = 0) -> Totals:
    """A row of ``totals_sql``."""
    count, *sums, mean, highest = row
    named = {name: int(value) for (name, _), value in zip(_TOTALS, sums, strict=True)}
    return Totals(
        events=int(count),
        **named,
        alerts=alerts,
        agents=agents,
        mean_risk=round(mean, 4),
        max_risk=round(highest, 4),
    )


async def totals(
    store: Store, organisation_id: UUID, window: Window, chosen: EventFilter
) -> Totals:
    """Sums over the window. ``alerts`` counts alert events under the same filter."""
    decided = Source(store, organisation_id, chosen, window)
    everything = Source(store, organisation_id, chosen, window, decisions=False)
    acting = "1" if chosen.event_types else "event_type != 'alert'"
    rows, others = await asyncio.gather(
        store.query(
            f"SELECT {totals_sql(decided)} FROM {decided.table} WHERE {decided.conditions.sql}",
            decided.conditions.parameters,
        ),
        store.query(
            f"SELECT {everything.count_if(_ALERT)}, uniqIf(agent_id, {acting}) "
            f"FROM {everything.table} WHERE {everything.conditions.sql}",
            everything.conditions.parameters,
        ),
    )
    return totals_of(rows[0], alerts=others[0][0], agents=others[0][1])


async def top(
    store: Store,
    organisation_id: UUID,
    by: Dimension,
    window: Window,
    chosen: EventFilter,
    limit: int,
) -> list[TopRow]:
    """The most frequent values of a dimension, without those that name nothing."""
    found = Source(store, organisation_id, chosen, window, by)
    rows = await store.query(
        f"SELECT {_expression(by)} AS name, {found.count} AS number, "
        f"{found.count_if(STOPPED)}, {found.max_risk}, {found.last} "
        f"FROM {found.table} WHERE {found.conditions.sql} GROUP BY name HAVING name != '' "
        f"ORDER BY number DESC, name LIMIT {max(1, min(limit, 1_000))}",
        found.conditions.parameters,
    )
    return [TopRow(row[0], row[1], row[2], round(row[3], 4), row[4]) for row in rows]


async def latency(
    store: Store, organisation_id: UUID, window: Window, chosen: EventFilter, *, failures: bool
) -> list[LatencyRow]:
    """Quantiles per layer, ``total`` first. They are estimates, within about 1%."""
    narrowed, span = within(organisation_id, chosen, window)

    def ran(when: str) -> str:
        return (
            f"SELECT one.1 AS layer, {LATENCY_CLASS.format('one.3')} AS class, count() AS number "
            f"FROM {store.database}.events ARRAY JOIN {LAYERS_OF_EVENT} AS one "
            f"WHERE {narrowed.sql} AND one.2 = 'ran' AND {when} GROUP BY layer, class"
        )

    rest = replace(chosen, surfaces=(), since=None, until=None)
    if rest == EVERYTHING and span.length > SHORT:
        of_hours = conditions.of(organisation_id, replace(EVERYTHING, surfaces=chosen.surfaces))
        sql = (
            "SELECT layer, class, sum(number) FROM ("
            "SELECT layer, class, sum(events) AS number "
            f"FROM {store.database}.latency_by_hour WHERE {of_hours.sql} AND {HOURS} "
            f"GROUP BY layer, class UNION ALL {ran(ENDS)}) GROUP BY layer, class"
        )
    else:
        sql = ran(WITHIN)
    rows, missed = await asyncio.gather(
        store.query(sql, narrowed.parameters),
        missing(store, organisation_id, window, chosen, "layer") if failures else nothing(),
    )
    classes: dict[str, list[tuple[int, int]]] = {}
    for layer, number, events in rows:
        classes.setdefault(layer, []).append((number, events))
    failed = {layer: number for layer, number, _ in missed}
    return [
        LatencyRow(
            layer,
            sum(events for _, events in classes.get(layer, ())),
            *_quantiles(classes.get(layer, [])),
            failed.get(layer, 0),
        )
        for layer in sorted({*classes, *failed}, key=lambda layer: (layer != "total", layer))
    ]


async def nothing() -> list[Sequence[Any]]:
    """The answer to a question that was not asked."""
    return []


async def missing(
    store: Store, organisation_id: UUID, window: Window, chosen: EventFilter, *by: str
) -> list[Sequence[Any]]:
    """How often layers did not run: the columns ``by``, then failures and skips."""
    narrowed, span = within(organisation_id, chosen, window)
    names = ", ".join(by)

    def missed(when: str) -> str:
        return (
            "SELECT agent_id, surface, one.layer AS layer, "
            "toUInt64(one.status IN ('timeout', 'error')) AS failed, "
            f"toUInt64(one.status = 'skipped') AS skipped FROM {store.database}.events "
            "ARRAY JOIN arrayFilter(each -> each.status != 'ran', layers) AS one "
            f"WHERE {narrowed.sql} AND {when}"
        )

    rest = replace(chosen, agents=(), surfaces=(), since=None, until=None)
    if rest == EVERYTHING and span.length > SHORT:
        of_hours = conditions.of(
            organisation_id, replace(EVERYTHING, agents=chosen.agents, surfaces=chosen.surfaces)
        )
        table = (
            f"SELECT agent_id, surface, layer, failed, skipped "
            f"FROM {store.database}.missed_by_hour WHERE {of_hours.sql} AND {HOURS} "
            f"UNION ALL {missed(ENDS)}"
        )
    else:
        table = missed(WITHIN)
    return await store.query(
        f"SELECT {names}, sum(failed), sum(skipped) FROM ({table}) GROUP BY {names}",
        narrowed.parameters,
    )


def _quantiles(classes: list[tuple[int, int]]) -> tuple[float, float, float]:
    """Median, 95th and 99th percentile of ``(class, number)``: the middles of their classes."""
    classes.sort()
    total = sum(number for _, number in classes)
    found = []
    for part in (0.5, 0.95, 0.99):
        left = part * total
        at = 0.0
        for which, number in classes:
            at = LATENCY_STEP ** (which + 0.5)
            left -= number
            if left <= 0:
                break
        found.append(round(at, 3))
    return found[0], found[1], found[2]


async def count(
    store: Store,
    organisation_id: UUID,
    chosen: EventFilter,
    window: Window,
    group_by: Sequence[Dimension],
) -> list[CountRow]:
    """Events per group, the largest first; one row without groups, also when it is zero."""
    found = Source(store, organisation_id, chosen, window, *group_by)
    keys = [f"{_expression(by)} AS key{number}" for number, by in enumerate(group_by)]
    names = [f"key{number}" for number in range(len(group_by))]
    rows = await store.query(
        f"SELECT {', '.join([*keys, found.count + ' AS number', found.max_risk])} "
        f"FROM {found.table} WHERE {found.conditions.sql} "
        + (f"GROUP BY {', '.join(names)} " if names else "")
        + "ORDER BY number DESC LIMIT 10000",
        found.conditions.parameters,
    )
    return [CountRow(tuple(row[:-2]), row[-2], round(row[-1], 4)) for row in rows]


def _expression(by: str) -> str:
    if by not in EXPRESSIONS:
        names = ", ".join(get_args(Dimension))
        raise InvalidError(f"there is no dimension of that name; there are: {names}")
    return EXPRESSIONS[by]
