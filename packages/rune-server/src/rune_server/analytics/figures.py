"""Figures over a window: series, totals, the most frequent, latencies, counts for alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING, get_args

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
from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from rune_server.analytics.conditions import Conditions
    from rune_server.analytics.connect import Store
    from rune_server.analytics.model import EventFilter, Window

MAX_LINES = 12
OTHER = "other"
_SHORT = timedelta(hours=2)


class _Source:
    """The table that answers, and how its rows count."""

    def __init__(
        self, store: Store, organisation_id: UUID, chosen: EventFilter, window: Window, *by: str
    ) -> None:
        # A short window is read from the events themselves: exact to the millisecond, and cheap.
        self.rolled = conditions.fits_rollup(chosen, *by) and window.length > _SHORT
        name = "events_by_minute" if self.rolled else "events"
        self.table = f"{store.database}.{name}"
        self.time = "minute" if self.rolled else "timestamp"
        self.conditions: Conditions = conditions.of(
            organisation_id, chosen, window, decisions=True, time=self.time
        )
        self.count = "sum(events)" if self.rolled else "count()"
        self.max_risk = "max(risk_max)" if self.rolled else "max(risk_score)"
        self.sum_risk = "sum(risk_sum)" if self.rolled else "sum(risk_score)"
        self.last = "max(last_seen)" if self.rolled else "max(timestamp)"

    def count_if(self, condition: str) -> str:
        return f"sumIf(events, {condition})" if self.rolled else f"countIf({condition})"


async def series(
    store: Store, organisation_id: UUID, window: Window, by: Dimension | None, chosen: EventFilter
) -> Series:
    """Counts over time, one line per value of ``by``; the smallest together as ``other``."""
    source = _Source(store, organisation_id, chosen, window, *([by] if by else []))
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


def totals_sql(source: _Source) -> str:
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


def source(
    store: Store, organisation_id: UUID, chosen: EventFilter, window: Window, *by: str
) -> _Source:
    """The table that answers a question about these dimensions."""
    return _Source(store, organisation_id, chosen, window, *by)


async def totals(
    store: Store, organisation_id: UUID, window: Window, chosen: EventFilter
) -> Totals:
    """Sums over the window. ``alerts`` counts alert events under the same filter."""
    found = _Source(store, organisation_id, chosen, window)
    everything = conditions.of(organisation_id, chosen, window, time=found.time)
    decided = "1" if chosen.event_types else "event_type != 'alert'"
    if found.rolled:
        inner = f"sumIf(events, event_type = 'alert'), uniqIf(agent_id, {decided})"
    else:
        inner = f"countIf(event_type = 'alert'), uniqIf(agent_id, {decided})"
    rows = await store.query(
        f"SELECT {totals_sql(found)} FROM {found.table} WHERE {found.conditions.sql}",
        found.conditions.parameters,
    )
    others = await store.query(
        f"SELECT {inner} FROM {found.table} WHERE {everything.sql}", everything.parameters
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
    found = _Source(store, organisation_id, chosen, window, by)
    rows = await store.query(
        f"SELECT {_expression(by)} AS name, {found.count} AS number, "
        f"{found.count_if(_STOPPED)}, {found.max_risk}, {found.last} "
        f"FROM {found.table} WHERE {found.conditions.sql} GROUP BY name HAVING name != '' "
        f"ORDER BY number DESC, name LIMIT {max(1, min(limit, 1_000))}",
        found.conditions.parameters,
    )
    return [TopRow(row[0], row[1], row[2], round(row[3], 4), row[4]) for row in rows]


_STOPPED = "action IN ('ask', 'block')"


async def latency(
    store: Store, organisation_id: UUID, window: Window, chosen: EventFilter
) -> list[LatencyRow]:
    """Quantiles per layer, ``total`` first. They are estimates (t-digest), within about 1%."""
    from dataclasses import replace

    rest = replace(chosen, agents=(), surfaces=(), since=None, until=None)
    if rest == EVERYTHING:
        found = conditions.of(organisation_id, chosen, window, time="minute")
        sql = (
            "SELECT layer, sum(events), quantilesTDigestMerge(0.5, 0.95, 0.99)(latency), "
            f"sum(failed) FROM {store.database}.latency_by_minute WHERE {found.sql} GROUP BY layer"
        )
    else:
        found = conditions.of(organisation_id, chosen, window, decisions=True)
        sql = (
            "SELECT one.1 AS layer, countIf(one.2 = 'ran'), "
            "quantilesTDigestIf(0.5, 0.95, 0.99)(one.3, one.2 = 'ran'), "
            f"countIf(one.2 IN ('timeout', 'error')) FROM {store.database}.events "
            "ARRAY JOIN arrayConcat([(toLowCardinality('total'), toLowCardinality('ran'), "
            "latency_ms)], arrayMap(each -> (each.layer, each.status, each.latency_ms), layers)) "
            f"AS one WHERE {found.sql} GROUP BY layer"
        )
    rows = await store.query(sql, found.parameters)
    found_rows = [LatencyRow(row[0], row[1], *_rounded(row[2]), row[3]) for row in rows]
    return sorted(found_rows, key=lambda row: (row.layer != "total", row.layer))


async def count(
    store: Store,
    organisation_id: UUID,
    chosen: EventFilter,
    window: Window,
    group_by: Sequence[Dimension],
) -> list[CountRow]:
    """Events per group, the largest first; one row without groups, also when it is zero."""
    found = _Source(store, organisation_id, chosen, window, *group_by)
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


def _rounded(cuts: Sequence[float]) -> tuple[float, float, float]:
    """Three quantiles; of nothing they are not a number."""
    low, middle, high = (0.0 if isnan(cut) else round(cut, 3) for cut in cuts)
    return low, middle, high


def _expression(by: str) -> str:
    if by not in EXPRESSIONS:
        names = ", ".join(get_args(Dimension))
        raise InvalidError(f"there is no dimension of that name; there are: {names}")
    return EXPRESSIONS[by]
