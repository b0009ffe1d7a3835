"""New passwords, forgotten or known; and addresses proven by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from rune_server import audit
from rune_server.actor import Actor
from rune_server.auth import one_time, passwords, second_factor, sessions, sign_in
from rune_server.errors import NotFoundError, UnavailableError
from rune_server.mailer import Mail
from rune_server.names import email_as_typed
from rune_server.state.tables.organisations import Membership
from rune_server.state.tables.users import User

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.auth.client import Client
    from rune_server.auth.sessions import SignedIn
    from rune_server.platform import Platform
    from rune_server.settings import Settings

_log = structlog.get_logger("rune_server.auth.reset")


async def ask(platform: Platform, email: str, client: Client) -> None:
    """Send a link for a new password, if there is such an account. Says nothing about whether.

    Run it in the background of the answer (as with Starlette's ``BackgroundTask``), so that the
    time it takes says nothing either; count the attempt first with ``count``.
    """
    address = email_as_typed(email)
    async with platform.state.begin() as session:
        user = (await session.scalars(select(User).where(User.email == address))).one_or_none()
        if user is None or user.disabled_at is not None:
            return
        link = await _link(platform.settings, session, user, platform.clock.now())
    try:
        await platform.mailer.send(
            Mail(
                user.email,
                "A new password for Rune",
                f"Somebody, you we hope, asked for a new password for {user.email}.\n\n"
                f"Set one within an hour: {link}\n\n"
                f"The request came from {client.browser}. If it was not you, there is nothing to "
                "do: your password stays as it is.\n",
            )
        )
    except UnavailableError:
        _log.warning("no mail for a new password could be sent")


async def link_by_operator(
    settings: Settings, session: AsyncSession, email: str, now: datetime
) -> str:
    """A link for a new password, for the operator to hand on. Good once, within an hour.

    Raises:
        NotFoundError: There is no such account, or it is closed.
    """
    address = email_as_typed(email)
    user = (await session.scalars(select(User).where(User.email == address))).one_or_none()
    if user is None or user.disabled_at is not None:
        raise NotFoundError(f"no account has the address {address}")
    memberships = select(Membership.organisation_id).where(Membership.user_id == user.id)
    for organisation_id in (await session.scalars(memberships)).all():
        await audit.record(
            session,
            Actor(organisation_id, "system", "operator", frozenset()),
            action="user.password_link_made",
            target=f"user:{user.id}",
        )
    return await _link(settings, session, user, now)


async def _link(settings: Settings, session: AsyncSession, user: User, now: datetime) -> str:
    return f"{settings.url}/reset/{await one_time.make(now, session, user.id, 'reset')}"


async def count(platform: Platform, email: str, client: Client) -> None:
    """Count a request for a new password.

    Raises:
        TooManyRequestsError: There were too many for this account or from this address.
    """
    await platform.attempts.count("reset", client, email_as_typed(email))


async def complete(platform: Platform, token: str, password: str, client: Client) -> None:
    """Set a new password with the link's token. All sessions end; the second factor stays.

    Raises:
        UnprocessableError: The link is used or too old, or the password may not be one.
    """
    await platform.attempts.count("token", client)
    async with platform.state.read() as session:
        # Looked at before the slow hash, and used up only when all is well.
        owner = await one_time.owner(platform, session, token, "reset")
    await passwords.checked(platform.settings, password, owner.email)
    hashed = await passwords.hashed(platform.settings, password)
    async with platform.state.begin() as session:
        user = await one_time.use(platform, session, token, "reset")
        user.password_bcrypt = hashed
        # Whoever opens a mail has proven the address.
        user.email_verified_at = user.email_verified_at or platform.clock.now()
        user.awaits_verification = False
        await sessions.end_all(platform, session, user.id)
        await sign_in.tell(session, user.id, "user.password_reset", {})
    await sessions.announce(platform, user.id)


async def change(
    platform: Platform, signed_in: SignedIn, old: str, new: str, client: Client
) -> None:
    """Change one's password. All other sessions end.

    Raises:
        UnauthenticatedError: The old one is wrong.
        UnprocessableError: The new one may not be one.
    """
    await second_factor.require_password(platform, signed_in, old, client)
    await passwords.checked(platform.settings, new, signed_in.email)
    hashed = await passwords.hashed(platform.settings, new)
    async with platform.state.begin() as session:
        user = await session.get_one(User, signed_in.user_id)
        user.password_bcrypt = hashed
        await sessions.end_all(platform, session, user.id, but=signed_in.session_id)
        await sign_in.tell(session, user.id, "user.password_changed", {})
    await sessions.announce(platform, signed_in.user_id)


async def send_verification(platform: Platform, user: User, token: str) -> None:
    """Send the link that proves an address.

    Raises:
        UnavailableError: It cannot be sent.
    """
    await platform.mailer.send(
        Mail(
            user.email,
            "Your address for Rune",
            "Confirm this address within two days:\n\n"
            f"{platform.settings.url}/verify/{token}\n\n"
            "If you did not sign up, ignore this mail.\n",
        )
    )


async def verify(platform: Platform, token: str, client: Client) -> None:
    """Take the link that proves an address.

    Raises:
        UnprocessableError: It is used or too old.
    """
    await platform.attempts.count("token", client)
    async with platform.state.begin() as session:
        user = await one_time.use(platform, session, token, "verify")
        user.email_verified_at = user.email_verified_at or platform.clock.now()
        user.awaits_verification = False
