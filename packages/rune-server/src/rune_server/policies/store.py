"""Read policies from the state database, always within one organisation."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from rune_server.errors import ConflictError, NotFoundError
from rune_server.paging import Page, bounded, number_in, page_of, parts_of, uuid_in
from rune_server.policies.model import Policy, Publication, Revision
from rune_server.state import versioned
from rune_server.state.tables.policies import (
    PolicyChannelRow,
    PolicyPublicationRow,
    PolicyRevisionRow,
    PolicyRow,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.policies.model import PublicationKind


def policy_of(row: PolicyRow) -> Policy:
    """The row as its callers see it."""
    return Policy(
        id=row.id,
        name=row.name,
        version=row.version,
        latest_revision=row.latest_revision,
        published_revision=row.published_revision,
        staged_revision=row.staged_revision,
        staged_percent=row.staged_percent,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        archived_at=row.archived_at,
    )


def revision_of(row: PolicyRevisionRow, *, text: bool = True) -> Revision:
    """The row as its callers see it; without its text in listings."""
    return Revision(
        policy_id=row.policy_id,
        number=row.number,
        sha256=row.sha256,
        note=row.note,
        created_at=row.created_at,
        created_by=row.created_by,
        yaml=row.yaml if text else "",
    )


async def policy_row(session: AsyncSession, organisation_id: UUID, policy_id: UUID) -> PolicyRow:
    """One policy's row.

    Raises:
        NotFoundError: The organisation has none of this id.
    """
    return await versioned.found(session, PolicyRow, organisation_id, policy_id)


async def editable(
    session: AsyncSession, actor: Actor, policy_id: UUID, version: int | None
) -> PolicyRow:
    """One policy's row, locked, to be changed.

    Args:
        session: A transaction that may write.
        actor: Who changes it.
        policy_id: Its id.
        version: The version that the change is based on; None for whichever.

    Raises:
        NotFoundError: The organisation has none of this id.
        PreconditionFailedError: It changed since.
        ConflictError: It is archived.
    """
    row = await versioned.editable(session, PolicyRow, actor.organisation_id, policy_id, version)
    if row.archived_at is not None:
        raise ConflictError("the policy is archived", code="archived")
    return row


async def revision_row(session: AsyncSession, policy: PolicyRow, number: int) -> PolicyRevisionRow:
    """One revision's row.

    Raises:
        NotFoundError: The policy has none of this number.
    """
    row = await session.get(PolicyRevisionRow, (policy.id, number))
    if row is None:
        raise NotFoundError(f"the policy has no revision {number}")
    return row


async def policies_after(
    session: AsyncSession,
    organisation_id: UUID,
    cursor: str | None,
    limit: int,
    *,
    archived: bool = False,
) -> Page[Policy]:
    """An organisation's policies in order of name."""
    limit = bounded(limit)
    query = select(PolicyRow).where(PolicyRow.organisation_id == organisation_id)
    if not archived:
        query = query.where(PolicyRow.archived_at.is_(None))
    if cursor is not None:
        name, policy_id = parts_of(cursor, 2)
        row_id = uuid_in(policy_id)
        query = query.where(
            (PolicyRow.name > name) | ((PolicyRow.name == name) & (PolicyRow.id > row_id))
        )
    rows = (
        await session.scalars(query.order_by(PolicyRow.name, PolicyRow.id).limit(limit + 1))
    ).all()
    found = [policy_of(row) for row in rows]
    return page_of(found, limit, lambda policy: (policy.name, str(policy.id)))


async def revisions_before(
    session: AsyncSession, policy: PolicyRow, cursor: str | None, limit: int
) -> Page[Revision]:
    """A policy's revisions, the newest first, without their texts."""
    limit = bounded(limit)
    query = select(PolicyRevisionRow).where(PolicyRevisionRow.policy_id == policy.id)
    if cursor is not None:
        query = query.where(PolicyRevisionRow.number < number_in(parts_of(cursor, 1)[0]))
    rows = (
        await session.scalars(query.order_by(PolicyRevisionRow.number.desc()).limit(limit + 1))
    ).all()
    found = [revision_of(row, text=False) for row in rows]
    return page_of(found, limit, lambda revision: (str(revision.number),))


async def publications_of(
    session: AsyncSession, policy: PolicyRow, limit: int = 50
) -> tuple[Publication, ...]:
    """A policy's way into force and out of it, the newest step first."""
    rows = await session.scalars(
        select(PolicyPublicationRow)
        .where(PolicyPublicationRow.policy_id == policy.id)
        .order_by(PolicyPublicationRow.id.desc())
        .limit(bounded(limit))
    )
    return tuple(
        Publication(
            row.id,
            row.policy_id,
            row.revision,
            row.what,  # type: ignore[arg-type]
            row.percent,
            row.at,
            row.by,
        )
        for row in rows
    )


def new_revision(
    row: PolicyRow, yaml: str, note: str, actor: Actor, now: datetime
) -> PolicyRevisionRow:
    """The text as the policy's latest revision."""
    return PolicyRevisionRow(
        policy_id=row.id,
        number=row.latest_revision,
        yaml=yaml,
        sha256=hashlib.sha256(yaml.encode()).hexdigest(),
        note=note,
        created_at=now,
        created_by=actor.id,
    )


async def touch(
    session: AsyncSession,
    row: PolicyRow,
    actor: Actor,
    now: datetime,
    publication: tuple[PublicationKind, int, int] | None = None,
) -> None:
    """Note that a policy changed.

    Args:
        session: The transaction.
        row: The policy.
        actor: Who changed it.
        now: When.
        publication: What, the revision and the percentage, when what instances get changed.
    """
    row.version += 1
    row.updated_at = now
    row.updated_by = actor.id
    if publication is None:
        return
    what, revision, percent = publication
    session.add(
        PolicyPublicationRow(
            policy_id=row.id, revision=revision, what=what, percent=percent, at=now, by=actor.id
        )
    )
    # In one statement: two first publications may meet.
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    first = insert(PolicyChannelRow).values(organisation_id=row.organisation_id, version=1)
    await session.execute(
        first.on_conflict_do_update(
            index_elements=[PolicyChannelRow.organisation_id],
            set_={"version": PolicyChannelRow.version + 1},
        )
    )
