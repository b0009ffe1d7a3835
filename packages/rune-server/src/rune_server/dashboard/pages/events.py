"""Events: a list with filters in its address, live, exportable; and one event with its session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rune_server.actor import Permission
from rune_server.dashboard import choice, figures, saved_views
from rune_server.dashboard.view import Page
from rune_server.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from starlette.responses import Response

    from rune_server.analytics import Dimension, EventRow
    from rune_server.dashboard.choice import Choice
    from rune_server.dashboard.view import View

ROWS = 50
_DIMENSIONS: dict[str, Dimension] = {
    "action": "action",
    "threat": "threat",
    "agent": "agent",
    "tool": "tool",
    "surface": "surface",
    "rule": "rule",
    "severity": "severity",
    "policy": "policy",
    "detector": "detector",
    "framework": "framework",
    "tag": "tag",
    "type": "event_type",
}
"""The filters that can be chosen from a list, and what analytics calls them."""
_NEIGHBOURS = 200


async def events(view: View) -> Response:
    """The list."""
    chosen = choice.read(view.request.query_params, view.now)
    if chosen.search != view.parameter("q") and not view.wants_part:
        # Filters that were typed as words become filters in the address.
        return view.go(chosen.address("/events", live=view.parameter("live") or None))
    organisation = view.actor.organisation_id
    cursor = view.parameter("cursor") or None
    window = chosen.window(points=90)
    wanted = chosen.filter()
    page, series, views = await asyncio.gather(
        view.analytics.events(organisation, wanted, cursor, ROWS),
        view.site.answers.get(
            (organisation, "events", chosen.all_pairs),
            lambda: view.analytics.series(organisation, window, "action", wanted),
        ),
        saved_views.listed(view.platform, view.actor),
    )
    totals = [(name, name, sum(series.lines.get(name, ()))) for name in figures.ACTIONS]
    return view.show(
        "pages/events.html",
        title="Events",
        chosen=chosen,
        rows=page.items,
        next_href=chosen.address("/events", cursor=page.cursor) if page.cursor else None,
        first=cursor is None,
        live=cursor is None and chosen.live and view.parameter("live") == "1",
        chart=figures.actions_chart(series, window, "/events", chosen),
        totals=totals,
        number=sum(each[2] for each in totals),
        ranges=figures.range_links(chosen, "/events"),
        facets=list(_DIMENSIONS),
        views=views,
        rows_shown=ROWS,
    )


async def facet(view: View) -> Response:
    """The values of one filter, with how often each came under the others."""
    name = view.argument("name")
    if name not in _DIMENSIONS:
        raise NotFoundError("there is no such filter")
    chosen = choice.read(view.request.query_params, view.now)
    others = choice.Choice(
        tuple(pair for pair in chosen.pairs if pair[0] != name),
        chosen.search,
        chosen.range,
        chosen.since,
        chosen.until,
    )
    found = await view.analytics.top(
        view.actor.organisation_id, _DIMENSIONS[name], chosen.window(), others.filter(), 40
    )
    counted = {row.name: row.events for row in found}
    for value in choice.values_of(name):
        counted.setdefault(value, 0)
    picked = {value for key, value in chosen.pairs if key == name}
    rows = [
        (
            value or "(none)",
            number,
            (value or "(none)") in picked,
            _toggled(chosen, name, value or "(none)").address("/events"),
        )
        for value, number in counted.items()
    ]
    return view.part("parts/facet.html", name=name, rows=rows)


def _toggled(chosen: Choice, name: str, value: str) -> Choice:
    if (name, value) in chosen.pairs:
        return chosen.without(name, value)
    return chosen.with_pair(name, value)


async def event(view: View) -> Response:
    """One event on a page of its own."""
    found, values = await _event(view)
    return view.show("pages/event.html", title=_title(found), event=found, **values)


async def drawer(view: View) -> Response:
    """One event beside the list."""
    found, values = await _event(view)
    return view.part("parts/event_drawer.html", event=found, title=_title(found), **values)


def _title(event: EventRow) -> str:
    what = event.threat_type.replace("_", " ") if event.threat_type else "no threat"
    where = event.tool or event.surface.replace("_", " ")
    return f"{event.action} · {what} · {where}"


async def _event(view: View) -> tuple[EventRow, dict[str, Any]]:
    organisation = view.actor.organisation_id
    found = await view.analytics.event(organisation, event_id(view.argument("event_id")))
    if found is None:
        raise NotFoundError("there is no such event here, or it is past its retention")
    session: list[EventRow] = []
    if found.session_id:
        session = await view.analytics.session(organisation, found.session_id)
    return found, {"session": around(session, found), "session_length": len(session)}


def around(session: list[EventRow], event: EventRow, number: int = 12) -> list[EventRow]:
    """Up to ``number`` of a session's events around one."""
    at = next((i for i, row in enumerate(session) if row.event_id == event.event_id), 0)
    begin = max(0, min(at - number // 2, len(session) - number))
    return session[begin : begin + number]


def event_id(text: str) -> UUID:
    """An event's id from an address.

    Raises:
        NotFoundError: It is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("there is no such event") from None


async def save_view(view: View) -> Response:
    """Keep the filters of a list under a name."""
    query = await view.text("query")
    await saved_views.save(
        view.platform,
        view.actor,
        name=await view.text("name"),
        query=query,
        shared=bool(await view.text("shared")),
    )
    return view.go("/events" + (f"?{query}" if query else ""), "The view was saved.")


async def delete_view(view: View) -> Response:
    """Forget a view."""
    try:
        view_id = UUID(view.argument("view_id"))
    except ValueError:
        raise InvalidError("there is no such view") from None
    await saved_views.delete(view.platform, view.actor, view_id)
    return view.go("/events", "The view was deleted.")


_READ = Permission.EVENTS_READ
PAGES = (
    Page("/events", events, needs=_READ, section="events"),
    Page("/events/facets/{name}", facet, needs=_READ, section="events"),
    Page("/events/views", save_view, "POST", needs=_READ, section="events"),
    Page("/events/views/{view_id}/delete", delete_view, "POST", needs=_READ, section="events"),
    Page("/events/{event_id}", event, needs=_READ, section="events"),
    Page("/events/{event_id}/drawer", drawer, needs=_READ, section="events"),
)
