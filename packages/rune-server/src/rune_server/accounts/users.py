"""People's accounts: registered where the server allows it, or by invitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from rune_server.accounts import organisations
from rune_server.auth import one_time, passwords, reset
from rune_server.errors import ConflictError, ForbiddenError, UnauthenticatedError
from rune_server.mailer import Mail
from rune_server.names import checked_email, checked_name
from rune_server.state.tables.users import User

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.auth.client import Client
    from rune_server.auth.sessions import SignedIn
    from rune_server.platform import Platform


async def register(
    platform: Platform,
    *,
    email: str,
    name: str,
    password: str,
    organisation: str,
    client: Client,
) -> None:
    """Make an account and its organisation. It works once the address is proven by mail.

    An address that has an account already gets a mail that says so; the answer is the same.

    Raises:
        ForbiddenError: The server takes no registrations.
        UnprocessableError: A value does not make sense.
        UnavailableError: The mail cannot be sent; nothing was made.
    """
    if not platform.settings.registration:
        raise ForbiddenError("accounts here are made by invitation")
    await platform.attempts.count("register", client)
    address, called = checked_email(email), checked_name(name)
    group = checked_name(organisation, "organisation")
    await passwords.checked(platform.settings, password, address)
    hashed = await passwords.hashed(platform.settings, password)
    async with platform.state.read() as session:
        known = await session.scalar(select(User.id).where(User.email == address))
    if known is not None:
        await platform.mailer.send(
            Mail(
                address,
                "You have an account at Rune",
                f"Somebody tried to sign up with {address}, which has an account already.\n\n"
                f"Sign in: {platform.settings.url}/sign-in\n",
            )
        )
        return
    async with platform.state.begin() as session:
        user = await insert(
            session,
            email=address,
            name=called,
            password_bcrypt=hashed,
            awaits_verification=True,
        )
        await organisations.insert(platform.settings, session, user.id, group)
        token = await one_time.make(platform.clock.now(), session, user.id, "verify")
        await reset.send_verification(platform, user, token)


async def insert(
    session: AsyncSession,
    *,
    email: str,
    name: str,
    password_bcrypt: str | None,
    verified_at: datetime | None = None,
    awaits_verification: bool = False,
) -> User:
    """Make an account, in a transaction that is under way; everything is checked already.

    Raises:
        ConflictError: The address has one.
    """
    user = User(
        email=email,
        name=name,
        password_bcrypt=password_bcrypt,
        email_verified_at=verified_at,
        awaits_verification=awaits_verification,
        created_at=session.info["clock"].now(),
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError:
        raise ConflictError("this address has an account already: sign in with it") from None
    return user


async def rename(platform: Platform, signed_in: SignedIn, name: str) -> None:
    """Change one's own name.

    Raises:
        UnprocessableError: It is no name.
    """
    checked = checked_name(name)
    async with platform.state.begin() as session:
        user = await session.get(User, signed_in.user_id)
        if user is None:
            raise UnauthenticatedError
        user.name = checked
    platform.sessions.forget()
