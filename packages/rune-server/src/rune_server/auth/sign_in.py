"""Signing in: password, then the second factor where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from sqlalchemy import select

from rune_server import audit
from rune_server.actor import Actor
from rune_server.auth import cookies, passwords, second_factor, sessions
from rune_server.errors import UnauthenticatedError
from rune_server.names import email_as_typed
from rune_server.state.tables.organisations import Membership
from rune_server.state.tables.users import User, UserSession
from rune_server.storage import SealError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.auth.client import Client
    from rune_server.platform import Platform

PENDING_COOKIE = "__Host-rune_pending"
PENDING_LIFE = timedelta(minutes=5)
_PURPOSE = "pending sign-in"
_WRONG = "the address or the password is wrong"


@dataclass(frozen=True, slots=True)
class SignInStep:
    """How a sign-in goes on.

    Attributes:
        done: Whether a session is open; if not, a code of the second factor is asked for.
        cookies: ``Set-Cookie`` values of the answer.
        user_id: Who.
    """

    done: bool
    cookies: tuple[str, ...]
    user_id: UUID


class _Pending(msgspec.Struct, frozen=True):
    """A sign-in that waits for the second factor. Sealed into a cookie."""

    user_id: UUID
    method: str
    expires_at: datetime
    password_sha: str


async def with_password(
    platform: Platform,
    email: str,
    password: str,
    client: Client,
    given: Mapping[str, str] | None = None,
) -> SignInStep:
    """Sign in with address and password.

    Args:
        platform: The platform.
        email: As typed.
        password: As typed.
        client: From where.
        given: The request's cookies: a session that they name ends, so that no browser holds two.

    Raises:
        UnauthenticatedError: One of the two is wrong; which one is not said.
        TooManyRequestsError: Too many attempts.
    """
    address = email_as_typed(email)
    await platform.attempts.count("sign-in", client, address)
    async with platform.state.read() as session:
        user = (await session.scalars(select(User).where(User.email == address))).one_or_none()
    stored = user.password_bcrypt if user is not None else None
    right = await passwords.matches(platform.settings, password, stored)
    if user is None or not right or user.disabled_at is not None:
        raise UnauthenticatedError(_WRONG, code="wrong_password")
    if user.awaits_verification:
        raise UnauthenticatedError(
            "confirm your address first: see the mail that we sent you", code="unverified"
        )
    return await step(platform, user.id, client, method="password", given=given)


async def step(
    platform: Platform,
    user_id: UUID,
    client: Client,
    *,
    method: str,
    given: Mapping[str, str] | None = None,
) -> SignInStep:
    """Go on with somebody whose first factor is proven: open a session, or ask for the second."""
    async with platform.state.begin() as session:
        user = await session.get(User, user_id)
        if user is None or user.disabled_at is not None:
            raise UnauthenticatedError(_WRONG, code="wrong_password")
        if user.totp_confirmed_at is not None:
            return SignInStep(False, (_pending(platform, user, method),), user.id)
        return await _open(
            platform, session, user, client, method=method, given=given, second=False
        )


async def with_second_factor(
    platform: Platform, given: Mapping[str, str], code: str, client: Client
) -> SignInStep:
    """Finish a sign-in with a code of the authenticator, or a recovery code.

    Args:
        platform: The platform.
        given: The request's cookies, the one that ``with_password`` set among them.
        code: As typed.
        client: From where.

    Raises:
        UnauthenticatedError: The code is wrong or was used (code ``wrong_code``), or the password
        was
            given too long ago (code ``expired``).
        TooManyRequestsError: Too many attempts.
    """
    pending = _waiting(platform, given)
    await platform.attempts.count("second factor", client, str(pending.user_id))
    async with platform.state.begin() as session:
        user = await session.get(User, pending.user_id, with_for_update=True)
        if (
            user is None
            or user.disabled_at is not None
            or pending.password_sha != _state_of(platform, user)
        ):
            raise UnauthenticatedError("sign in again", code="expired")
        if not await second_factor.accept(platform, session, user, code):
            raise UnauthenticatedError("the code is wrong or was used before", code="wrong_code")
        found = await _open(
            platform, session, user, client, method=pending.method, given=given, second=True
        )
    return SignInStep(True, (*found.cookies, cookies.expired(PENDING_COOKIE)), user.id)


async def _open(
    platform: Platform,
    session: AsyncSession,
    user: User,
    client: Client,
    *,
    method: str,
    given: Mapping[str, str] | None,
    second: bool,
) -> SignInStep:
    await _end_previous(platform, session, given or {})
    to_set = await sessions.open_session(
        platform, session, user, client, method=method, second_factor=second
    )
    await tell(session, user.id, "user.signed_in", {"method": method, "second_factor": second})
    return SignInStep(True, tuple(to_set), user.id)


async def tell(
    session: AsyncSession, user_id: UUID, action: str, details: Mapping[str, object]
) -> None:
    """Write what a person did with their account into the log of each of their organisations."""
    belongs = await session.scalars(
        select(Membership.organisation_id)
        .where(Membership.user_id == user_id)
        .order_by(Membership.organisation_id)
    )
    for organisation_id in belongs.all():
        actor = Actor(organisation_id, "user", str(user_id), frozenset())
        await audit.record(session, actor, action=action, target=f"user:{user_id}", details=details)


async def _end_previous(
    platform: Platform, session: AsyncSession, given: Mapping[str, str]
) -> None:
    """End the session that this browser had, whoever planted or opened it."""
    identifier = given.get(sessions.SESSION_COOKIE, "").partition(".")[0]
    try:
        row = await session.get(UserSession, UUID(hex=identifier))
    except ValueError:
        return
    secret = given[sessions.SESSION_COOKIE].partition(".")[2]
    if row is not None and sessions.is_secret_of(row, secret):
        row.revoked_at = row.revoked_at or platform.clock.now()


def _pending(platform: Platform, user: User, method: str) -> str:
    sealed = platform.vault.seal(
        _PURPOSE,
        msgspec.json.encode(
            _Pending(
                user.id,
                method,
                platform.clock.now() + PENDING_LIFE,
                _state_of(platform, user),
            )
        ),
    )
    return cookies.cookie(PENDING_COOKIE, sealed.hex(), seconds=int(PENDING_LIFE.total_seconds()))


def _waiting(platform: Platform, given: Mapping[str, str]) -> _Pending:
    try:
        sealed = bytes.fromhex(given.get(PENDING_COOKIE, ""))
        found = msgspec.json.decode(platform.vault.open(_PURPOSE, sealed), type=_Pending)
    except (ValueError, SealError):
        raise UnauthenticatedError("sign in again", code="expired") from None
    if found.expires_at <= platform.clock.now():
        raise UnauthenticatedError("that took too long: sign in again", code="expired")
    return found


def _state_of(platform: Platform, user: User) -> str:
    """Changes with the password, so that a sign-in under way does not survive a reset."""
    return platform.vault.mac(_PURPOSE, (user.password_bcrypt or "").encode()).hex()[:32]
