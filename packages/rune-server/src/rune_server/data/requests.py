"""Ask for exports and erasures, follow them, and take exports away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from rune_server import audit
from rune_server.actor import Permission
from rune_server.data.model import DataJob
from rune_server.errors import ConflictError, NotFoundError, UnprocessableError
from rune_server.paging import Page, bounded, id_of, page_of
from rune_server.state.tables.data_jobs import DataJobRow, ExportPartRow
from rune_server.state.tables.organisations import Organisation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.data.model import JobKind
    from rune_server.platform import Platform

PURPOSE: Final = "export"
MAX_OPEN: Final = 3
"""Exports that an organisation may have at once: each is a copy of its data."""


async def request_export(platform: Platform, actor: Actor, agent_id: str | None = None) -> DataJob:
    """Begin to collect what is stored of the organisation, or of one of its agents.

    Raises:
        ConflictError: There are three exports already: delete one.
    """
    actor.require(Permission.DATA_EXPORT)
    _check_agent(agent_id)
    async with platform.state.begin() as session:
        held = await session.scalar(
            select(func.count())
            .select_from(DataJobRow)
            .where(
                DataJobRow.organisation_id == actor.organisation_id,
                DataJobRow.kind == "export",
                DataJobRow.state != "failed",
            )
        )
        if (held or 0) >= MAX_OPEN:
            raise ConflictError(
                f"there are {MAX_OPEN} exports already: delete one", code="too_many"
            )
        return await _request(platform, session, actor, "export", agent_id)


async def request_erasure(
    platform: Platform, actor: Actor, agent_id: str | None = None, *, confirm: str
) -> DataJob:
    """Begin to erase what is stored of an agent, or of all agents. It cannot be undone.

    Events, sessions, tools, reports and alerts go; policies, keys, members and the audit log
    stay. Back-ups keep what they hold until they are rotated away.

    Args:
        platform: The platform.
        actor: Who asks.
        agent_id: The agent; None for all.
        confirm: The agent's id, or the organisation's name: that this is meant.

    Raises:
        UnprocessableError: ``confirm`` is something else.
        ConflictError: An erasure is under way.
    """
    actor.require(Permission.DATA_ERASE)
    _check_agent(agent_id)
    async with platform.state.begin() as session:
        organisation = await session.get(Organisation, actor.organisation_id)
        if organisation is None:
            raise NotFoundError("no such organisation")
        if confirm != (organisation.name if agent_id is None else agent_id):
            what = "the organisation's name" if agent_id is None else "the agent's id"
            raise UnprocessableError(f"confirm: must be {what}, since this cannot be undone")
        running = await session.scalar(
            select(DataJobRow.id).where(
                DataJobRow.organisation_id == actor.organisation_id,
                DataJobRow.kind == "erasure",
                DataJobRow.state.in_(("pending", "running")),
            )
        )
        if running is not None:
            raise ConflictError("an erasure is under way", code="under_way")
        return await _request(platform, session, actor, "erasure", agent_id)


async def jobs(
    platform: Platform, actor: Actor, kind: JobKind, *, cursor: str | None = None, limit: int = 50
) -> Page[DataJob]:
    """The organisation's exports or erasures, the newest first."""
    actor.require(_needed(kind))
    limit = bounded(limit)
    query = select(DataJobRow).where(
        DataJobRow.organisation_id == actor.organisation_id, DataJobRow.kind == kind
    )
    if cursor is not None:
        query = query.where(DataJobRow.id < id_of(cursor))
    async with platform.state.read() as session:
        rows = (await session.scalars(query.order_by(DataJobRow.id.desc()).limit(limit + 1))).all()
    return page_of([job_of(row) for row in rows], limit, lambda found: (str(found.id),))


async def job(platform: Platform, actor: Actor, kind: JobKind, job_id: UUID) -> DataJob:
    """One export or erasure.

    Raises:
        NotFoundError: There is none of this id.
    """
    actor.require(_needed(kind))
    async with platform.state.read() as session:
        return job_of(await _row(session, actor, kind, job_id))


async def download(platform: Platform, actor: Actor, job_id: UUID) -> AsyncIterator[bytes]:
    """What an export holds: newline-delimited JSON, compressed by gzip, piece by piece.

    Raises:
        NotFoundError: There is none of this id.
        ConflictError: It is not done.
    """
    actor.require(Permission.DATA_EXPORT)
    async with platform.state.begin() as session:
        row = await _row(session, actor, "export", job_id)
        if row.state != "done":
            raise ConflictError(f"the export is {row.state}", code="not_done")
        await audit.record(session, actor, action="export.downloaded", target=f"data_job:{row.id}")
    return _pieces(platform, job_id)


async def delete_export(platform: Platform, actor: Actor, job_id: UUID) -> None:
    """Remove an export.

    Raises:
        NotFoundError: There is none of this id.
    """
    actor.require(Permission.DATA_EXPORT)
    async with platform.state.begin() as session:
        row = await _row(session, actor, "export", job_id)
        await audit.record(session, actor, action="export.deleted", target=f"data_job:{row.id}")
        await session.delete(row)


def job_of(row: DataJobRow) -> DataJob:
    """The row as its callers see it."""
    return DataJob(
        id=row.id,
        kind=row.kind,  # type: ignore[arg-type]
        agent_id=row.agent_id,
        state=row.state,  # type: ignore[arg-type]
        requested_by=row.requested_by,
        created_at=row.created_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        events=row.events,
        bytes=row.bytes,
        fault=row.fault,
    )


async def _pieces(platform: Platform, job_id: UUID) -> AsyncIterator[bytes]:
    number = 0
    while True:
        async with platform.state.read() as session:
            part = await session.get(ExportPartRow, (job_id, number))
        if part is None:
            return
        yield platform.vault.open(PURPOSE, part.sealed, aad(job_id, number))
        number += 1


def aad(job_id: UUID, number: int) -> bytes:
    """What a piece belongs to: it opens nowhere else."""
    return job_id.bytes + number.to_bytes(8, "big")


async def _request(
    platform: Platform, session: AsyncSession, actor: Actor, kind: JobKind, agent_id: str | None
) -> DataJob:
    row = DataJobRow(
        organisation_id=actor.organisation_id,
        kind=kind,
        agent_id=agent_id,
        state="pending",
        requested_by=actor.id,
        created_at=platform.clock.now(),
        events=0,
        bytes=0,
        fault="",
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        actor,
        action=f"{kind}.requested",
        target=f"data_job:{row.id}",
        details={"agent": agent_id or "", "everything": agent_id is None},
    )
    return job_of(row)


async def _row(session: AsyncSession, actor: Actor, kind: JobKind, job_id: UUID) -> DataJobRow:
    row = await session.scalar(
        select(DataJobRow).where(
            DataJobRow.organisation_id == actor.organisation_id,
            DataJobRow.kind == kind,
            DataJobRow.id == job_id,
        )
    )
    if row is None:
        raise NotFoundError(f"there is no {kind} of this id")
    return row


def _needed(kind: JobKind) -> Permission:
    return Permission.DATA_EXPORT if kind == "export" else Permission.DATA_ERASE


def _check_agent(agent_id: str | None) -> None:
    if agent_id is not None and not (0 < len(agent_id) <= 128 and agent_id.isprintable()):
        raise UnprocessableError("agent_id: must be 1 to 128 printable characters")
