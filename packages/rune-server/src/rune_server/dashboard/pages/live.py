"""Rows as they are written, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING

from rune_server.actor import Permission
from rune_server.dashboard import choice
from rune_server.dashboard.reading import still_reads
from rune_server.dashboard.streams import CountedStream
from rune_server.dashboard.view import Page
from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.responses import Response

    from rune_server.analytics import EventFilter, EventRow
    from rune_server.dashboard.feeds import Reader
    from rune_server.dashboard.view import View

HEARTBEAT_SECONDS = 15.0
_RETRY_MS = 1000
_TEMPLATES = {"row": "parts/event_row.html", "feed": "parts/feed_row.html"}


async def live(view: View) -> Response:
    """The stream of one list.

    ``after`` or ``Last-Event-ID`` is the newest time that the page shows; what came since is sent
    first. Ends when the process stops or the reader may no longer read. 429 when the person or the
    organisation has too many open.
    """
    shape = view.parameter("view", "row")
    if shape not in _TEMPLATES:
        raise InvalidError("view: must be row or feed")
    chosen = choice.read(view.request.query_params, view.now).filter(open_end=True)
    after = view.request.headers.get("last-event-id") or view.parameter("after")
    settings = view.platform.settings
    return CountedStream(
        _stream(view, chosen, _TEMPLATES[shape], _time(after) or view.now),
        view.platform.limits,
        (
            (f"person streams:{view.person.user_id}", settings.person_streams, "your account"),
            (
                f"organisation streams:{view.actor.organisation_id}",
                settings.organisation_streams,
                "your organisation",
            ),
        ),
    )


async def _stream(
    view: View, chosen: EventFilter, template: str, after: datetime
) -> AsyncIterator[str]:
    # The list's begin moves with time; rows from before it would only be cut off again.
    anytime = choice.without_time(chosen)
    organisation = view.actor.organisation_id
    stopping = asyncio.create_task(view.platform.stopping.wait())
    try:
        async with view.site.feeds.open(organisation, anytime) as reader:
            yield f"retry: {_RETRY_MS}\nevent: ready\ndata: {{}}\n\n"
            missed = await reader.missed(after)
            if missed:
                yield _message(view, template, missed)
            while True:
                batch = await _next(reader, stopping)
                if stopping.done() or not await _still_allowed(view):
                    return
                if batch is _QUIET:
                    yield ": still here\n\n"
                elif batch is None:
                    return
                else:
                    yield _message(view, template, batch)
    finally:
        stopping.cancel()


_QUIET: list[EventRow] = []
"""Nothing came for a while."""


async def _next(reader: Reader, stopping: asyncio.Task[bool]) -> list[EventRow] | None:
    """The next batch, or ``_QUIET`` when none came or the process is about to stop."""
    getting = asyncio.ensure_future(reader.next())
    try:
        await asyncio.wait(
            (getting, stopping), timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        return getting.result() if getting.done() else _QUIET
    finally:
        getting.cancel()


async def _still_allowed(view: View) -> bool:
    """Whether the reader's session and membership still stand; asked before anything is sent."""
    return await still_reads(view.site, view.person, view.actor.organisation_id)


def _message(view: View, template: str, rows: Sequence[EventRow]) -> str:
    """One message: rows as HTML with their ids, oldest first; its id is the newest time."""
    ordered = sorted(rows, key=lambda row: row.timestamp)
    data = [
        {
            "id": str(row.event_id),
            "at": int(row.timestamp.timestamp() * 1000),
            "html": view.draw(template, event=row),
        }
        for row in ordered
    ]
    return f"id: {ordered[-1].timestamp.isoformat()}\nevent: rows\ndata: {json.dumps(data)}\n\n"


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


PAGES = (Page("/events/live", live, needs=Permission.EVENTS_READ, section="events"),)
