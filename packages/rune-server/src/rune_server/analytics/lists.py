"""Events and sessions, newest first, page by page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from rune_server.analytics import conditions
from rune_server.analytics.model import EventFilter, EventRow, Page, SessionRow
from rune_server.analytics.rows import SELECTED, cursor_of, event_row, read_cursor
from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from rune_server.analytics.connect import Store

MAX_PAGE = 1_000
MAX_SESSION = 5_000
_CLOCKS_DIFFER = timedelta(days=1)


async def events(
    store: Store, organisation_id: UUID, chosen: EventFilter, cursor: str | None, limit: int
) -> Page[EventRow]:
    """One page of events."""
    limit = max(1, min(limit, MAX_PAGE))
    found = conditions.of(organisation_id, replace(chosen, search=None))
    if cursor is not None:
        at, identity = read_cursor(cursor)
        found.add(
            "timestamp <= {cursor_at:DateTime64(3, 'UTC')} AND (timestamp, event_id) < "
            "({cursor_at:DateTime64(3, 'UTC')}, {cursor_id:UUID})",
            cursor_at=conditions.stamp(at),
            cursor_id=_uuid(identity),
        )

    def newest(also: str) -> str:
        return (
            f"SELECT {SELECTED} FROM {store.database}.events WHERE {found.sql} AND {also} "
            f"ORDER BY organisation_id DESC, timestamp DESC, event_id DESC LIMIT {limit + 1}"
        )

    sql = newest("1")
    if chosen.search:
        search = conditions.Search.of(chosen.search)
        found.parameters.update(search.parameters)
        ways = " UNION ALL ".join(f"({newest(each)})" for each in (search.by_name, *search.by_id))
        sql = (
            f"SELECT * FROM ({ways}) ORDER BY timestamp DESC, event_id DESC "
            f"LIMIT 1 BY event_id LIMIT {limit + 1}"
        )
    rows = await store.query(sql, found.parameters)
    items = [event_row(row) for row in rows]
    more = len(items) > limit
    items = items[:limit]
    more_at = cursor_of(items[-1].timestamp, items[-1].event_id) if more else None
    return Page(tuple(items), more_at)


async def event(store: Store, organisation_id: UUID, event_id: UUID) -> EventRow | None:
    """One event. Its id holds its time, so only that day is read, and all when it is not there."""
    milliseconds = event_id.int >> 80
    near = ""
    if event_id.version == 7:
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
        low, high = (conditions.stamp(at + by) for by in (-_CLOCKS_DIFFER, _CLOCKS_DIFFER))
        near = f" AND timestamp BETWEEN '{low}' AND '{high}'"
    for narrowed in (near, "") if near else ("",):
        rows = await store.query(
            f"SELECT {SELECTED} FROM {store.database}.events "
            "WHERE organisation_id = {organisation:UUID} AND event_id = {event:UUID}"
            f"{narrowed} LIMIT 1",
            {"organisation": organisation_id, "event": event_id},
        )
        if rows:
            return event_row(rows[0])
    return None


async def session(store: Store, organisation_id: UUID, session_id: str) -> list[EventRow]:
    """The events of one session, in the order in which they happened."""
    found = conditions.of(organisation_id, EventFilter(session=session_id))
    rows = await store.query(
        f"SELECT {SELECTED} FROM {store.database}.events WHERE {found.sql} "
        f"ORDER BY timestamp, sequence, event_id LIMIT {MAX_SESSION}",
        found.parameters,
    )
    return [event_row(row) for row in rows]


async def sessions(
    store: Store, organisation_id: UUID, chosen: EventFilter, cursor: str | None, limit: int
) -> Page[SessionRow]:
    """One page of sessions, the last active first, by those events that the filter takes."""
    limit = max(1, min(limit, MAX_PAGE))
    found = conditions.of(organisation_id, chosen, decisions=True)
    found.add("session_id != ''")
    having = "1"
    if cursor is not None:
        at, identity = read_cursor(cursor)
        having = "(ended, session_id) < ({cursor_at:DateTime64(3, 'UTC')}, {cursor_id:String})"
        found.parameters |= {"cursor_at": conditions.stamp(at), "cursor_id": identity}
        # A session can go on after its page was shown; it then stands on an earlier page.
    # First which sessions, by two columns; then the others for these alone.
    listed = await store.query(
        "SELECT session_id, min(timestamp), max(timestamp) AS ended "
        f"FROM {store.database}.events WHERE {found.sql} GROUP BY session_id HAVING {having} "
        f"ORDER BY ended DESC, session_id DESC LIMIT {limit + 1}",
        found.parameters,
    )
    if not listed:
        return Page((), None)
    found.add("session_id IN {listed:Array(String)}", listed=[row[0] for row in listed])
    since = conditions.stamp(min(row[1] for row in listed))
    found.add("timestamp >= {listed_since:DateTime64(3, 'UTC')}", listed_since=since)
    rows = await store.query(
        "SELECT session_id, any(agent_id), min(timestamp), max(timestamp) AS ended, count(), "
        "countIf(event_type = 'tool_call'), countIf(action IN ('ask', 'block')), max(risk_score), "
        "groupUniqArray(10)(threat_type), any(framework) "
        f"FROM {store.database}.events WHERE {found.sql} GROUP BY session_id "
        "ORDER BY ended DESC, session_id DESC",
        found.parameters,
    )
    items = [
        SessionRow(
            session_id=row[0],
            agent_id=row[1] or None,
            began=row[2],
            ended=row[3],
            events=row[4],
            tool_calls=row[5],
            stopped=row[6],
            max_risk=round(row[7], 4),
            threats=tuple(sorted(filter(None, row[8]))),
            framework=row[9] or None,
        )
        for row in rows
    ]
    last = items[limit - 1] if len(items) > limit else None
    more_at = None if last is None else cursor_of(last.ended, last.session_id)
    return Page(tuple(items[:limit]), more_at)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidError("the cursor is not one of ours", code="cursor_invalid") from None
