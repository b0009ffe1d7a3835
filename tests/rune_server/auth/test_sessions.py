"""Sessions: opened anew each time, renewed, ended here and everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.rune_server.auth.conftest import CLIENT, PASSWORD, Browser

from rune_server.auth import sessions, sign_in
from rune_server.auth.client import Client
from rune_server.errors import TooManyRequestsError, UnauthenticatedError

if TYPE_CHECKING:
    from tests.rune_server.conftest import MovableClock

    from rune_server.platform import Platform
    from rune_server.state.tables.users import User


async def test_signing_in_opens_a_session(browser: Browser, ada: User) -> None:
    signed_in = await browser.sign_in()
    assert (signed_in.user_id, signed_in.email) == (ada.id, "ada@example.com")
    assert signed_in.method == "password"
    assert not signed_in.second_factor


@pytest.mark.parametrize("typed", ["ADA@example.com ", "ada@example.com"])
async def test_addresses_are_read_as_people_type_them(
    browser: Browser, ada: User, typed: str
) -> None:
    assert (await browser.sign_in(typed)).user_id == ada.id


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.com", "wrong horse battery"),
        ("ada@example.com", ""),
        ("ada@example.com", PASSWORD + "x" * 60),
        ("nobody@example.com", PASSWORD),
        ("ada@example.com\r\nBcc: x@example.com", PASSWORD),
        ("\ud800", "\ud800\0"),
    ],
)
async def test_wrong_ones_are_told_nothing(
    platform: Platform, ada: User, email: str, password: str
) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        await sign_in.with_password(platform, email, password, CLIENT)
    assert refused.value.detail == "the address or the password is wrong"


async def test_attempts_are_limited(platform: Platform, ada: User) -> None:
    for _ in range(10):
        with pytest.raises(UnauthenticatedError):
            await sign_in.with_password(platform, ada.email, "wrong", CLIENT)
    with pytest.raises(TooManyRequestsError) as refused:
        await sign_in.with_password(platform, ada.email, PASSWORD, CLIENT)
    assert refused.value.retry_after
    other = sign_in.with_password(platform, ada.email, PASSWORD, Client("198.51.100.9"))
    assert (await other).done


async def test_a_token_is_renewed_when_it_runs_out(
    browser: Browser, ada: User, clock: MovableClock
) -> None:
    await browser.sign_in()
    first = browser.cookies[sessions.TOKEN_COOKIE]
    clock.forward(minutes=14)
    await browser.who()
    assert browser.cookies[sessions.TOKEN_COOKIE] == first
    clock.forward(minutes=2)
    assert await browser.who() is not None
    assert browser.cookies[sessions.TOKEN_COOKIE] != first
    [listed] = await sessions.listed(browser.platform, await signed(browser))
    assert listed.seen_at == clock.now()
    assert listed.browser == "Firefox on Linux"


async def test_a_token_alone_is_worth_a_quarter_of_an_hour(
    browser: Browser, ada: User, clock: MovableClock
) -> None:
    await browser.sign_in()
    del browser.cookies[sessions.SESSION_COOKIE]
    assert await browser.who() is not None
    clock.forward(minutes=16)
    assert await browser.who() is None


async def test_a_session_ends_after_its_days(
    browser: Browser, ada: User, clock: MovableClock
) -> None:
    await browser.sign_in()
    for _ in range(14):
        assert await browser.who() is not None
        clock.forward(hours=23, minutes=59)
    clock.forward(hours=1)
    assert await browser.who() is None
    assert browser.cookies == {}


async def test_signing_out_ends_it_at_once_and_for_good(browser: Browser, ada: User) -> None:
    signed_in = await browser.sign_in()
    stolen = dict(browser.cookies)
    browser.take(await sessions.sign_out(browser.platform, signed_in))
    assert browser.cookies == {}
    browser.cookies = stolen
    assert await browser.who() is None


async def test_signing_out_everywhere(platform: Platform, browser: Browser, ada: User) -> None:
    other = Browser(platform)
    await other.sign_in()
    signed_in = await browser.sign_in()
    assert len(await sessions.listed(platform, signed_in)) == 2
    browser.take(await sessions.sign_out_everywhere(platform, signed_in, but_here=True))
    assert await other.who() is None
    assert await browser.who() is not None
    browser.take(await sessions.sign_out_everywhere(platform, signed_in))
    assert await browser.who() is None


async def test_nobody_ends_a_session_of_somebody_else(
    platform: Platform, browser: Browser, ada: User
) -> None:
    from tests.rune_server.auth.conftest import make_user

    await make_user(platform, "eve@example.com", organisation="Evil")
    eve = Browser(platform)
    signed_in = await browser.sign_in()
    await sessions.end(platform, await eve.sign_in("eve@example.com"), signed_in.session_id)
    assert await browser.who() is not None


async def test_fixation_a_planted_session_does_not_become_ones_own(
    platform: Platform, ada: User
) -> None:
    """Eve plants her cookies in Ada's browser; Ada signs in; Eve's are worth nothing."""
    from tests.rune_server.auth.conftest import make_user

    await make_user(platform, "eve@example.com", organisation="Evil")
    eve = Browser(platform)
    await eve.sign_in("eve@example.com")
    victim = Browser(platform)
    victim.cookies = dict(eve.cookies)
    await victim.sign_in()
    assert victim.cookies[sessions.SESSION_COOKIE] != eve.cookies[sessions.SESSION_COOKIE]
    assert (await signed(victim)).email == "ada@example.com"
    assert await eve.who() is None


async def test_a_cookie_that_comes_twice_counts_as_none() -> None:
    from rune_server.auth import cookies

    header = [(b"cookie", b"__Host-rune_token=a; b=1; __Host-rune_token=c")]
    assert cookies.parse(header) == {"b": "1"}


@pytest.mark.parametrize(
    "value", ["", ".", "x.y", "0" * 32 + "." + "A" * 43, "é" * 90, "0" * 32 + "." + "é" * 43]
)
async def test_what_is_no_session_cookie_is_nobody(platform: Platform, value: str) -> None:
    found, _ = await sessions.authenticate(platform, {sessions.SESSION_COOKIE: value})
    assert found is None


async def test_secrets_are_not_stored(platform: Platform, browser: Browser, ada: User) -> None:
    await browser.sign_in()
    async with platform.state.read() as session:
        rows = repr((await session.execute(text("SELECT * FROM user_sessions"))).all())
        rows += repr((await session.execute(text("SELECT * FROM users"))).all())
        rows += repr((await session.execute(text("SELECT * FROM audit_entries"))).all())
    assert browser.cookies[sessions.SESSION_COOKIE].partition(".")[2] not in rows
    assert browser.cookies[sessions.TOKEN_COOKIE] not in rows
    assert PASSWORD not in rows


async def signed(browser: Browser) -> sessions.SignedIn:
    found = await browser.who()
    assert found is not None
    return found
