"""Erases an agent or a whole organisation.

What the state database knows goes at once, in the transaction that notes the erasure. Events go in
two passes: one at once, and one a quarter of an hour later for those that lay in a spool
meanwhile. The second removes what happened before the erasure was asked for, and nothing later:
an agent that goes on working begins anew. Back-ups keep what they hold until they are removed.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, or_, select

from rune_server import audit
from rune_server.actor import Permission
from rune_server.analytics import keeping
from rune_server.errors import (
    ConflictError,
    NotFoundError,
    ProblemError,
    UnavailableError,
    UnprocessableError,
)
from rune_server.state.tables.agents import (
    AgentInstanceRow,
    AgentRow,
    AgentToolRow,
    ToolChangeRow,
)
from rune_server.state.tables.alerts import AlertRow
from rune_server.state.tables.organisations import Membership, Organisation
from rune_server.state.tables.rights import ErasureRow
from rune_server.state.tables.users import User

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.rights")
AGAIN_AFTER = timedelta(minutes=15)
"""Longer than events lie in a spool unless ClickHouse is down, and then the job waits for it."""
PASSES = 2
_RETRY_AFTER = timedelta(minutes=1)
_LOOK_SECONDS = 5.0
_MAX_LISTED = 200
_MAX_AGENT_ID = 128
_BATCH = 500


@dataclass(frozen=True, slots=True)
class ErasureInfo:
    """How far an erasure is.

    Attributes:
        id: Its id.
        agent_id: Whom it is about; empty for the organisation, and once it is finished.
        requested_at: When it was asked for.
        finished_at: When the last pass was made; None before.
        passes: Passes over the events so far, of two.
        events: Events removed so far.
    """

    id: UUID
    agent_id: str
    requested_at: datetime
    finished_at: datetime | None
    passes: int
    events: int


async def erase_agent(platform: Platform, actor: Actor, agent_id: str) -> ErasureInfo:
    """Erase everything about an agent: events, inventory, reports, tools and alerts about it.

    The audit log keeps that an erasure was made, not of whom. What it says elsewhere stays: it
    cannot be altered.

    Args:
        platform: The platform.
        actor: Needs ``data:erase``.
        agent_id: The agent. One that nobody has heard of is erased too: events may be under way.

    Raises:
        UnprocessableError: It is no agent's id.
        ConflictError: It is being erased.
    """
    actor.require(Permission.DATA_ERASE)
    if not 1 <= len(agent_id) <= _MAX_AGENT_ID:
        raise UnprocessableError(f"agent_id: must have 1 to {_MAX_AGENT_ID} characters")
    async with platform.state.begin() as session:
        organisation = await _organisation(session, actor)
        under_way = await session.scalar(
            select(ErasureRow.id).where(
                ErasureRow.organisation_id == organisation.id,
                ErasureRow.agent_id == agent_id,
                ErasureRow.passes == 0,
            )
        )
        if under_way is not None:
            raise ConflictError("this agent is being erased")
        for table in (AgentRow, AgentToolRow, ToolChangeRow):
            await session.execute(
                delete(table).where(
                    table.organisation_id == organisation.id, table.agent_id == agent_id
                )
            )
        await _erase_from_reports(session, organisation.id, agent_id)
        await _erase_alerts(session, organisation.id, agent_id)
        row = _noted(platform, actor, organisation, agent_id=agent_id)
        session.add(row)
        await session.flush()
        await audit.record(
            session,
            actor,
            action="data.erased",
            target=f"erasure:{row.id}",
            details={"what": "agent"},
        )
        identity = row.id
    return await _first_pass(platform, identity)


async def erase_organisation(platform: Platform, actor: Actor, *, confirm: str) -> ErasureInfo:
    """Erase the actor's organisation with everything in it, and people who belong to no other.

    Args:
        platform: The platform.
        actor: Needs ``data:erase``.
        confirm: The organisation's name, so that nobody does this by a slip.

    Raises:
        UnprocessableError: That is not its name.
    """
    actor.require(Permission.DATA_ERASE)
    async with platform.state.begin() as session:
        organisation = await _organisation(session, actor)
        if confirm != organisation.name:
            raise UnprocessableError("confirm: must be the organisation's name, as it is written")
        row = _noted(platform, actor, organisation, agent_id="")
        session.add(row)
        belong = select(Membership.user_id)
        await session.execute(
            delete(User).where(
                User.id.in_(belong.where(Membership.organisation_id == organisation.id)),
                User.id.not_in(belong.where(Membership.organisation_id != organisation.id)),
            )
        )
        await session.execute(delete(Organisation).where(Organisation.id == organisation.id))
        await session.flush()
        identity = row.id
    platform.keys.forget()
    await platform.bus.publish("keys", b"organisation")
    await platform.bus.publish("sessions", b"organisation")
    _log.info("organisation erased", erasure=str(identity))
    return await _first_pass(platform, identity)


async def erasures(platform: Platform, actor: Actor) -> Sequence[ErasureInfo]:
    """The organisation's erasures, the newest first."""
    actor.require(Permission.DATA_ERASE)
    query = (
        select(ErasureRow)
        .where(ErasureRow.organisation_id == actor.organisation_id)
        .order_by(ErasureRow.id.desc())
        .limit(_MAX_LISTED)
    )
    async with platform.state.read() as session:
        return [_info(row) for row in (await session.execute(query)).scalars()]


