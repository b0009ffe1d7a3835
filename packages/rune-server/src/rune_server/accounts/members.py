"""Who belongs to an organisation, and in which role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from rune_server import audit
from rune_server.actor import Permission, Role
from rune_server.auth import sessions
from rune_server.errors import ConflictError, ForbiddenError, NotFoundError
from rune_server.state.tables.organisations import Membership, Organisation
from rune_server.state.tables.users import User

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.platform import Platform

STRENGTH = {Role.VIEWER: 0, Role.MEMBER: 1, Role.ADMIN: 2, Role.OWNER: 3}


@dataclass(frozen=True, slots=True)
class Member:
    """A member, as the others see them."""

    user_id: UUID
    email: str
    name: str
    role: Role
    second_factor: bool
    since: datetime


async def listed(platform: Platform, actor: Actor) -> list[Member]:
    """The organisation's members, by address."""
    actor.require(Permission.MEMBERS_READ)
    query = (
        select(Membership, User)
        .join(User, User.id == Membership.user_id)
        .where(Membership.organisation_id == actor.organisation_id)
        .order_by(User.email)
    )
    async with platform.state.read() as session:
        rows = (await session.execute(query)).all()
    return [
        Member(
            user.id,
            user.email,
            user.name,
            Role(membership.role),
            user.totp_confirmed_at is not None,
            membership.created_at,
        )
        for membership, user in rows
    ]


async def set_role(platform: Platform, actor: Actor, user_id: UUID, role: Role) -> None:
    """Give a member another role; nobody can give or touch one above their own.

    Raises:
        ForbiddenError: The role, or the member's present one, is above the actor's.
        ConflictError: The last owner would be gone.
        NotFoundError: No such member.
    """
    actor.require(Permission.MEMBERS_WRITE)
    async with platform.state.begin() as session:
        membership = await _membership(session, actor, user_id)
        before = Role(membership.role)
        require_at_least(actor, role)
        require_at_least(actor, before)
        if before == role:
            return
        if before is Role.OWNER:
            await _require_other_owner(session, actor, user_id)
        membership.role = role
        await audit.record(
            session,
            actor,
            action="member.role_changed",
            target=f"user:{user_id}",
            details={"from": before, "to": role},
        )
    await sessions.announce(platform, user_id)


async def remove(platform: Platform, actor: Actor, user_id: UUID) -> None:
    """Remove a member; everybody may remove themselves.

    Raises:
        ForbiddenError: The member's role is above the actor's.
        ConflictError: The last owner would be gone.
        NotFoundError: No such member.
    """
    himself = actor.kind == "user" and actor.id == str(user_id)
    if not himself:
        actor.require(Permission.MEMBERS_WRITE)
    async with platform.state.begin() as session:
        membership = await _membership(session, actor, user_id)
        role = Role(membership.role)
        if not himself:
            require_at_least(actor, role)
        if role is Role.OWNER:
            await _require_other_owner(session, actor, user_id)
        await session.delete(membership)
        await audit.record(
            session,
            actor,
            action="member.left" if himself else "member.removed",
            target=f"user:{user_id}",
            details={"role": role},
        )
    await sessions.announce(platform, user_id)


def require_at_least(actor: Actor, role: Role) -> None:
    """Go on only when the actor's role is ``role`` or above it.

    An API key has no role; it may manage members up to those whose permissions it holds itself,
    which is what a member of that role could do.

    Raises:
        ForbiddenError: It is below.
    """
    from rune_server.actor import ROLE_PERMISSIONS

    enough = (
        STRENGTH[actor.role] >= STRENGTH[role]
        if actor.role is not None
        else actor.permissions >= ROLE_PERMISSIONS[role]
    )
    if not enough:
        raise ForbiddenError(f"the role {role} is above yours")


async def _membership(session: AsyncSession, actor: Actor, user_id: UUID) -> Membership:
    # One change of members after the other, so that the last owner cannot be lost between two.
    await session.execute(
        select(Organisation.id)
        .where(Organisation.id == actor.organisation_id)
        .with_for_update(key_share=True)
    )
    found = await session.get(Membership, (actor.organisation_id, user_id))
    if found is None:
        raise NotFoundError("no such member")
    return found


async def _require_other_owner(session: AsyncSession, actor: Actor, user_id: UUID) -> None:
    others = await session.scalar(
        select(func.count())
        .select_from(Membership)
        .where(
            Membership.organisation_id == actor.organisation_id,
            Membership.role == Role.OWNER,
            Membership.user_id != user_id,
        )
    )
    if not others:
        raise ConflictError("an organisation needs an owner: make somebody else one first")
