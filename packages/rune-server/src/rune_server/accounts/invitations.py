"""Invitations: made by an admin, sent by mail, accepted once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from rune_server import audit
from rune_server.accounts import users
from rune_server.accounts.members import require_at_least
from rune_server.actor import Actor, Permission, Role
from rune_server.auth import passwords
from rune_server.auth.client import Client
from rune_server.errors import ConflictError, ForbiddenError, NotFoundError, UnprocessableError
from rune_server.mailer import Mail
from rune_server.names import checked_email, checked_name
from rune_server.state.tables.organisations import Invitation, Membership, Organisation
from rune_server.state.tables.users import User
from rune_server.storage.vault import fingerprint

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.auth.sessions import SignedIn
    from rune_server.platform import Platform

LIFE = timedelta(days=7)
_GONE = "this invitation was used, taken back or is too old: ask for a new one"


@dataclass(frozen=True, slots=True)
class InvitationInfo:
    """An invitation that waits."""

    id: UUID
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation that was just made.

    Attributes:
        info: What may be shown of it.
        link: To hand on oneself; None when it went out by mail.
    """

    info: InvitationInfo
    link: str | None

    def __repr__(self) -> str:
        return f"NewInvitation(info={self.info!r})"


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invitation's page shows to whoever holds its link."""

    organisation: str
    email: str
    role: Role
    has_account: bool


async def invite(platform: Platform, actor: Actor, *, email: str, role: Role) -> NewInvitation:
    """Invite somebody; a second invitation to the same address takes the first one's place.

    Without a mail server the link is given to whoever invites, to hand on.

    Raises:
        ForbiddenError: The role is above the actor's.
        ConflictError: They belong to the organisation already.
        UnavailableError: The mail cannot be sent; nothing was made.
    """
    actor.require(Permission.MEMBERS_WRITE)
    require_at_least(actor, role)
    address = checked_email(email)
    await platform.attempts.count("invite", Client(), str(actor.organisation_id))
    token = secrets.token_urlsafe(32)
    link = f"{platform.settings.url}/invitations/{token}"
    now = platform.clock.now()
    async with platform.state.begin() as session:
        organisation = await session.get_one(Organisation, actor.organisation_id)
        belongs = select(User.id).join(Membership, Membership.user_id == User.id)
        belongs = belongs.where(
            User.email == address, Membership.organisation_id == actor.organisation_id
        )
        if (await session.execute(belongs)).first() is not None:
            raise ConflictError("they belong to the organisation already")
        await session.execute(
            delete(Invitation).where(
                Invitation.organisation_id == actor.organisation_id, Invitation.email == address
            )
        )
        row = Invitation(
            organisation_id=actor.organisation_id,
            email=address,
            role=role,
            token_sha256=fingerprint(token),
            mailed=platform.mailer.configured,
            invited_by=f"{actor.kind}:{actor.id}",
            created_at=now,
            expires_at=now + LIFE,
        )
        session.add(row)
        await session.flush()
        await audit.record(
            session,
            actor,
            action="invitation.created",
            target=f"invitation:{row.id}",
            details={"email": address, "role": role},
        )
        if platform.mailer.configured:
            await platform.mailer.send(_mail(address, organisation.name, role, link))
    return NewInvitation(_info(row), None if platform.mailer.configured else link)


async def listed(platform: Platform, actor: Actor) -> list[InvitationInfo]:
    """Invitations that wait, the newest first."""
    actor.require(Permission.MEMBERS_READ)
    query = (
        select(Invitation)
        .where(
            Invitation.organisation_id == actor.organisation_id,
            Invitation.expires_at > platform.clock.now(),
        )
        .order_by(Invitation.id.desc())
    )
    async with platform.state.read() as session:
        return [_info(row) for row in await session.scalars(query)]