async def run(platform: Platform) -> None:
    """The job: makes passes that are due. Never returns."""
    while True:
        for identity in await _due(platform):
            try:
                await _pass(platform, identity)
            except ProblemError:
                await _later(platform, identity)
        await asyncio.sleep(_LOOK_SECONDS)


async def _organisation(session: AsyncSession, actor: Actor) -> Organisation:
    found = await session.get(Organisation, actor.organisation_id)
    if found is None:
        raise NotFoundError("no such organisation")
    return found


def _noted(
    platform: Platform, actor: Actor, organisation: Organisation, *, agent_id: str
) -> ErasureRow:
    now = platform.clock.now()
    return ErasureRow(
        organisation_id=organisation.id,
        region=organisation.region,
        whole=not agent_id,
        agent_id=agent_id,
        requested_at=now,
        requested_by=actor.id,
        due_at=now,
        passes=0,
        events=0,
        finished_at=None,
    )


async def _erase_from_reports(session: AsyncSession, organisation_id: UUID, agent_id: str) -> None:
    """A process may run several agents: of its report, what is about the others stays."""
    rows = await session.execute(
        select(AgentInstanceRow).where(AgentInstanceRow.organisation_id == organisation_id)
    )
    for row in rows.scalars():
        if agent_id not in row.agents and agent_id not in str(row.status):
            continue
        row.agents = [each for each in row.agents if each != agent_id]
        tools = [tool for tool in row.status.get("tools", ()) if tool.get("agent_id") != agent_id]
        row.status = {**row.status, "tools": tools}


async def _erase_alerts(session: AsyncSession, organisation_id: UUID, agent_id: str) -> None:
    """Alerts whose group or title names the agent, with the notices about them."""
    named = re.compile(rf"(?<![\w.:/@-]){re.escape(agent_id)}(?![\w:/@-])")
    rows = await session.execute(
        select(AlertRow.id, AlertRow.group_key, AlertRow.title).where(
            AlertRow.organisation_id == organisation_id
        )
    )
    about = [
        identity
        for identity, group, title in rows
        if agent_id in group.split(" / ") or named.search(title)
    ]
    for begin in range(0, len(about), _BATCH):
        await session.execute(
            delete(AlertRow).where(AlertRow.id.in_(about[begin : begin + _BATCH]))
        )


async def _first_pass(platform: Platform, identity: UUID) -> ErasureInfo:
    """At once where ClickHouse answers; else the job makes it when it does."""
    try:
        return await _pass(platform, identity)
    except UnavailableError:
        async with platform.state.read() as session:
            row = await session.get(ErasureRow, identity)
            assert row is not None
            return _info(row)


async def _pass(platform: Platform, identity: UUID) -> ErasureInfo:
    async with platform.state.read() as session:
        row = await session.get(ErasureRow, identity)
    assert row is not None
    store = platform.analytics.store_of(row.region)
    before = row.requested_at if row.passes and not row.whole else None
    removed = await keeping.erase(
        store, row.organisation_id, None if row.whole else row.agent_id, before=before
    )
    async with platform.state.begin() as session:
        row = await session.get(ErasureRow, identity, with_for_update=True)
        assert row is not None
        row.events += removed
        row.passes += 1
        row.due_at = row.requested_at + AGAIN_AFTER
        if row.passes >= PASSES:
            row.finished_at = platform.clock.now()
            row.agent_id = ""
        return _info(row)


async def _due(platform: Platform) -> list[UUID]:
    now = platform.clock.now()
    query = select(ErasureRow.id).where(
        ErasureRow.finished_at.is_(None), or_(ErasureRow.due_at <= now, ErasureRow.passes == 0)
    )
    async with platform.state.read() as session:
        return list((await session.execute(query.limit(_MAX_LISTED))).scalars())


async def _later(platform: Platform, identity: UUID) -> None:
    async with platform.state.begin() as session:
        row = await session.get(ErasureRow, identity)
        if row is not None:
            row.due_at = platform.clock.now() + _RETRY_AFTER


def _info(row: ErasureRow) -> ErasureInfo:
    return ErasureInfo(
        id=row.id,
        agent_id=row.agent_id,
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        passes=row.passes,
        events=row.events,
    )
