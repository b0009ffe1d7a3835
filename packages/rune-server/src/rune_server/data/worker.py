"""What a worker does: make exports, erase, and remove exports that have expired."""

from __future__ import annotations

import asyncio
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import delete, or_, select, update

from rune_server import actor as actors
from rune_server import audit
from rune_server.data.collect import about, lines
from rune_server.data.requests import PURPOSE, aad
from rune_server.errors import ServerError, UnavailableError
from rune_server.failure import described
from rune_server.state.tables.agents import (
    AgentInstanceRow,
    AgentRow,
    AgentToolRow,
    ToolChangeRow,
)
from rune_server.state.tables.alerts import AlertRow
from rune_server.state.tables.data_jobs import DataJobRow, ExportPartRow

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.data")
KEPT: Final = timedelta(days=7)
MAX_BYTES: Final = 512 * 1024 * 1024
_PART: Final = 1024 * 1024
_LOOK_SECONDS: Final = 5.0
_ABANDONED: Final = timedelta(hours=2)
"""A job that has run for so long lost its worker, and is begun again."""
_GZIP: Final = 31


class _TooLargeError(ServerError):
    """More than an export holds."""


async def run(platform: Platform) -> None:
    """Do what was asked for, for ever."""
    while True:
        done = await run_next(platform)
        if not done:
            await _remove_expired(platform)
            await asyncio.sleep(_LOOK_SECONDS)


async def run_next(platform: Platform) -> bool:
    """Do the next job. Whether there was one. Several workers share the jobs."""
    job = await _claim(platform)
    if job is None:
        return False
    job_id, organisation_id, kind, agent_id = job
    actor = actors.job(organisation_id, kind)
    try:
        if kind == "export":
            events, size = await _export(platform, actor, job_id, agent_id)
        else:
            events, size = await _erase(platform, actor, job_id, agent_id), 0
    except UnavailableError:
        await _settle(platform, job_id, state="pending", fault="a database did not answer")
        return False
    except _TooLargeError as error:
        await _settle(platform, job_id, state="failed", fault=str(error))
    except Exception as error:  # noqa: BLE001 - one job takes no other down
        _log.error("data.job_failed", job=str(job_id), error=described(error))
        await _settle(platform, job_id, state="failed", fault=type(error).__name__)
    else:
        await _settle(platform, job_id, state="done", events=events, size=size)
    return True


async def _claim(platform: Platform) -> tuple[UUID, UUID, str, str | None] | None:
    now = platform.clock.now()
    free = or_(
        DataJobRow.state == "pending",
        (DataJobRow.state == "running") & (DataJobRow.started_at < now - _ABANDONED),
    )
    async with platform.state.begin() as session:
        row = await session.scalar(
            select(DataJobRow)
            .where(free)
            .order_by(DataJobRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if row is None:
            return None
        row.state, row.started_at = "running", now
        return row.id, row.organisation_id, row.kind, row.agent_id


async def _export(
    platform: Platform, actor: Actor, job_id: UUID, agent_id: str | None
) -> tuple[int, int]:
    """Collect, compress and seal, piece by piece. Events and bytes."""
    async with platform.state.begin() as session:
        await session.execute(delete(ExportPartRow).where(ExportPartRow.job_id == job_id))
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    held = bytearray()
    number = events = size = 0
    async for kind, line in lines(platform, actor, agent_id):
        events += kind == "event"
        held += packer.compress(line)
        while len(held) >= _PART:
            piece, held = bytes(held[:_PART]), held[_PART:]
            await _keep(platform, job_id, number, piece)
            number, size = number + 1, size + len(piece)
        if size > MAX_BYTES:
            raise _TooLargeError(
                f"it would be larger than {MAX_BYTES // 2**20} MiB: export agent by agent"
            )
    held += packer.flush()
    await _keep(platform, job_id, number, bytes(held))
    return events, size + len(held)


async def _keep(platform: Platform, job_id: UUID, number: int, piece: bytes) -> None:
    sealed = await asyncio.to_thread(platform.vault.seal, PURPOSE, piece, aad(job_id, number))
    async with platform.state.begin() as session:
        session.add(ExportPartRow(job_id=job_id, number=number, sealed=sealed))


async def _erase(platform: Platform, actor: Actor, job_id: UUID, agent_id: str | None) -> int:
    """Erase events first, then what the state database holds. How many events."""
    organisation_id = actor.organisation_id
    events: int = await platform.analytics.erase(organisation_id, agent_id)
    async with platform.state.begin() as session:
        for table in (AgentRow, AgentToolRow, ToolChangeRow):
            query = delete(table).where(table.organisation_id == organisation_id)
            if agent_id is not None:
                query = query.where(table.agent_id == agent_id)
            await session.execute(query)
        await _erase_instances(session, organisation_id, agent_id)
        alerts = await session.scalars(
            select(AlertRow).where(AlertRow.organisation_id == organisation_id)
        )
        for alert in alerts:
            if agent_id is None or about(alert.group_key, agent_id):
                await session.delete(alert)
        if agent_id is None:  # copies of what was erased
            await session.execute(
                delete(DataJobRow).where(
                    DataJobRow.organisation_id == organisation_id, DataJobRow.kind == "export"
                )
            )
        await audit.record(
            session,
            actor,
            action="erasure.done",
            target=f"data_job:{job_id}",
            details={"events": events, "everything": agent_id is None},
        )
    return events


async def _erase_instances(
    session: AsyncSession, organisation_id: UUID, agent_id: str | None
) -> None:
    rows = await session.scalars(
        select(AgentInstanceRow).where(AgentInstanceRow.organisation_id == organisation_id)
    )
    for row in rows:
        others = [each for each in row.agents if each != agent_id]
        if agent_id is None or (agent_id in row.agents and not others):
            await session.delete(row)
        elif agent_id in row.agents:
            row.agents = others
            tools = row.status.get("tools", ())
            kept = [tool for tool in tools if tool.get("agent_id") != agent_id]
            row.status = {**row.status, "tools": kept}


async def _settle(
    platform: Platform, job_id: UUID, *, state: str, events: int = 0, size: int = 0, fault: str = ""
) -> None:
    now = platform.clock.now()
    finished = None if state == "pending" else now
    async with platform.state.begin() as session:
        await session.execute(
            update(DataJobRow)
            .where(DataJobRow.id == job_id)
            .values(
                state=state,
                events=events,
                bytes=size,
                fault=fault,
                finished_at=finished,
                expires_at=now + KEPT if size else None,
            )
        )


async def _remove_expired(platform: Platform) -> None:
    async with platform.state.begin() as session:
        await session.execute(
            delete(DataJobRow).where(
                DataJobRow.kind == "export", DataJobRow.expires_at < platform.clock.now()
            )
        )
