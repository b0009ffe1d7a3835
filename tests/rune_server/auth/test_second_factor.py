"""The second factor: enrolled with a code, asked for at sign-in, each code taken once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyotp
import pytest
from sqlalchemy import text
from tests.rune_server.auth.conftest import CLIENT, PASSWORD, Browser

from rune_server.accounts import organisations
from rune_server.actor import Role, member
from rune_server.auth import reset, second_factor, sign_in
from rune_server.errors import (
    ConflictError,
    ForbiddenError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnprocessableError,
)

if TYPE_CHECKING:
    from tests.rune_server.conftest import MovableClock

    from rune_server.platform import Platform
    from rune_server.state.tables.users import User


async def enrol(browser: Browser) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    signed_in = await browser.sign_in()
    enrolment = await second_factor.begin(browser.platform, signed_in)
    assert enrolment.secret not in repr(enrolment)
    assert "<svg" in enrolment.svg
    assert "<script" not in enrolment.svg
    totp = pyotp.parse_uri(enrolment.uri)
    assert isinstance(totp, pyotp.TOTP)
    assert totp.secret == enrolment.secret
    code = totp.at(browser.platform.clock.now())
    return totp, await second_factor.confirm(browser.platform, signed_in, code, CLIENT)


async def begin(browser: Browser) -> None:
    step = await sign_in.with_password(
        browser.platform, "ada@example.com", PASSWORD, CLIENT, browser.cookies
    )
    assert not step.done
    browser.take(step.cookies)


async def give(browser: Browser, code: str) -> None:
    step = await sign_in.with_second_factor(browser.platform, browser.cookies, code, CLIENT)
    assert step.done
    browser.take(step.cookies)


async def test_sign_in_asks_for_it(browser: Browser, ada: User, clock: MovableClock) -> None:
    totp, codes = await enrol(browser)
    assert len(set(codes)) == 10
    fresh = Browser(browser.platform)
    await begin(fresh)
    assert await fresh.who() is None
    clock.forward(minutes=1)
    await give(fresh, totp.at(clock.now()))
    found = await fresh.who()
    assert found is not None
    assert found.second_factor
    assert sign_in.PENDING_COOKIE not in fresh.cookies


async def test_a_code_is_taken_once(browser: Browser, ada: User, clock: MovableClock) -> None:
    totp, _ = await enrol(browser)
    clock.forward(minutes=1)
    code = totp.at(clock.now())
    first, second = Browser(browser.platform), Browser(browser.platform)
    await begin(first)
    await begin(second)
    await give(first, code)
    with pytest.raises(UnauthenticatedError, match="used before"):
        await give(second, code)


async def test_codes_of_other_times_are_wrong(
    browser: Browser, ada: User, clock: MovableClock
) -> None:
    totp, _ = await enrol(browser)
    clock.forward(minutes=10)
    fresh = Browser(browser.platform)
    await begin(fresh)
    now = clock.now().timestamp()
    for code in (totp.at(int(now) - 90), totp.at(int(now) + 90), "000000", "", "é" * 6, "12345"):
        with pytest.raises((UnauthenticatedError, TooManyRequestsError)):
            await give(fresh, code)


async def test_guessing_is_limited(browser: Browser, ada: User, clock: MovableClock) -> None:
    await enrol(browser)
    clock.forward(minutes=10)
    fresh = Browser(browser.platform)
    await begin(fresh)
    # Five in a window. Where one ends in between, what came before it counts a little too.
    for _ in range(4):
        with pytest.raises(UnauthenticatedError):
            await give(fresh, "000000")
    with pytest.raises((UnauthenticatedError, TooManyRequestsError)):
        await give(fresh, "000000")
    with pytest.raises(TooManyRequestsError):
        await give(fresh, "000000")


async def test_recovery_codes_work_once_however_they_are_typed(browser: Browser, ada: User) -> None:
    _, codes = await enrol(browser)
    fresh = Browser(browser.platform)
    await begin(fresh)
    await give(fresh, codes[0].upper().replace("-", " "))
    found = await fresh.who()
    assert found is not None
    assert await second_factor.codes_left(browser.platform, found) == 9
    await begin(fresh)
    with pytest.raises(UnauthenticatedError):
        await give(fresh, codes[0])


async def test_the_password_is_not_asked_for_ever(
    browser: Browser, ada: User, clock: MovableClock
) -> None:
    totp, _ = await enrol(browser)
    fresh = Browser(browser.platform)
    await begin(fresh)
    clock.forward(minutes=6)
    with pytest.raises(UnauthenticatedError, match="too long"):
        await give(fresh, totp.at(clock.now()))
    fresh.cookies[sign_in.PENDING_COOKIE] = "00" * 40
    with pytest.raises(UnauthenticatedError, match="again"):
        await give(fresh, totp.at(clock.now()))


async def test_a_new_password_ends_a_sign_in_under_way(
    browser: Browser, ada: User, clock: MovableClock
) -> None:
    totp, _ = await enrol(browser)
    fresh = Browser(browser.platform)
    await begin(fresh)
    signed_in = await browser.who()
    assert signed_in is not None
    await reset.change(browser.platform, signed_in, PASSWORD, "another good password", CLIENT)
    clock.forward(minutes=1)
    with pytest.raises(UnauthenticatedError, match="again"):
        await give(fresh, totp.at(clock.now()))


async def test_enrolling_ends_sessions_that_were_opened_without(
    platform: Platform, browser: Browser, ada: User
) -> None:
    other = Browser(platform)
    await other.sign_in()
    await enrol(browser)
    assert await other.who() is None
    found = await browser.who()
    assert found is not None
    assert found.second_factor


async def test_enrolling_takes_a_right_code_and_happens_once(browser: Browser, ada: User) -> None:
    signed_in = await browser.sign_in()
    with pytest.raises(ConflictError):
        await second_factor.confirm(browser.platform, signed_in, "123456", CLIENT)
    await second_factor.begin(browser.platform, signed_in)
    with pytest.raises(UnprocessableError, match="code"):
        await second_factor.confirm(browser.platform, signed_in, "abcdef", CLIENT)
    await enrol(Browser(browser.platform))
    with pytest.raises(ConflictError):
        await second_factor.begin(browser.platform, signed_in)


async def test_removing_takes_password_and_code(
    browser: Browser, ada: User, clock: MovableClock
) -> None:
    totp, codes = await enrol(browser)
    clock.forward(minutes=1)
    signed_in = await browser.who()
    assert signed_in is not None
    platform = browser.platform
    with pytest.raises(UnauthenticatedError):
        await second_factor.remove(platform, signed_in, "wrong", totp.at(clock.now()), CLIENT)
    with pytest.raises(UnauthenticatedError):
        await second_factor.remove(platform, signed_in, PASSWORD, "000000", CLIENT)
    fresh = await second_factor.new_recovery_codes(platform, signed_in, PASSWORD, CLIENT)
    assert not set(fresh) & set(codes)
    with pytest.raises(UnauthenticatedError):
        await second_factor.remove(platform, signed_in, PASSWORD, codes[0], CLIENT)
    await second_factor.remove(platform, signed_in, PASSWORD, fresh[0], CLIENT)
    assert not (await Browser(platform).sign_in()).has_second_factor


async def test_an_organisation_can_insist_on_it(platform: Platform, ada: User) -> None:
    [belongs] = await organisations.of_user(platform, ada.id)
    owner = member(belongs.organisation.id, str(ada.id), Role.OWNER)
    await organisations.change(platform, owner, second_factor_required=True)
    browser = Browser(platform)
    signed_in = await browser.sign_in()
    with pytest.raises(ForbiddenError) as refused:
        await organisations.actor_for(platform, signed_in, belongs.organisation.id)
    assert refused.value.code == "second_factor_required"
    await enrol(browser)
    again = await browser.who()
    assert again is not None
    actor = await organisations.actor_for(platform, again, belongs.organisation.id)
    assert actor.role is Role.OWNER


async def test_neither_secret_nor_codes_are_stored(browser: Browser, ada: User) -> None:
    totp, codes = await enrol(browser)
    async with browser.platform.state.read() as session:
        held = repr((await session.execute(text("SELECT * FROM users"))).all())
        held += repr((await session.execute(text("SELECT * FROM recovery_codes"))).all())
    assert totp.secret not in held
    for code in codes:
        assert code not in held
        assert code.replace("-", "") not in held
