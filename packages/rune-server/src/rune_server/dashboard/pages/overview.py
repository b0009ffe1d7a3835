"""The overview: what happened, what it cost, who is at risk, and what happens now."""

from __future__ import annotations

from asyncio import gather
from typing import TYPE_CHECKING

from rune_server.actor import Permission
from rune_server.analytics import EventFilter
from rune_server.dashboard import choice, figures
from rune_server.dashboard.view import Page

if TYPE_CHECKING:
    from typing import Any

    from starlette.responses import Response

    from rune_server.dashboard.choice import Choice
    from rune_server.dashboard.view import View

AT_RISK = 40
"""From this risk score on an agent is listed as at risk."""
_FEED_ROWS = 20


async def overview(view: View) -> Response:
    """The page."""
    chosen = choice.read(view.request.query_params, view.now).only_time()
    values, feed = await gather(
        _figures(view, chosen),
        view.analytics.events(view.actor.organisation_id, EventFilter(), None, _FEED_ROWS),
    )
    return view.show(
        "pages/overview.html",
        title="Overview",
        chosen=chosen,
        ranges=figures.range_links(chosen, "/"),
        feed=feed.items,
        feed_rows=_FEED_ROWS,
        **values,
    )


async def overview_figures(view: View) -> Response:
    """Its figures alone, which an open page asks for when something happened."""
    chosen = choice.read(view.request.query_params, view.now).only_time()
    return view.part("parts/overview_figures.html", chosen=chosen, **await _figures(view, chosen))


async def _figures(view: View, chosen: Choice) -> dict[str, Any]:
    organisation = view.actor.organisation_id
    window = chosen.window(points=56)
    before = window.before
    ask = view.analytics

    async def make() -> dict[str, Any]:
        (totals, earlier, series, latency), (agents, threats, rules, coverage) = await gather(
            gather(
                ask.totals(organisation, window),
                ask.totals(organisation, before),
                ask.series(organisation, window, "action"),
                ask.latency(organisation, window, failures=False),
            ),
            gather(
                ask.agents(organisation, window),
                ask.top(organisation, "threat", window, EventFilter(), 7),
                ask.top(organisation, "rule", window, EventFilter(), 7),
                ask.coverage(organisation, window, failures=False),
            ),
        )
        return {
            "totals": totals,
            "earlier": earlier,
            "series": series,
            "latency": latency,
            "total_latency": next((row for row in latency if row.layer == "total"), None),
            "agents": agents,
            "at_risk": [row for row in agents if row.risk >= AT_RISK],
            "threats": [row for row in threats if row.name],
            "rules": [row for row in rules if row.name],
            "gaps": sorted(
                (row for row in coverage if row.degraded), key=lambda row: -row.degraded
            ),
        }

    values = await view.site.answers.get((organisation, "overview", chosen.time_pairs), make)
    return {
        **values,
        "chart": figures.actions_chart(values["series"], window, "/events", chosen),
        "spark": figures.sparks(values["series"]),
    }


PAGES = (
    Page("/", overview, needs=Permission.EVENTS_READ, section="overview"),
    Page("/overview/figures", overview_figures, needs=Permission.EVENTS_READ, section="overview"),
)
