"""Make, read and change policies. Every change of a text is a revision of its own."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from rune_core.bundle.model import MAX_POLICIES
from rune_server import audit
from rune_server.actor import Permission
from rune_server.errors import ConflictError, UnprocessableError
from rune_server.policies import store
from rune_server.policies.diff import compare
from rune_server.policies.validate import check, load
from rune_server.state.tables.policies import PolicyRow

if TYPE_CHECKING:
    from uuid import UUID

    from rune_server.actor import Actor
    from rune_server.paging import Page
    from rune_server.platform import Platform
    from rune_server.policies.model import Diff, Policy, Publication, Revision, Validation

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._\-]{0,127}", re.ASCII)
MAX_NOTE = 500


async def validate(platform: Platform, actor: Actor, yaml: str) -> Validation:  # noqa: ARG001
    """What agents would say of a text."""
    actor.require(Permission.POLICIES_READ)
    return await check(yaml)


async def policies(
    platform: Platform,
    actor: Actor,
    *,
    cursor: str | None = None,
    limit: int = 50,
    archived: bool = False,
) -> Page[Policy]:
    """The organisation's policies in order of name."""
    actor.require(Permission.POLICIES_READ)
    async with platform.state.read() as session:
        return await store.policies_after(
            session, actor.organisation_id, cursor, limit, archived=archived
        )


async def policy(platform: Platform, actor: Actor, policy_id: UUID) -> Policy:
    """One policy.

    Raises:
        NotFoundError: There is none of this id.
    """
    actor.require(Permission.POLICIES_READ)
    async with platform.state.read() as session:
        return store.policy_of(await store.policy_row(session, actor.organisation_id, policy_id))


async def revisions(
    platform: Platform, actor: Actor, policy_id: UUID, *, cursor: str | None = None, limit: int = 50
) -> Page[Revision]:
    """A policy's revisions, the newest first, without their texts."""
    actor.require(Permission.POLICIES_READ)
    async with platform.state.read() as session:
        row = await store.policy_row(session, actor.organisation_id, policy_id)
        return await store.revisions_before(session, row, cursor, limit)


async def revision(platform: Platform, actor: Actor, policy_id: UUID, number: int) -> Revision:
    """One revision with its text.

    Raises:
        NotFoundError: There is no such policy or revision.
    """
    actor.require(Permission.POLICIES_READ)
    async with platform.state.read() as session:
        row = await store.policy_row(session, actor.organisation_id, policy_id)
        return store.revision_of(await store.revision_row(session, row, number))


async def publications(
    platform: Platform, actor: Actor, policy_id: UUID
) -> tuple[Publication, ...]:
    """The last 50 steps of a policy into force and out of it, the newest first."""
    actor.require(Permission.POLICIES_READ)
    async with platform.state.read() as session:
        row = await store.policy_row(session, actor.organisation_id, policy_id)
        return await store.publications_of(session, row)


async def diff(platform: Platform, actor: Actor, policy_id: UUID, before: int, after: int) -> Diff:
    """Two revisions compared; 0 stands for the empty text."""
    actor.require(Permission.POLICIES_READ)
    async with platform.state.read() as session:
        row = await store.policy_row(session, actor.organisation_id, policy_id)
        texts = [
            (await store.revision_row(session, row, number)).yaml if number else ""
            for number in (before, after)
        ]
    return await asyncio.to_thread(compare, texts[0], texts[1], numbers=(before, after))


async def create(
    platform: Platform, actor: Actor, name: str, yaml: str, *, note: str = ""
) -> Policy:
    """Make a policy with its first revision. It is not in force before it is published.

    Raises:
        UnprocessableError: Agents would refuse the text, or the name cannot be used.
        ConflictError: There is one of this name.
    """
    actor.require(Permission.POLICIES_WRITE)
    _check_name(name)
    _check_note(note)
    await load(yaml, name)
    now = platform.clock.now()
    try:
        async with platform.state.begin() as session:
            count = await session.scalar(
                select(func.count())
                .select_from(PolicyRow)
                .where(
                    PolicyRow.organisation_id == actor.organisation_id,
                    PolicyRow.archived_at.is_(None),
                )
            )
            if (count or 0) >= MAX_POLICIES:
                raise ConflictError(
                    f"an organisation has at most {MAX_POLICIES} policies", code="too_many"
                )
            row = PolicyRow(
                organisation_id=actor.organisation_id,
                name=name,
                version=1,
                latest_revision=1,
                staged_percent=0,
                created_at=now,
                updated_at=now,
                updated_by=actor.id,
            )
            session.add(row)
            await session.flush()
            session.add(store.new_revision(row, yaml, note, actor, now))
            await audit.record(
                session,
                actor,
                action="policy.created",
                target=f"policy:{row.id}",
                details={"name": name},
            )
            return store.policy_of(row)
    except IntegrityError:
        raise ConflictError(
            f"there is a policy named {name!r} already", code="name_taken"
        ) from None


async def edit(
    platform: Platform,
    actor: Actor,
    policy_id: UUID,
    yaml: str,
    *,
    note: str = "",
    version: int | None = None,
) -> Policy:
    """Give a policy a new text. What is in force stays in force until it is published.

    Args:
        platform: The platform.
        actor: Who edits.
        policy_id: The policy.
        yaml: Its new text. The text it has already is no change.
        note: What changed and why, for people.
        version: The version that the edit is based on; None for whichever.

    Raises:
        UnprocessableError: Agents would refuse the text.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.POLICIES_WRITE)
    _check_note(note)
    async with platform.state.read() as session:
        name = (await store.policy_row(session, actor.organisation_id, policy_id)).name
    await load(yaml, name)
    now = platform.clock.now()
    async with platform.state.begin() as session:
        row = await store.editable(session, actor, policy_id, version)
        latest = await store.revision_row(session, row, row.latest_revision)
        if latest.yaml == yaml:
            return store.policy_of(row)
        row.latest_revision += 1
        session.add(store.new_revision(row, yaml, note, actor, now))
        await store.touch(session, row, actor, now)
        await audit.record(
            session,
            actor,
            action="policy.edited",
            target=f"policy:{row.id}",
            details={"name": row.name, "revision": row.latest_revision},
        )
        return store.policy_of(row)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UnprocessableError(
            "name: 1 to 128 letters, digits, spaces, dots, dashes and underscores, "
            "a letter or digit first"
        )


def _check_note(note: str) -> None:
    if len(note) > MAX_NOTE:
        raise UnprocessableError(f"note: is longer than {MAX_NOTE} characters")
