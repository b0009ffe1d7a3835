"""What there is: agents and their risk, tools and their definitions, how well they are covered."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from rune_server.analytics import conditions, figures
from rune_server.analytics.model import (
    EVERYTHING,
    AgentRow,
    CoverageRow,
    EventFilter,
    SeenKind,
    SeenRow,
    ToolRow,
    Totals,
)
from rune_server.analytics.risk import HARM_SQL, Harm, risk
from rune_server.analytics.sources import Source
from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from uuid import UUID

    from rune_server.analytics.connect import Store
    from rune_server.analytics.model import Window

MAX_AGENTS = 10_000


async def agents(
    store: Store, organisation_id: UUID, window: Window, only: str | None = None
) -> list[AgentRow]:
    """Every agent that is known, also those silent in the window; the riskiest first.

    Events without an agent id stand under the name ``""``.
    """
    chosen = EVERYTHING if only is None else EventFilter(agents=(only,))
    known, now, before = await asyncio.gather(
        _known(store, organisation_id, chosen),
        _harms(store, organisation_id, window, chosen),
        _harms(store, organisation_id, window.before, chosen),
    )
    nothing = (Totals(), None, Harm())
    rows = []
    for agent_id, (first, last, tools, latest) in known.items():
        totals, threat, harm = now.get(agent_id, nothing)
        score = risk(harm)
        rows.append(
            AgentRow(
                agent_id=agent_id,
                tags=tuple(latest["tags"]),
                framework=latest["framework"] or None,
                sdk_version=latest["sdk_version"],
                policy_revision=latest["policy_revision"],
                first_seen=first,
                last_seen=last,
                totals=totals,
                top_threat=threat,
                tools=tools,
                risk=score,
                trend=score - risk(before.get(agent_id, nothing)[2]),
            )
        )
    return sorted(rows, key=lambda row: (-row.risk, -row.totals.events, row.agent_id))


async def _known(
    store: Store, organisation_id: UUID, chosen: EventFilter
) -> dict[str, tuple[datetime, datetime, int, dict[str, Any]]]:
    found = conditions.of(organisation_id, chosen)
    rows = await store.query(
        "SELECT agent_id, min(first_seen), max(last_seen), uniqExactIf(tool, tool != ''), "
        f"argMaxMerge(latest) FROM {store.database}.seen WHERE {found.sql} "
        f"GROUP BY agent_id ORDER BY max(last_seen) DESC LIMIT {MAX_AGENTS}",
        found.parameters,
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


async def _harms(
    store: Store, organisation_id: UUID, window: Window, chosen: EventFilter
) -> dict[str, tuple[Totals, str | None, Harm]]:
    """Totals, the most frequent threat and the harm of every agent."""
    found = Source(store, organisation_id, chosen, window, "agent")
    weight = "events" if found.rolled else "1"
    rows = await store.query(
        f"SELECT agent_id, sum({weight} * {HARM_SQL}), max({HARM_SQL}), "
        f"topKWeightedIf(1)(threat_type, {weight}, threat_type != ''), "
        f"{figures.totals_sql(found)} FROM {found.table} WHERE {found.conditions.sql} "
        f"GROUP BY agent_id LIMIT {MAX_AGENTS}",
        found.conditions.parameters,
    )
    answer = {}
    for agent_id, total, worst, threats, *sums in rows:
        totals = figures.totals_of(sums)
        harm = Harm(totals.events, total, worst)
        answer[agent_id] = (totals, threats[0] if threats else None, harm)
    return answer


async def tools(
    store: Store, organisation_id: UUID, agent_id: str | None, window: Window
) -> list[ToolRow]:
    """Every tool that is known, of one agent or of all, with its calls in the window."""
    chosen = EVERYTHING if agent_id is None else EventFilter(agents=(agent_id,))
    found = conditions.of(organisation_id, chosen)
    known = await store.query(
        "SELECT agent_id, tool, tupleElement(argMaxMerge(latest), 'tool_risk'), "
        "arrayMap(each -> each.2, arrayReverseSort(groupArrayIf((first, definition), "
        "definition != ''))), min(first), max(last) FROM ("
        "SELECT agent_id, tool, definition, min(first_seen) AS first, max(last_seen) AS last, "
        f"argMaxMergeState(latest) AS latest FROM {store.database}.seen "
        f"WHERE {found.sql} AND tool != '' GROUP BY agent_id, tool, definition) "
        f"GROUP BY agent_id, tool ORDER BY max(last) DESC LIMIT {MAX_AGENTS}",
        found.parameters,
    )
    called = Source(
        store, organisation_id, replace(chosen, event_types=("tool_call",)), window, "agent", "tool"
    )
    calls = await store.query(
        f"SELECT agent_id, tool, {called.count}, {called.count_if(figures.STOPPED)}, "
        f"{called.untrusted} FROM {called.table} "
        f"WHERE {called.conditions.sql} AND tool != '' GROUP BY agent_id, tool",
        called.conditions.parameters,
    )
    counted = {(row[0], row[1]): row[2:] for row in calls}
    rows = [
        ToolRow(
            agent_id=row[0],
            tool=row[1],
            risk=row[2] or None,
            definitions=tuple(row[3]),
            first_seen=row[4],
            last_seen=row[5],
            calls=number,
            stopped=stopped,
            untrusted=untrusted,
        )
        for row in known
        for number, stopped, untrusted in [counted.get((row[0], row[1]), (0, 0, 0))]
    ]
    return sorted(rows, key=lambda row: (-row.calls, row.tool, row.agent_id))


async def coverage(
    store: Store, organisation_id: UUID, window: Window, *, failures: bool
) -> list[CoverageRow]:
    """What was looked at, and by which layers it was not. Surfaces without a row were not seen."""
    scans = Source(store, organisation_id, EVERYTHING, window, "agent", "surface")
    rows, missed = await asyncio.gather(
        store.query(
            f"SELECT agent_id, surface, {scans.count}, {scans.count_if('degraded')} "
            f"FROM {scans.table} WHERE {scans.conditions.sql} GROUP BY agent_id, surface",
            scans.conditions.parameters,
        ),
        figures.missing(store, organisation_id, window, EVERYTHING, "agent_id", "surface", "layer")
        if failures
        else figures.nothing(),
    )
    failed: dict[tuple[str, str], dict[str, int]] = {}
    for agent_id, surface, layer, failing, skips in missed:
        failed.setdefault((agent_id, surface), {})[layer] = failing + skips
    return [
        CoverageRow(row[0], row[1], row[2], row[3], failed.get((row[0], row[1]), {}))
        for row in sorted(rows, key=lambda row: (row[0], row[1]))
    ]


async def first_seen(
    store: Store, organisation_id: UUID, kind: SeenKind, since: datetime
) -> list[SeenRow]:
    """What arrived for the first time at or after ``since``, the oldest first.

    ``tool_definition`` names only definitions that changed: the tool was known under another.
    """
    keys = {
        "agent": "agent_id, '' AS tool, '' AS definition",
        "tool": "agent_id, tool, '' AS definition",
        "tool_definition": "agent_id, tool, definition",
    }
    if kind not in keys:
        raise InvalidError(f"nothing of that kind is noted; there are: {get_args(SeenKind)}")
    found = conditions.of(organisation_id, EVERYTHING)
    narrowed = {"agent": "agent_id != ''", "tool": "tool != ''"}.get(kind, "definition != ''")
    rows = await store.query(
        f"SELECT {keys[kind]}, min(first_received) AS arrived FROM {store.database}.seen "
        f"WHERE {found.sql} AND {narrowed} GROUP BY agent_id, tool, definition "
        f"ORDER BY arrived LIMIT {10 * MAX_AGENTS}",
        found.parameters,
    )
    answer, last = [], dict[tuple[str, str], str]()
    for agent_id, tool, definition, arrived in rows:
        previous = last.get((agent_id, tool))
        last[agent_id, tool] = definition
        changed = kind != "tool_definition" or previous is not None
        if changed and arrived >= since.astimezone(UTC):
            name = agent_id if kind == "agent" else tool
            answer.append(SeenRow(kind, agent_id, name, definition, previous, arrived))
    return answer
