"""Sessions: runs of agents, and the chain of calls of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.actor import Permission
from rune_server.dashboard import choice, figures
from rune_server.dashboard.view import Page
from rune_server.errors import NotFoundError

if TYPE_CHECKING:
    from starlette.responses import Response

    from rune_server.dashboard.view import View

ROWS = 50


async def sessions(view: View) -> Response:
    """The list, the last active first."""
    chosen = choice.read(view.request.query_params, view.now)
    cursor = view.parameter("cursor") or None
    page = await view.analytics.sessions(view.actor.organisation_id, chosen.filter(), cursor, ROWS)
    return view.show(
        "pages/sessions.html",
        title="Sessions",
        chosen=chosen,
        rows=page.items,
        next_href=chosen.address("/sessions", cursor=page.cursor) if page.cursor else None,
        ranges=figures.range_links(chosen, "/sessions"),
    )


async def session(view: View) -> Response:
    """One run: every decision in the order in which it happened."""
    session_id = view.argument("session_id")
    events = await view.analytics.session(view.actor.organisation_id, session_id)
    if not events:
        raise NotFoundError("there is no such session here, or it is past its retention")
    counts: dict[str, int] = {}
    for event in events:
        counts[event.action] = counts.get(event.action, 0) + 1
    first, last = events[0], events[-1]
    return view.show(
        "pages/session.html",
        title=session_id,
        events=events,
        first=first,
        counts=counts,
        seconds=(last.timestamp - first.timestamp).total_seconds(),
        max_risk=max(event.risk_score for event in events),
        tools=sorted({event.tool for event in events if event.tool}),
        untrusted=[
            event
            for event in events
            if event.event_type == "tool_call"
            and any("untrusted" in argument.origins for argument in event.arguments)
        ],
        threats=sorted({threat for event in events for threat in event.threats}),
    )


PAGES = (
    Page("/sessions", sessions, needs=Permission.EVENTS_READ, section="sessions"),
    Page("/sessions/{session_id:path}", session, needs=Permission.EVENTS_READ, section="sessions"),
)
