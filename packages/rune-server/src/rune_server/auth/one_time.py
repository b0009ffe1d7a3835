"""Links that work once and not for long: a new password, a proven address, another address."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, select, update

from rune_server.errors import UnprocessableError
from rune_server.state.tables.users import OneTimeToken, User
from rune_server.storage.vault import fingerprint

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.platform import Platform

Purpose = Literal["reset", "verify", "email"]
LIFE = {
    "reset": timedelta(hours=1),
    "verify": timedelta(days=2),
    "email": timedelta(hours=1),
}
TOKEN_LENGTH = 43


async def make(
    now: datetime,
    session: AsyncSession,
    user_id: UUID,
    purpose: Purpose,
    email: str | None = None,
) -> str:
    """A new token; those before it for the same purpose work no more."""
    await session.execute(
        delete(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.purpose == purpose)
    )
    token = secrets.token_urlsafe(32)
    session.add(
        OneTimeToken(
            user_id=user_id,
            purpose=purpose,
            email=email,
            token_sha256=fingerprint(token),
            expires_at=now + LIFE[purpose],
        )
    )
    return token


async def use(platform: Platform, session: AsyncSession, token: str, purpose: Purpose) -> User:
    """Use a token up. The user it was made for.

    Raises:
        UnprocessableError: It is unknown, used or too old.
    """
    used = await session.execute(
        update(OneTimeToken)
        .where(*_good(platform, token, purpose))
        .values(used_at=platform.clock.now())
        .returning(OneTimeToken.user_id)
    )
    return await _user(session, used.scalar_one_or_none())


async def address(session: AsyncSession, token: str) -> str | None:
    """The address that a token was made for, used or not."""
    query = select(OneTimeToken.email).where(OneTimeToken.token_sha256 == fingerprint(token))
    return (await session.execute(query)).scalar_one_or_none()


async def owner(platform: Platform, session: AsyncSession, token: str, purpose: Purpose) -> User:
    """The user whom ``use`` would give; the token stays good.

    Raises:
        UnprocessableError: It is unknown, used or too old.
    """
    query = select(OneTimeToken.user_id).where(*_good(platform, token, purpose))
    return await _user(session, (await session.execute(query)).scalar_one_or_none())


async def check(platform: Platform, token: str, purpose: Purpose) -> None:
    """Look whether ``use`` would take it, so that a page can say so before a form is filled in.

    Raises:
        UnprocessableError: It would not.
    """
    async with platform.state.read() as session:
        await owner(platform, session, token, purpose)


async def _user(session: AsyncSession, user_id: UUID | None) -> User:
    user = None if user_id is None else await session.get(User, user_id)
    if user is None or user.disabled_at is not None:
        raise UnprocessableError(
            "this link was used before or is too old: ask for a new one", code="link_expired"
        )
    return user


def _good(platform: Platform, token: str, purpose: Purpose) -> tuple[ColumnElement[bool], ...]:
    return (
        OneTimeToken.token_sha256 == fingerprint(token),
        OneTimeToken.purpose == purpose,
        OneTimeToken.used_at.is_(None),
        OneTimeToken.expires_at > platform.clock.now(),
    )
