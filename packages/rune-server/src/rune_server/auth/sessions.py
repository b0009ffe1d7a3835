"""Sessions of people: a short RS256 token, and behind it a session that can be ended.

Two cookies: ``__Host-rune_token`` holds a JWT for a quarter of an hour, ``__Host-rune_session`` a
random secret, stored as SHA-256, that gets the next JWT for as long as the session lasts. The JWT
names the session, and every request looks whether that still stands (an answer is kept for a
second at most), so signing out, everywhere too, works at once.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import delete, select, update

from rune_server.auth import cookies
from rune_server.auth.signing import LEEWAY, TOKEN_LIFE, seconds
from rune_server.state.tables.users import User, UserSession
from rune_server.storage.vault import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession
    from starlette.requests import HTTPConnection

    from rune_server.auth.client import Client
    from rune_server.bus import Bus
    from rune_server.clock import Clock
    from rune_server.platform import Platform
    from rune_server.state import State

TOKEN_COOKIE = "__Host-rune_token"
SESSION_COOKIE = "__Host-rune_session"
TOPIC = "sessions"
AUDIENCE = "rune dashboard"
SCOPE_KEY = "rune.signed_in"
_SECRET_LENGTH = 43
_CACHE_SECONDS = 1.0
_MAX_CACHED = 10_000
_MAX_TOKEN = 4096
_PURGE_AFTER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person who is signed in.

    Attributes:
        user_id: Who.
        email: Their address.
        name: Their name.
        session_id: The session of this browser.
        second_factor: Whether a second factor was given when it was opened.
        has_second_factor: Whether they have set one up.
        method: How it was opened: password, github, google, invitation.
        since: When.
    """

    user_id: UUID
    email: str
    name: str
    session_id: UUID
    second_factor: bool
    has_second_factor: bool
    method: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What may be shown of a session."""

    id: UUID
    method: str
    browser: str
    address: str
    second_factor: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def current(request: HTTPConnection) -> SignedIn | None:
    """Who sends this request; None for a stranger.

    ``auth.middleware`` has found it out before the request came to any page.
    """
    found = request.scope.get(SCOPE_KEY)
    assert found is None or isinstance(found, SignedIn)
    return found


async def open_session(
    platform: Platform,
    session: AsyncSession,
    user: User,
    client: Client,
    *,
    method: str,
    second_factor: bool,
) -> list[str]:
    """Open a session, always a new one. Its ``Set-Cookie`` values.

    Args:
        platform: The platform.
        session: The transaction.
        user: Who signs in.
        client: From where.
        method: How.
        second_factor: Whether a second factor was given.
    """
    now = platform.clock.now()
    secret = secrets.token_urlsafe(32)
    row = UserSession(
        user_id=user.id,
        secret_sha256=fingerprint(secret),
        method=method,
        second_factor=second_factor,
        address=client.address[:45],
        browser=client.browser[:64],
        created_at=now,
        seen_at=now,
        expires_at=now + timedelta(days=platform.settings.session_days),
    )
    session.add(row)
    await session.flush()
    return [
        # The next request gets a token of the new session.
        cookies.expired(TOKEN_COOKIE),
        cookies.cookie(
            SESSION_COOKIE,
            f"{row.id.hex}.{secret}",
            seconds=platform.settings.session_days * 86_400,
        ),
    ]


async def authenticate(
    platform: Platform, given: Mapping[str, str]
) -> tuple[SignedIn | None, list[str]]:
    """Who a request's cookies belong to, and the ``Set-Cookie`` values of the answer.

    Raises:
        UnavailableError: The state database does not answer.
    """
    token = given.get(TOKEN_COOKIE, "")
    if token and len(token) <= _MAX_TOKEN:
        session_id = await _session_of(platform, token)
        if session_id is not None:
            found = await platform.sessions.find(session_id)
            return found, [] if found else _removed()
    secret = given.get(SESSION_COOKIE, "")
    if not secret:
        return None, []
    found, row = await _resume(platform, secret)
    if found is None or row is None:
        return None, _removed()
    return found, [cookies.cookie(TOKEN_COOKIE, await _token(platform, row), seconds=_life())]


async def sign_out(platform: Platform, signed_in: SignedIn) -> list[str]:
    """End this session. The ``Set-Cookie`` values that remove its cookies."""
    await end(platform, signed_in, signed_in.session_id)
    return _removed()


async def end(platform: Platform, signed_in: SignedIn, session_id: UUID) -> None:
    """End one of one's own sessions. One that is not theirs, or has ended, is left alone."""
    async with platform.state.begin() as session:
        await session.execute(
            update(UserSession)
            .where(
                UserSession.id == session_id,
                UserSession.user_id == signed_in.user_id,
                UserSession.revoked_at.is_(None),
            )
            .values(revoked_at=platform.clock.now())
        )
    await announce(platform, signed_in.user_id)


async def sign_out_everywhere(
    platform: Platform, signed_in: SignedIn, *, but_here: bool = False
) -> list[str]:
    """End all of one's sessions. The ``Set-Cookie`` values of the answer."""
    async with platform.state.begin() as session:
        await end_all(
            platform, session, signed_in.user_id, but=signed_in.session_id if but_here else None
        )
    await announce(platform, signed_in.user_id)
    return [] if but_here else _removed()


async def end_all(
    platform: Platform, session: AsyncSession, user_id: UUID, *, but: UUID | None = None
) -> None:
    """End a user's sessions, in a transaction; ``announce`` when it is through."""
    query = update(UserSession).where(
        UserSession.user_id == user_id, UserSession.revoked_at.is_(None)
    )
    if but is not None:
        query = query.where(UserSession.id != but)
    await session.execute(query.values(revoked_at=platform.clock.now()))


