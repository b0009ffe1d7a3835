"""Take status reports of processes: ``POST /v1/status``, the closed schema of ``rune_core``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from rune_core.bundle.status import Status, mask
from rune_server.actor import Permission
from rune_server.errors import UnavailableError, UnprocessableError
from rune_server.state.tables.agents import AgentInstanceRow, AgentRow, AgentToolRow, ToolChangeRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_core.bundle.status import ToolEntry
    from rune_server.actor import Actor
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.agents")
MAX_BYTES: Final = 512 * 1024
MAX_AGENTS: Final = 20_000
"""Of one organisation; names beyond that are not kept, since a key can make up any."""
MAX_TOOLS: Final = 1_000
"""Of one agent."""
MAX_INSTANCES: Final = 50_000
"""Of one organisation."""
_ATTEMPTS: Final = 5
_decoder = msgspec.json.Decoder(Status)


def decode(body: bytes) -> Status:
    """Read a report by the letter of its schema, and mask what does not look like a name.

    Raises:
        UnprocessableError: It is none. The message says what was expected where, never what came.
    """
    try:
        return mask(_decoder.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = str(error).partition("\n")[0] if isinstance(error, msgspec.DecodeError) else "UTF-8"
        raise UnprocessableError(f"not a status report: {why}", code="not_a_status") from None


async def take(platform: Platform, actor: Actor, status: Status) -> None:
    """Keep what a process says of itself, and note tools that are new or changed.

    Args:
        platform: The platform.
        actor: The key it came with; needs ``events:write``.
        status: The report.
    """
    actor.require(Permission.EVENTS_WRITE)
    if not status.instance:
        raise UnprocessableError("not a status report: instance is empty", code="not_a_status")
    for _ in range(_ATTEMPTS):
        try:
            await _take(platform, actor.organisation_id, status)
        except IntegrityError:
            continue  # another process of the same agent was first to enter something
        return
    raise UnavailableError("many processes report at once", code="busy", retry_after=5)


async def _take(platform: Platform, organisation_id: UUID, status: Status) -> None:
    now = platform.clock.now()
    by_agent: dict[str, list[ToolEntry]] = {agent_id: [] for agent_id in status.agents}
    for tool in status.tools:
        by_agent.setdefault(tool.agent_id, []).append(tool)
    async with platform.state.begin() as session:
        await _keep_instance(session, organisation_id, status, by_agent, now)
        for agent_id, tools in by_agent.items():
            if agent_id and not await _keep_agent(session, organisation_id, agent_id, now):
                continue
            await _keep_tools(session, organisation_id, agent_id, tools, now)


async def _keep_instance(
    session: AsyncSession,
    organisation_id: UUID,
    status: Status,
    agents: Iterable[str],
    now: datetime,
) -> None:
    row = await session.get(AgentInstanceRow, (organisation_id, status.instance))
    if row is None:
        if await _full(session, AgentInstanceRow, organisation_id, MAX_INSTANCES):
            return
        row = AgentInstanceRow(
            organisation_id=organisation_id, instance=status.instance, first_at=now
        )
        session.add(row)
    document: dict[str, Any] = msgspec.to_builtins(status)
    row.sdk_version = status.sdk_version
    row.reported_at = now
    row.fetched, row.activated = status.policies.fetched, status.policies.activated
    row.agents = sorted(filter(None, agents))
    row.status = document


async def _keep_agent(
    session: AsyncSession, organisation_id: UUID, agent_id: str, now: datetime
) -> bool:
    row = await session.get(AgentRow, (organisation_id, agent_id))
    if row is None:
        if await _full(session, AgentRow, organisation_id, MAX_AGENTS):
            return False
        row = AgentRow(
            organisation_id=organisation_id,
            agent_id=agent_id,
            name="",
            framework="",
            description="",
            tags=[],
            registered=False,
            version=0,
            first_seen_at=now,
        )
        session.add(row)
    row.reported_at = now
    return True


async def _keep_tools(
    session: AsyncSession,
    organisation_id: UUID,
    agent_id: str,
    tools: Iterable[ToolEntry],
    now: datetime,
) -> None:
    rows = await session.scalars(
        select(AgentToolRow)
        .where(AgentToolRow.organisation_id == organisation_id, AgentToolRow.agent_id == agent_id)
        .order_by(AgentToolRow.last_at)
    )
    known = {(row.tool, row.definition_hash): row for row in rows}
    newest = {tool: digest for tool, digest in known if digest}
    names = {tool for tool, _ in known}
    began = not known
    for tool in tools:
        row = known.get((tool.name, tool.definition_hash))
        if row is not None:
            row.last_at, row.risk = now, tool.risk
            continue
        if len(known) >= MAX_TOOLS:
            _log.warning("agents.too_many_tools", organisation=str(organisation_id))
            return
        row = AgentToolRow(
            organisation_id=organisation_id,
            agent_id=agent_id,
            tool=tool.name,
            definition_hash=tool.definition_hash,
            risk=tool.risk,
            first_at=now,
            last_at=now,
        )
        session.add(row)
        known[tool.name, tool.definition_hash] = row
        before = newest.get(tool.name, "")
        # An agent's first report says what it has; later ones say what changed.
        added = tool.name not in names and not began
        changed = bool(before and tool.definition_hash)
        if added or changed:
            session.add(
                ToolChangeRow(
                    organisation_id=organisation_id,
                    agent_id=agent_id,
                    tool=tool.name,
                    what="added" if added else "changed",
                    before="" if added else before,
                    after=tool.definition_hash,
                    at=now,
                )
            )
        names.add(tool.name)
        if tool.definition_hash:
            newest[tool.name] = tool.definition_hash


async def _full(
    session: AsyncSession,
    table: type[AgentRow | AgentInstanceRow],
    organisation_id: UUID,
    most: int,
) -> bool:
    count = await session.scalar(
        select(func.count()).select_from(table).where(table.organisation_id == organisation_id)
    )
    if (count or 0) < most:
        return False
    _log.warning("agents.too_many", table=table.__tablename__, organisation=str(organisation_id))
    return True
