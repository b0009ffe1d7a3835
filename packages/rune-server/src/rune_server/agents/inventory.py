"""The inventory: what events, reports and people say of agents, put together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from rune_server import audit
from rune_server.actor import Permission
from rune_server.agents.model import Agent, AgentSpec, Tool
from rune_server.analytics import Window
from rune_server.errors import (
    ConflictError,
    NotFoundError,
    UnprocessableError,
)
from rune_server.paging import Page, bounded, number_in, page_of, parts_of
from rune_server.state import versioned
from rune_server.state.tables.agents import AgentInstanceRow, AgentRow, AgentToolRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from rune_server import analytics
    from rune_server.actor import Actor
    from rune_server.platform import Platform

SILENT_AFTER: Final = timedelta(hours=1)
"""Processes report at least every quarter of an hour."""
LIVE_WITHIN: Final = timedelta(hours=1)
DEFAULT_WINDOW: Final = timedelta(days=7)
MAX_TAGS: Final = 50


async def agents(
    platform: Platform,
    actor: Actor,
    *,
    window: timedelta = DEFAULT_WINDOW,
    search: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Agent]:
    """The organisation's agents, the riskiest first.

    Args:
        platform: The platform.
        actor: Who asks.
        window: The span that figures are about, until now.
        search: Part of an id, name, framework or tag, in any case.
        cursor: From an earlier page.
        limit: At most so many.
    """
    actor.require(Permission.EVENTS_READ)
    limit = bounded(limit)
    found = await inventory(platform, actor.organisation_id, window)
    wanted = search.strip().casefold()
    chosen = [each for each in found if not wanted or _fits(each, wanted)]
    chosen.sort(key=_place)
    if cursor is not None:
        risk, agent_id = parts_of(cursor, 2)
        behind = (-number_in(risk), agent_id)
        chosen = [each for each in chosen if _place(each) > behind]
    return page_of(chosen[: limit + 1], limit, lambda each: (str(each.risk), each.agent_id))


async def agent(
    platform: Platform, actor: Actor, agent_id: str, *, window: timedelta = DEFAULT_WINDOW
) -> Agent:
    """One agent.

    Raises:
        NotFoundError: Nobody entered it and nothing was heard of it.
    """
    actor.require(Permission.EVENTS_READ)
    found = await inventory(platform, actor.organisation_id, window, agent_id)
    if not found:
        raise NotFoundError("there is no agent of this id")
    return found[0]


async def register(platform: Platform, actor: Actor, spec: AgentSpec) -> Agent:
    """Enter an agent, heard of or not.

    Raises:
        UnprocessableError: Something in it cannot be used.
        ConflictError: Somebody entered it already.
    """
    actor.require(Permission.AGENTS_WRITE)
    _check(spec)
    async with platform.state.begin() as session:
        row = await session.get(AgentRow, (actor.organisation_id, spec.agent_id))
        if row is not None and row.registered:
            raise ConflictError("this agent was entered already: edit it", code="registered")
        if row is None:
            row = AgentRow(
                organisation_id=actor.organisation_id,
                agent_id=spec.agent_id,
                version=0,
                first_seen_at=platform.clock.now(),
            )
            session.add(row)
        _put(row, spec)
        await audit.record(
            session, actor, action="agent.registered", target=f"agent:{spec.agent_id}"
        )
    return await agent(platform, _reader(actor), spec.agent_id)


async def edit(
    platform: Platform, actor: Actor, spec: AgentSpec, *, version: int | None = None
) -> Agent:
    """Change what is entered about an agent.

    Raises:
        NotFoundError: Nobody entered it and nothing was heard of it.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.AGENTS_WRITE)
    _check(spec)
    known = await agent(platform, _reader(actor), spec.agent_id)
    versioned.check(known.version, version, "agent")
    async with platform.state.begin() as session:
        row = await session.get(
            AgentRow, (actor.organisation_id, spec.agent_id), with_for_update=True
        )
        if row is None:
            row = AgentRow(
                organisation_id=actor.organisation_id,
                agent_id=spec.agent_id,
                version=0,
                first_seen_at=known.first_seen or platform.clock.now(),
            )
            session.add(row)
        versioned.check(row.version, version, "agent")
        _put(row, spec)
        await audit.record(session, actor, action="agent.edited", target=f"agent:{spec.agent_id}")
    return await agent(platform, _reader(actor), spec.agent_id)


async def tools(
    platform: Platform,
    actor: Actor,
    agent_id: str | None = None,
    *,
    window: timedelta = DEFAULT_WINDOW,
) -> list[Tool]:
    """The tools of an agent, or of all, by agent and name."""
    actor.require(Permission.EVENTS_READ)
    span = Window.last(window, until=platform.clock.now())
    seen = await platform.analytics.tools(actor.organisation_id, agent_id, span)
    query = select(AgentToolRow).where(AgentToolRow.organisation_id == actor.organisation_id)
    if agent_id is not None:
        query = query.where(AgentToolRow.agent_id == agent_id)
    async with platform.state.read() as session:
        reported = (await session.scalars(query.order_by(AgentToolRow.last_at.desc()))).all()
    return _joined_tools(seen, reported)