def is_secret_of(row: UserSession, secret: str) -> bool:
    """Whether a session cookie's secret belongs to this session."""
    return hmac.compare_digest(row.secret_sha256, fingerprint(secret))


async def mark_second_factor(session: AsyncSession, session_id: UUID) -> None:
    """Note that a second factor was just given in this session."""
    await session.execute(
        update(UserSession).where(UserSession.id == session_id).values(second_factor=True)
    )


async def announce(platform: Platform, user_id: UUID) -> None:
    """Tell every process, and every open stream, that sessions of this user changed."""
    platform.sessions.forget()
    await platform.bus.publish(TOPIC, str(user_id).encode())


async def listed(platform: Platform, signed_in: SignedIn) -> list[SessionInfo]:
    """One's own sessions that still stand, the newest first."""
    query = (
        select(UserSession)
        .where(
            UserSession.user_id == signed_in.user_id,
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > platform.clock.now(),
        )
        .order_by(UserSession.id.desc())
        .limit(100)
    )
    async with platform.state.read() as session:
        return [
            SessionInfo(
                row.id,
                row.method,
                row.browser,
                row.address,
                row.second_factor,
                row.created_at,
                row.seen_at,
                row.expires_at,
            )
            for row in await session.scalars(query)
        ]


class SessionDirectory:
    """Tells whether sessions still stand. One per process, on one event loop."""

    def __init__(self, state: State, bus: Bus, clock: Clock) -> None:
        self._state = state
        self._bus = bus
        self._clock = clock
        self._known: dict[UUID, tuple[float, SignedIn | None]] = {}

    async def find(self, session_id: UUID) -> SignedIn | None:
        """Whose session it is; None when it has ended.

        Raises:
            UnavailableError: The state database does not answer.
        """
        loop = asyncio.get_running_loop()
        known = self._known.get(session_id)
        if known is not None and loop.time() < known[0]:
            return known[1]
        until = loop.time() + _CACHE_SECONDS
        async with self._state.read() as session:
            found = _standing(await _row(session, session_id), self._clock.now())
        if len(self._known) >= _MAX_CACHED:
            self._known.clear()
        self._known[session_id] = (until, found)
        return found

    def forget(self) -> None:
        """Look every session up again."""
        self._known.clear()

    async def watch(self) -> None:
        """Forget sessions when another process ends some. Runs until it is cancelled."""
        async with self._bus.subscribe(TOPIC) as messages:
            async for _topic, _message in messages:
                self.forget()


async def purge(platform: Platform) -> None:
    """Delete sessions that ended a month ago."""
    async with platform.state.begin() as session:
        await session.execute(
            delete(UserSession).where(UserSession.expires_at < platform.clock.now() - _PURGE_AFTER)
        )


def _life() -> int:
    return int(TOKEN_LIFE.total_seconds())


def _removed() -> list[str]:
    return [cookies.expired(TOKEN_COOKIE), cookies.expired(SESSION_COOKIE)]


async def _token(platform: Platform, row: UserSession) -> str:
    now = platform.clock.now()
    return await platform.signing.sign(
        {
            "iss": platform.settings.url,
            "aud": AUDIENCE,
            "sub": str(row.user_id),
            "sid": str(row.id),
            "iat": seconds(now),
            "exp": seconds(min(now + TOKEN_LIFE, row.expires_at)),
        }
    )


async def _session_of(platform: Platform, token: str) -> UUID | None:
    """The session that a token names; None for a token that is not good."""
    claims = await platform.signing.verify(token)
    if claims is None:
        return None
    now, leeway = seconds(platform.clock.now()), int(LEEWAY.total_seconds())
    issued, expires = claims.get("iat"), claims.get("exp")
    if (
        claims.get("iss") != platform.settings.url
        or claims.get("aud") != AUDIENCE
        or type(issued) is not int
        or type(expires) is not int
        or issued > now + leeway
        or expires + leeway <= now
    ):
        return None
    try:
        return UUID(claims["sid"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


async def _resume(platform: Platform, given: str) -> tuple[SignedIn | None, UserSession | None]:
    """The session of a session cookie, if it still stands."""
    identifier, _, secret = given.partition(".")
    if len(secret) != _SECRET_LENGTH:
        return None, None
    try:
        session_id = UUID(hex=identifier)
    except ValueError:
        return None, None
    now = platform.clock.now()
    async with platform.state.begin() as session:
        row = await _row(session, session_id)
        if row is None or not is_secret_of(row[0], secret):
            return None, None
        found = _standing(row, now)
        if found is not None:
            row[0].seen_at = now
    return found, row[0]


async def _row(session: AsyncSession, session_id: UUID) -> Sequence[Any] | None:
    query = (
        select(UserSession, User)
        .join(User, User.id == UserSession.user_id)
        .where(UserSession.id == session_id)
    )
    return (await session.execute(query)).one_or_none()


def _standing(row: Sequence[Any] | None, now: datetime) -> SignedIn | None:
    if row is None:
        return None
    opened, user = row
    if opened.revoked_at is not None or opened.expires_at <= now or user.disabled_at is not None:
        return None
    return SignedIn(
        user.id,
        user.email,
        user.name,
        opened.id,
        opened.second_factor,
        user.totp_confirmed_at is not None,
        opened.method,
        opened.created_at,
    )
