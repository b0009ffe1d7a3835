"""Signing in with GitHub or Google: out to the provider, back, and whose account it is."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import delete, select

from rune_server.accounts import invitations, organisations, users
from rune_server.auth import cookies, providers, sign_in
from rune_server.auth.redirect import local_path
from rune_server.errors import ForbiddenError
from rune_server.names import checked_email, email_as_typed
from rune_server.state.tables.organisations import Invitation
from rune_server.state.tables.users import Identity, OAuthAttempt, User
from rune_server.storage.vault import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.auth.client import Client
    from rune_server.auth.providers import Profile
    from rune_server.platform import Platform

COOKIE = "__Host-rune_oauth"
LIFE = timedelta(minutes=10)
PURPOSE = "oauth attempt"
_MAX_PARAMETER = 2048


@dataclass(frozen=True, slots=True)
class Away:
    """The browser goes to the provider.

    Attributes:
        url: Where to.
        cookies: ``Set-Cookie`` values of the answer.
    """

    url: str
    cookies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Back:
    """The browser came back and goes on.

    Attributes:
        step: How the sign-in goes on.
        path: Where to, on this site.
    """

    step: sign_in.SignInStep
    path: str


class _Attempt(msgspec.Struct, frozen=True):
    """What only we may know of an attempt. Sealed."""

    verifier: str
    nonce: str
    path: str


def redirect_uri(platform: Platform, name: str) -> str:
    """What the operator registers at the provider."""
    return f"{platform.settings.url}/sign-in/{name}/callback"


async def begin(platform: Platform, name: str, path: str, client: Client) -> Away:
    """Send a browser to a provider.

    Args:
        platform: The platform.
        name: ``github`` or ``google``.
        path: Where to go afterwards; anything but a path of this site becomes ``/``.
        client: From where.

    Raises:
        NotFoundError: The provider is not set up.
        UnavailableError: It does not answer.
    """
    await platform.attempts.count("oauth", client)
    now = platform.clock.now()
    provider = providers.find(platform.settings, name, now)
    state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    attempt = _Attempt(secrets.token_urlsafe(48), secrets.token_urlsafe(32), local_path(path))
    url = await provider.authorization_url(
        redirect_uri(platform, name), state, attempt.verifier, attempt.nonce
    )
    digest = fingerprint(state)
    async with platform.state.begin() as session:
        await session.execute(delete(OAuthAttempt).where(OAuthAttempt.expires_at <= now))
        session.add(
            OAuthAttempt(
                state_sha256=digest,
                browser_sha256=fingerprint(browser),
                provider=name,
                sealed=platform.vault.seal(PURPOSE, msgspec.json.encode(attempt), digest.encode()),
                expires_at=now + LIFE,
            )
        )
    return Away(url, (cookies.cookie(COOKIE, browser, seconds=int(LIFE.total_seconds())),))


async def complete(
    platform: Platform,
    name: str,
    query: Mapping[str, str],
    given: Mapping[str, str],
    client: Client,
) -> Back:
    """Take a browser back from a provider, once.

    Args:
        platform: The platform.
        name: The provider that the address names.
        query: The parameters of the address.
        given: The request's cookies.
        client: From where.

    Raises:
        UnauthenticatedError: The attempt is unknown, used, too old, another browser's or refused.
        ForbiddenError: The provider vouches for somebody who has no account here.
    """
    await platform.attempts.count("oauth", client)
    now = platform.clock.now()
    provider = providers.find(platform.settings, name, now)
    attempt = await _take(platform, name, query.get("state", ""), given.get(COOKIE, ""))
    code = query.get("code", "")
    if "error" in query or not 0 < len(code) <= _MAX_PARAMETER:
        raise providers.refused("signing in was cancelled")
    profile = await provider.profile(
        redirect_uri(platform, name), code, attempt.verifier, attempt.nonce
    )
    async with platform.state.begin() as session:
        user = await _whose(platform, session, name, profile)
    step = await sign_in.step(platform, user.id, client, method=name, given=given)
    done = sign_in.SignInStep(step.done, (*step.cookies, cookies.expired(COOKIE)), step.user_id)
    return Back(done, attempt.path)


async def _take(platform: Platform, name: str, state: str, browser: str) -> _Attempt:
    """Use an attempt up. Only the browser that began it can."""
    if not 0 < len(state) <= _MAX_PARAMETER or len(browser) > _MAX_PARAMETER:
        raise providers.refused()
    digest = fingerprint(state)
    async with platform.state.begin() as session:
        row = await session.get(OAuthAttempt, digest, with_for_update=True)
        if (
            row is None
            or not hmac.compare_digest(row.browser_sha256, fingerprint(browser))
            or row.provider != name
            or row.expires_at <= platform.clock.now()
        ):
            raise providers.refused()
        await session.delete(row)
        sealed = row.sealed
    opened = platform.vault.open(PURPOSE, sealed, digest.encode())
    return msgspec.json.decode(opened, type=_Attempt)


async def _whose(platform: Platform, session: AsyncSession, name: str, profile: Profile) -> User:
    """The account that a provider's person has here; linked or made where that is safe."""
    query = (
        select(User)
        .join(Identity, Identity.user_id == User.id)
        .where(Identity.provider == name, Identity.subject == profile.subject)
    )
    user = (await session.scalars(query)).one_or_none()
    if user is not None:
        return user
    email = email_as_typed(profile.email)
    user = (await session.scalars(select(User).where(User.email == email))).one_or_none()
    if user is None:
        user = await _new(platform, session, profile)
    elif user.email_verified_at is None:
        # Somebody may have made it in wait for the true owner of the address.
        raise ForbiddenError(
            "an account with this address exists, but it never proved the address: sign in with "
            "its password, or set a new one by mail",
            code="oauth_unproven",
        )
    session.add(
        Identity(
            user_id=user.id,
            provider=name,
            subject=profile.subject,
            created_at=platform.clock.now(),
        )
    )
    await session.flush()
    await sign_in.tell(session, user.id, "user.identity_added", {"provider": name})
    return user


async def _new(platform: Platform, session: AsyncSession, profile: Profile) -> User:
    email = checked_email(profile.email)
    waiting = await session.scalars(
        select(Invitation).where(
            Invitation.email == email, Invitation.expires_at > platform.clock.now()
        )
    )
    invited = waiting.all()
    if not invited and not platform.settings.registration:
        raise ForbiddenError(
            f"there is no account for {email} here: ask for an invitation", code="oauth_unknown"
        )
    user = await users.insert(
        session,
        email=email,
        name=_name(profile),
        password_bcrypt=None,
        verified_at=platform.clock.now(),
    )
    for invitation in invited:
        await invitations.join(platform, session, invitation, user)
    if not invited:
        await organisations.insert(
            platform.settings, session, user.id, f"{user.name}'s organisation"
        )
    return user


def _name(profile: Profile) -> str:
    """Their name, without what a name may not hold; else the start of the address."""
    name = "".join(character for character in profile.name if character.isprintable()).strip()
    return name[:100] or profile.email.partition("@")[0]