async def inventory(
    platform: Platform, organisation_id: UUID, window: timedelta, agent_id: str | None = None
) -> list[Agent]:
    """Every agent of an organisation, or the one; for services, after they checked permissions."""
    now = platform.clock.now()
    span = Window.last(window, until=now)
    if agent_id is None:
        acted = await platform.analytics.agents(organisation_id, span)
    else:
        one = await platform.analytics.agent(organisation_id, agent_id, span)
        acted = [] if one is None else [one]
    rows = select(AgentRow).where(AgentRow.organisation_id == organisation_id)
    if agent_id is not None:
        rows = rows.where(AgentRow.agent_id == agent_id)
    live = select(AgentInstanceRow.agents).where(
        AgentInstanceRow.organisation_id == organisation_id,
        AgentInstanceRow.reported_at >= now - LIVE_WITHIN,
    )
    async with platform.state.read() as session:
        entered = {row.agent_id: row for row in await session.scalars(rows)}
        running = Counter(each for names in await session.scalars(live) for each in set(names))
    by_id = {row.agent_id: row for row in acted if row.agent_id}
    return [
        _joined(name, entered.get(name), by_id.get(name), running[name], now)
        for name in {**entered, **by_id}
    ]


def _joined(
    agent_id: str,
    row: AgentRow | None,
    acted: analytics.AgentRow | None,
    instances: int,
    now: datetime,
) -> Agent:
    # Registering an agent is not hearing of it.
    reported = row if row is not None and row.reported_at is not None else None
    heard = [acted.last_seen] if acted is not None else []
    began = [acted.first_seen] if acted is not None else []
    if reported is not None and reported.reported_at is not None:
        heard.append(reported.reported_at)
        began.append(reported.first_seen_at)
    last_seen = max(heard, default=None)
    totals = acted.totals if acted is not None else None
    said = acted.tags if acted is not None else ()
    entered = tuple(row.tags) if row is not None else ()
    return Agent(
        agent_id=agent_id,
        name=(row.name if row is not None else "") or agent_id,
        framework=(acted and acted.framework) or (row.framework if row is not None else ""),
        description=row.description if row is not None else "",
        tags=tuple(dict.fromkeys((*entered, *said))),
        registered=row is not None and row.registered,
        version=row.version if row is not None else 0,
        status=(
            "never"
            if last_seen is None
            else "active"
            if last_seen >= now - SILENT_AFTER
            else "silent"
        ),
        risk=acted.risk if acted is not None else 0,
        trend=acted.trend if acted is not None else 0,
        events=totals.events if totals is not None else 0,
        blocked=totals.blocked if totals is not None else 0,
        asked=totals.asked if totals is not None else 0,
        flagged=totals.flagged + totals.redacted if totals is not None else 0,
        tools=acted.tools if acted is not None else 0,
        top_threat=(acted and acted.top_threat) or "",
        instances=instances,
        sdk_version=acted.sdk_version if acted is not None else "",
        policy_revision=acted.policy_revision if acted is not None else "",
        first_seen=min(began, default=None),
        last_seen=last_seen,
    )


def _joined_tools(
    seen: Iterable[analytics.ToolRow], reported: Iterable[AgentToolRow]
) -> list[Tool]:
    found = {
        (row.agent_id, row.tool): Tool(
            agent_id=row.agent_id,
            tool=row.tool,
            risk=row.risk or "",
            definitions=row.definitions,
            calls=row.calls,
            stopped=row.stopped,
            untrusted=row.untrusted,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
        )
        for row in seen
    }
    for row in reported:
        key = (row.agent_id, row.tool)
        known = found.get(key)
        digest = (row.definition_hash,) if row.definition_hash else ()
        if known is None:
            found[key] = Tool(
                agent_id=row.agent_id,
                tool=row.tool,
                risk=row.risk,
                definitions=digest,
                calls=0,
                stopped=0,
                untrusted=0,
                first_seen=row.first_at,
                last_seen=row.last_at,
            )
            continue
        found[key] = Tool(
            agent_id=known.agent_id,
            tool=known.tool,
            risk=known.risk or row.risk,
            definitions=tuple(dict.fromkeys((*known.definitions, *digest))),
            calls=known.calls,
            stopped=known.stopped,
            untrusted=known.untrusted,
            first_seen=min(known.first_seen, row.first_at),
            last_seen=max(known.last_seen, row.last_at),
        )
    return [found[key] for key in sorted(found)]


def _fits(each: Agent, wanted: str) -> bool:
    return any(
        wanted in text.casefold() for text in (each.agent_id, each.name, each.framework, *each.tags)
    )


def _place(each: Agent) -> tuple[int, str]:
    return (-each.risk, each.agent_id)


def _reader(actor: Actor) -> Actor:
    """The same actor, who may read what it just wrote."""
    return replace(actor, permissions=actor.permissions | {Permission.EVENTS_READ})


def _put(row: AgentRow, spec: AgentSpec) -> None:
    row.name, row.framework, row.description = spec.name, spec.framework, spec.description
    row.tags = list(dict.fromkeys(spec.tags))
    row.registered = True
    row.version += 1


def _check(spec: AgentSpec) -> None:
    faults = [
        {"where": where, "reason": f"must be {least} to {most} printable characters"}
        for where, text, least, most in (
            ("agent_id", spec.agent_id, 1, 128),
            ("name", spec.name, 0, 200),
            ("framework", spec.framework, 0, 128),
            ("description", spec.description, 0, 1000),
            *(("tags", tag, 1, 128) for tag in spec.tags),
        )
        if not least <= len(text) <= most or not text.isprintable()
    ]
    if len(spec.tags) > MAX_TAGS:
        faults.append({"where": "tags", "reason": f"must be at most {MAX_TAGS}"})
    if faults:
        raise UnprocessableError("the agent cannot be entered", errors=faults)
