"""Put revisions in force, at once or for some instances first; take them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from rune_server import audit
from rune_server.actor import Permission
from rune_server.errors import ConflictError, UnprocessableError
from rune_server.policies import store
from rune_server.policies.bundle import check_size
from rune_server.policies.validate import load
from rune_server.state.tables.policies import PolicyPublicationRow

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.platform import Platform
    from rune_server.policies.model import Policy, PublicationKind
    from rune_server.state.tables.policies import PolicyRow


def topic(organisation_id: UUID) -> str:
    """The bus topic that says an organisation's policies changed."""
    return f"policies.{organisation_id}"


async def publish(
    platform: Platform,
    actor: Actor,
    policy_id: UUID,
    *,
    revision: int | None = None,
    percent: int = 100,
    version: int | None = None,
) -> Policy:
    """Put a revision in force, or raise the percentage of instances that have it.

    Below 100 percent the other instances keep what is published; at 100 the roll-out is done.

    Args:
        platform: The platform.
        actor: Who publishes.
        policy_id: The policy.
        revision: By default the latest.
        percent: Of instances, 1 to 100.
        version: The version that the decision is based on; None for whichever.

    Raises:
        UnprocessableError: Agents would refuse the text.
        ConflictError: It is in force already, or too much would be.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.POLICIES_WRITE)
    if not 1 <= percent <= 100:
        raise UnprocessableError("percent: must be 1 to 100")
    async with platform.state.read() as session:
        row = await store.policy_row(session, actor.organisation_id, policy_id)
        number = row.latest_revision if revision is None else revision
        text = (await store.revision_row(session, row, number)).yaml
    # Written under another release perhaps: what agents take is what today's loader takes.
    await load(text, row.name)
    async with platform.state.begin() as session:
        row = await store.editable(session, actor, policy_id, version)
        if row.published_revision == number and (percent == 100 and row.staged_revision is None):
            return store.policy_of(row)
        if row.published_revision == number and percent < 100:
            raise ConflictError(
                f"revision {number} is in force for every instance", code="already_published"
            )
        if percent == 100:
            row.published_revision, row.staged_revision, row.staged_percent = number, None, 0
        else:
            row.staged_revision, row.staged_percent = number, percent
        what: PublicationKind = "published" if percent == 100 else "staged"
        await _record(platform, session, row, actor, (what, number, percent))
        found = store.policy_of(row)
    await _tell(platform, actor)
    return found


async def abort(
    platform: Platform, actor: Actor, policy_id: UUID, *, version: int | None = None
) -> Policy:
    """End a roll-out: every instance goes back to what is published.

    Raises:
        ConflictError: There is none under way.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.POLICIES_WRITE)
    async with platform.state.begin() as session:
        row = await store.editable(session, actor, policy_id, version)
        if row.staged_revision is None:
            raise ConflictError("no roll-out is under way", code="no_rollout")
        staged, row.staged_revision, row.staged_percent = row.staged_revision, None, 0
        await _record(platform, session, row, actor, ("aborted", staged, 0))
        found = store.policy_of(row)
    await _tell(platform, actor)
    return found


async def roll_back(
    platform: Platform,
    actor: Actor,
    policy_id: UUID,
    *,
    to: int | None = None,
    version: int | None = None,
) -> Policy:
    """Put an earlier text back in force everywhere, as a new revision; a roll-out ends.

    Args:
        platform: The platform.
        actor: Who rolls back.
        policy_id: The policy.
        to: The revision whose text is wanted; by default the one in force before the present one.
        version: The version that the decision is based on; None for whichever.

    Raises:
        ConflictError: Nothing was in force before.
        UnprocessableError: Agents of today would refuse the text.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.POLICIES_WRITE)
    async with platform.state.read() as session:
        row = await store.policy_row(session, actor.organisation_id, policy_id)
        target = await _before(session, row) if to is None else to
        text = (await store.revision_row(session, row, target)).yaml
        based_on = row.version
    await load(text, row.name)
    now = platform.clock.now()
    async with platform.state.begin() as session:
        # What "before" means was read above, so it must still be so.
        row = await store.editable(session, actor, policy_id, version or based_on)
        row.latest_revision += 1
        note = f"rolled back to revision {target}"
        session.add(store.new_revision(row, text, note, actor, now))
        await session.flush()
        row.published_revision, row.staged_revision = row.latest_revision, None
        row.staged_percent = 0
        await _record(
            platform, session, row, actor, ("rolled_back", row.latest_revision, 100), to=target
        )
        found = store.policy_of(row)
    await _tell(platform, actor)
    return found


async def withdraw(
    platform: Platform, actor: Actor, policy_id: UUID, *, version: int | None = None
) -> Policy:
    """Take a policy out of force everywhere. Its revisions stay.

    Raises:
        ConflictError: It is not in force.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.POLICIES_WRITE)
    async with platform.state.begin() as session:
        row = await store.editable(session, actor, policy_id, version)
        number = row.published_revision or row.staged_revision
        if number is None:
            raise ConflictError("the policy is not in force", code="not_published")
        await _withdraw(platform, session, row, actor, number)
        found = store.policy_of(row)
    await _tell(platform, actor)
    return found


async def archive(
    platform: Platform, actor: Actor, policy_id: UUID, *, version: int | None = None
) -> Policy:
    """Put a policy away, out of force. Its name becomes free, its revisions stay.

    Raises:
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.POLICIES_WRITE)
    async with platform.state.begin() as session:
        row = await store.editable(session, actor, policy_id, version)
        number = row.published_revision or row.staged_revision
        if number is not None:
            await _withdraw(platform, session, row, actor, number)
        row.archived_at = platform.clock.now()
        await store.touch(session, row, actor, platform.clock.now())
        await audit.record(
            session,
            actor,
            action="policy.archived",
            target=f"policy:{row.id}",
            details={"name": row.name},
        )
        found = store.policy_of(row)
    await _tell(platform, actor)
    return found


async def _withdraw(
    platform: Platform, session: AsyncSession, row: PolicyRow, actor: Actor, number: int
) -> None:
    row.published_revision = row.staged_revision = None
    row.staged_percent = 0
    await _record(platform, session, row, actor, ("withdrawn", number, 0))


async def _record(
    platform: Platform,
    session: AsyncSession,
    row: PolicyRow,
    actor: Actor,
    publication: tuple[PublicationKind, int, int],
    **details: int,
) -> None:
    what, number, percent = publication
    await store.touch(session, row, actor, platform.clock.now(), publication)
    await check_size(session, row.organisation_id)
    await audit.record(
        session,
        actor,
        action=f"policy.{what}",
        target=f"policy:{row.id}",
        details={"name": row.name, "revision": number, "percent": percent, **details},
    )


async def _tell(platform: Platform, actor: Actor) -> None:
    """After the commit: whoever asks now gets the new bundle."""
    await platform.bus.publish(topic(actor.organisation_id), b"changed")


async def _before(session: AsyncSession, row: PolicyRow) -> int:
    """The revision that was in force everywhere before the present one."""
    steps = await session.scalars(
        select(PolicyPublicationRow.revision)
        .where(
            PolicyPublicationRow.policy_id == row.id,
            PolicyPublicationRow.what.in_(("published", "rolled_back")),
        )
        .order_by(PolicyPublicationRow.id.desc())
        .limit(2)
    )
    numbers = list(steps)
    if row.published_revision is None and numbers:
        return numbers[0]
    if len(numbers) < 2:
        raise ConflictError("nothing was in force before: name a revision", code="no_earlier")
    return numbers[1]
