"""Events and sessions: what agents decided, as metadata. ``POST /v1/events`` is the agents'."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from rune_server.actor import Permission
from rune_server.analytics import EventFilter
from rune_server.api.shapes import (
    PAGE,
    Cursor,
    EventShape,
    Limit,
    Listed,
    Moment,
    Name,
    SessionShape,
    Text,
    encoded,
)
from rune_server.api.who import ITEM, Caller, operation
from rune_server.errors import NotFoundError

router = APIRouter(prefix="/v1", tags=["events"])
READ = Permission.EVENTS_READ
Names = Annotated[list[Name], Query(max_length=50)]
Time = Annotated[Moment | None, Query()]


def event_filter(
    agent: Names = [],
    action: Annotated[
        list[Literal["allow", "flag", "redact", "ask", "block"]], Query(max_length=5)
    ] = [],
    threat: Names = [],
    surface: Names = [],
    tool: Names = [],
    rule: Names = [],
    policy: Names = [],
    detector: Names = [],
    severity: Annotated[
        list[Literal["low", "medium", "high", "critical"]], Query(max_length=4)
    ] = [],
    framework: Names = [],
    tag: Names = [],
    event_type: Annotated[list[Literal["scan", "tool_call", "alert"]], Query(max_length=3)] = [],
    session: Annotated[Text | None, Query(max_length=128)] = None,
    decision: Annotated[Text | None, Query(max_length=128)] = None,
    min_risk: Annotated[float | None, Query(ge=0, le=1)] = None,
    degraded: bool | None = None,
    search: Annotated[Text | None, Query(max_length=200)] = None,
    since: Time = None,
    until: Time = None,
) -> EventFilter:
    """Which events. Values of one parameter are alternatives, parameters add up."""
    return EventFilter(
        agents=tuple(agent),
        actions=tuple(action),
        threats=tuple(threat),
        surfaces=tuple(surface),
        tools=tuple(tool),
        rules=tuple(rule),
        policies=tuple(policy),
        detectors=tuple(detector),
        severities=tuple(severity),
        frameworks=tuple(framework),
        tags=tuple(tag),
        event_types=tuple(event_type),
        session=session,
        decision=decision,
        min_risk=min_risk,
        degraded=degraded,
        search=search or None,
        since=since,
        until=until,
    )


Chosen = Annotated[EventFilter, Depends(event_filter)]


@router.get("/events", response_model=Listed[EventShape], **operation("list_events", READ))
async def list_events(
    caller: Caller, chosen: Chosen, cursor: Cursor = None, limit: Limit = PAGE
) -> Response:
    """Events, the newest first."""
    caller.actor.require(READ)
    page = await caller.platform.analytics.events(
        caller.actor.organisation_id, chosen, cursor, limit
    )
    return encoded({"items": page.items, "next_cursor": page.cursor})


@router.get(
    "/events/{event_id}",
    response_model=EventShape,
    **operation("get_event", READ, problems=ITEM),
)
async def get_event(caller: Caller, event_id: UUID) -> Response:
    """One event."""
    caller.actor.require(READ)
    row = await caller.platform.analytics.event(caller.actor.organisation_id, event_id)
    if row is None:
        raise NotFoundError("there is no event of this id")
    return encoded(row)


@router.get("/sessions", **operation("list_sessions", READ))
async def list_sessions(
    caller: Caller, chosen: Chosen, cursor: Cursor = None, limit: Limit = PAGE
) -> Listed[SessionShape]:
    """Sessions, the last active first; by default those of the last seven days."""
    caller.actor.require(READ)
    if chosen.since is None:
        from dataclasses import replace

        chosen = replace(chosen, since=caller.platform.clock.now() - timedelta(days=7))
    page = await caller.platform.analytics.sessions(
        caller.actor.organisation_id, chosen, cursor, limit
    )
    return Listed(
        items=[SessionShape.model_validate(row) for row in page.items], next_cursor=page.cursor
    )


@router.get(
    "/sessions/{session_id:path}",
    response_model=Listed[EventShape],
    **operation("get_session", READ, problems=ITEM),
)
async def get_session(
    caller: Caller, session_id: Annotated[Text, Path(min_length=1, max_length=128)]
) -> Response:
    """The events of one session in the order in which they happened, at most 5,000."""
    caller.actor.require(READ)
    rows = await caller.platform.analytics.session(caller.actor.organisation_id, session_id)
    if not rows:
        raise NotFoundError("there is no session of this id")
    return encoded({"items": rows, "next_cursor": None})
