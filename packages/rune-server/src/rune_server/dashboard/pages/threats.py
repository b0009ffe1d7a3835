"""Threats: each kind with what it is, how often it was met and what was done about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rune_server.actor import Permission
from rune_server.analytics import EventFilter
from rune_server.dashboard import choice, figures
from rune_server.dashboard.threat_texts import THREATS
from rune_server.dashboard.view import Page
from rune_server.errors import NotFoundError

if TYPE_CHECKING:
    from starlette.responses import Response

    from rune_server.dashboard.view import View


async def threats(view: View) -> Response:
    """All kinds."""
    chosen = choice.read(view.request.query_params, view.now).only_time()
    organisation = view.actor.organisation_id
    window = chosen.window(points=60)
    top, series, detectors = await asyncio.gather(
        view.analytics.top(organisation, "threat", window, EventFilter(), 20),
        view.analytics.series(organisation, window, "threat", EventFilter(threats=tuple(THREATS))),
        view.analytics.top(organisation, "detector", window, EventFilter(), 12),
    )
    met = {row.name: row for row in top if row.name}
    return view.show(
        "pages/threats.html",
        title="Threats",
        chosen=chosen,
        ranges=figures.range_links(chosen, "/threats"),
        chart=figures.lines_chart(series, window, zoom=figures.chosen_path("/events", chosen)),
        rows=[
            (name, text, met.get(name), series.lines.get(name))
            for name, text in sorted(
                THREATS.items(), key=lambda each: -met[each[0]].events if each[0] in met else 0
            )
        ],
        detectors=[row for row in detectors if row.name],
        any=bool(met),
    )


async def threat(view: View) -> Response:
    """One kind."""
    name = view.argument("name")
    if name not in THREATS:
        raise NotFoundError("there is no such threat")
    chosen = choice.read(view.request.query_params, view.now).only_time()
    organisation = view.actor.organisation_id
    window = chosen.window(points=60)
    only = EventFilter(threats=(name,))
    series, agents, tools, detectors, surfaces, latest = await asyncio.gather(
        view.analytics.series(organisation, window, "action", only),
        view.analytics.top(organisation, "agent", window, only, 8),
        view.analytics.top(organisation, "tool", window, only, 8),
        view.analytics.top(organisation, "detector", window, only, 8),
        view.analytics.top(organisation, "surface", window, only, 8),
        view.analytics.events(
            organisation, EventFilter(threats=(name,), since=chosen.since), None, 12
        ),
    )
    return view.show(
        "pages/threat.html",
        title=name.replace("_", " "),
        name=name,
        text=THREATS[name],
        chosen=chosen,
        ranges=figures.range_links(chosen, f"/threats/{name}"),
        chart=figures.actions_chart(series, window, "/events", chosen.with_pair("threat", name)),
        tops=[
            ("Agents", "agent", agents),
            ("Tools", "tool", [row for row in tools if row.name]),
            ("Detectors", "detector", [row for row in detectors if row.name]),
            ("Surfaces", "surface", surfaces),
        ],
        latest=latest.items,
    )


PAGES = (
    Page("/threats", threats, needs=Permission.EVENTS_READ, section="threats"),
    Page("/threats/{name}", threat, needs=Permission.EVENTS_READ, section="threats"),
)
