"""People, and a browser that keeps their cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rune_server.post import running

from rune_server.accounts import organisations, users
from rune_server.auth import passwords, sign_in
from rune_server.auth.client import Client
from rune_server.auth.sessions import SignedIn, authenticate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rune_server.post import Post

    from rune_server.platform import Platform
    from rune_server.state.tables.users import User

PASSWORD = "correct horse battery"
CLIENT = Client("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Firefox/144.0")


class Browser:
    """Keeps cookies as a browser does."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.cookies: dict[str, str] = {}

    def take(self, headers: tuple[str, ...] | list[str]) -> None:
        """Do what ``Set-Cookie`` values say."""
        for header in headers:
            name, _, rest = header.partition("=")
            value, *attributes = [part.strip() for part in rest.split(";")]
            assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(attributes), header
            assert name.startswith("__Host-")
            assert not any(part.startswith("Domain") for part in attributes)
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    async def who(self) -> SignedIn | None:
        """Who this browser is signed in as, as a request would find out."""
        found, headers = await authenticate(self.platform, self.cookies)
        self.take(headers)
        return found

    async def sign_in(self, email: str = "ada@example.com", password: str = PASSWORD) -> SignedIn:
        step = await sign_in.with_password(self.platform, email, password, CLIENT, self.cookies)
        self.take(step.cookies)
        assert step.done
        found = await self.who()
        assert found is not None
        return found


@pytest.fixture
def browser(platform: Platform) -> Browser:
    return Browser(platform)


async def make_user(
    platform: Platform,
    email: str = "ada@example.com",
    *,
    password: str | None = PASSWORD,
    verified: bool = True,
    organisation: str | None = "Acme",
) -> User:
    hashed = None if password is None else await passwords.hashed(platform.settings, password)
    async with platform.state.begin() as session:
        user = await users.insert(
            session,
            email=email,
            name="Ada",
            password_bcrypt=hashed,
            verified_at=platform.clock.now() if verified else None,
        )
        if organisation is not None:
            await organisations.insert(platform.settings, session, user.id, organisation)
    return user


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server; settings that use it are the test's to give."""
    with running() as found:
        yield found


@pytest.fixture
async def ada(platform: Platform) -> User:
    """Somebody with a password and an organisation."""
    return await make_user(platform)
