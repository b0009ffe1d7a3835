"""Agents: the inventory, and one agent with its tools."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rune_server import agents as inventory
from rune_server.actor import Permission
from rune_server.analytics import EventFilter
from rune_server.dashboard import choice, figures
from rune_server.dashboard.tool_graph import draw
from rune_server.dashboard.view import Page

if TYPE_CHECKING:
    from starlette.responses import Response

    from rune_server.analytics import CoverageRow
    from rune_server.dashboard.view import View

_MAX_LISTED = 200
_LATEST = 12


async def agents(view: View) -> Response:
    """The inventory, the riskiest first."""
    chosen = choice.read(view.request.query_params, view.now).only_time()
    search = view.parameter("q")
    window = chosen.window(points=24)
    page, coverage, series = await asyncio.gather(
        inventory.agents(
            view.platform,
            view.actor,
            window=chosen.until - chosen.since,
            search=search,
            cursor=view.parameter("cursor") or None,
            limit=_MAX_LISTED,
        ),
        view.analytics.coverage(view.actor.organisation_id, window, failures=False),
        view.analytics.series(view.actor.organisation_id, window, "agent"),
    )
    return view.show(
        "pages/agents.html",
        title="Agents",
        chosen=chosen,
        search=search,
        rows=page.items,
        next_href=chosen.address("/agents", q=search or None, cursor=page.next_cursor)
        if page.next_cursor
        else None,
        ranges=figures.range_links(chosen, "/agents"),
        covered=_covered(coverage),
        sparks=series.lines,
        silent=sum(1 for row in page.items if row.status == "silent"),
    )


def _covered(rows: list[CoverageRow]) -> dict[str, tuple[int, int]]:
    """Per agent: scans in which every layer ran, and all scans."""
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        good, every = found.get(row.agent_id, (0, 0))
        found[row.agent_id] = (good + row.events - row.degraded, every + row.events)
    return found


async def agent(view: View) -> Response:
    """One agent: risk, what it did, its tools, how it is guarded, what runs it."""
    agent_id = view.argument("agent_id")
    chosen = choice.read(view.request.query_params, view.now).only_time()
    found = await inventory.agent(
        view.platform, view.actor, agent_id, window=chosen.until - chosen.since
    )
    organisation = view.actor.organisation_id
    window = chosen.window(points=60)
    only = EventFilter(agents=(agent_id,))
    (series, threats, coverage, latest), (tools, instances, changes) = await asyncio.gather(
        asyncio.gather(
            view.analytics.series(organisation, window, "action", only),
            view.analytics.top(organisation, "threat", window, only, 6),
            view.analytics.coverage(organisation, window),
            view.analytics.events(
                organisation, EventFilter(agents=(agent_id,), since=chosen.since), None, _LATEST
            ),
        ),
        asyncio.gather(
            inventory.tools(
                view.platform, view.actor, agent_id, window=chosen.until - chosen.since
            ),
            inventory.instances(view.platform, view.actor, agent_id=agent_id, limit=20),
            inventory.changes(view.platform, view.actor, agent_id=agent_id, limit=8),
        ),
    )
    return view.show(
        "pages/agent.html",
        title=found.name,
        agent=found,
        chosen=chosen,
        ranges=figures.range_links(chosen, f"/agents/{view.quoted(agent_id)}"),
        chart=figures.actions_chart(series, window, "/events", chosen.with_pair("agent", agent_id)),
        threats=[row for row in threats if row.name],
        coverage=[row for row in coverage if row.agent_id == agent_id],
        tools=sorted(tools, key=lambda tool: (-tool.calls, tool.tool)),
        graph=draw(tools),
        latest=latest.items,
        instances=instances.items,
        changes=changes.items,
    )


async def describe(view: View) -> Response:
    """Enter what people should know about an agent."""
    agent_id = view.argument("agent_id")
    await inventory.edit(
        view.platform,
        view.actor,
        inventory.AgentSpec(
            agent_id=agent_id,
            name=await view.text("name"),
            framework=await view.text("framework"),
            description=await view.text("description"),
            tags=tuple(tag for tag in (await view.text("tags")).replace(",", " ").split() if tag),
        ),
        version=await view.number("version"),
    )
    return view.go(f"/agents/{view.quoted(agent_id)}", "Saved.")


PAGES = (
    Page("/agents", agents, needs=Permission.EVENTS_READ, section="agents"),
    Page(
        "/agents/{agent_id:path}/describe",
        describe,
        "POST",
        needs=Permission.AGENTS_WRITE,
        section="agents",
    ),
    Page("/agents/{agent_id:path}", agent, needs=Permission.EVENTS_READ, section="agents"),
)