async def take_back(platform: Platform, actor: Actor, invitation_id: UUID) -> None:
    """Take an invitation back.

    Raises:
        NotFoundError: The organisation has no such invitation.
    """
    actor.require(Permission.MEMBERS_WRITE)
    async with platform.state.begin() as session:
        row = await session.get(Invitation, invitation_id)
        if row is None or row.organisation_id != actor.organisation_id:
            raise NotFoundError("no such invitation")
        await session.delete(row)
        await audit.record(
            session,
            actor,
            action="invitation.taken_back",
            target=f"invitation:{row.id}",
            details={"email": row.email},
        )


async def look(platform: Platform, token: str, client: Client) -> Invited:
    """What an invitation is to.

    Raises:
        UnprocessableError: It works no more.
    """
    await platform.attempts.count("token", client)
    async with platform.state.read() as session:
        row = await _find(platform, session, token)
        organisation = await session.get_one(Organisation, row.organisation_id)
        known = await session.scalar(select(User.id).where(User.email == row.email))
        return Invited(organisation.name, row.email, Role(row.role), known is not None)


async def accept_as_new(
    platform: Platform, token: str, *, name: str, password: str, client: Client
) -> UUID:
    """Make an account and join. The user's id, to go on with ``sign_in.step``.

    Raises:
        ConflictError: The address has an account: sign in and ``accept``.
        UnprocessableError: The invitation works no more, or a value does not make sense.
    """
    await platform.attempts.count("token", client)
    called = checked_name(name)
    async with platform.state.read() as session:
        email = (await _find(platform, session, token)).email
    await passwords.checked(platform.settings, password, email)
    hashed = await passwords.hashed(platform.settings, password)
    async with platform.state.begin() as session:
        row = await _find(platform, session, token)
        user = await users.insert(
            session,
            email=row.email,
            name=called,
            password_bcrypt=hashed,
            # A link that somebody handed on proves nothing about the address.
            verified_at=platform.clock.now() if row.mailed else None,
        )
        await join(platform, session, row, user)
    return user.id


async def accept(platform: Platform, token: str, signed_in: SignedIn, client: Client) -> UUID:
    """Join with the account one is signed in to. The organisation's id.

    Raises:
        ForbiddenError: The invitation went to another address.
        UnprocessableError: It works no more.
    """
    await platform.attempts.count("token", client)
    async with platform.state.begin() as session:
        row = await _find(platform, session, token)
        if row.email != signed_in.email:
            raise ForbiddenError("this invitation went to another address than yours")
        organisation_id = row.organisation_id
        await join(platform, session, row, await session.get_one(User, signed_in.user_id))
    return organisation_id


async def join(
    platform: Platform, session: AsyncSession, invitation: Invitation, user: User
) -> None:
    """Use an invitation up, in a transaction that is under way."""
    known = await session.get(Membership, (invitation.organisation_id, user.id))
    if known is None:
        session.add(
            Membership(
                organisation_id=invitation.organisation_id,
                user_id=user.id,
                role=invitation.role,
                created_at=platform.clock.now(),
            )
        )
    await session.delete(invitation)
    await session.flush()
    await audit.record(
        session,
        Actor(invitation.organisation_id, "user", str(user.id), frozenset()),
        action="member.joined",
        target=f"user:{user.id}",
        details={"role": invitation.role, "invited_by": invitation.invited_by},
    )


async def _find(platform: Platform, session: AsyncSession, token: str) -> Invitation:
    query = select(Invitation).where(
        Invitation.token_sha256 == fingerprint(token),
        Invitation.expires_at > platform.clock.now(),
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise UnprocessableError(_GONE, code="link_expired")
    return found


def _mail(address: str, organisation: str, role: Role, link: str) -> Mail:
    return Mail(
        address,
        "You are invited to Rune",
        f"You are invited to join {organisation} at Rune as {role}.\n\n"
        f"Accept within seven days: {link}\n\n"
        "If you do not know what this is, ignore this mail.\n",
    )


def _info(row: Invitation) -> InvitationInfo:
    return InvitationInfo(
        row.id, row.email, Role(row.role), row.invited_by, row.created_at, row.expires_at
    )
