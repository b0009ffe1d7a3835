"""Another address for one's account."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pyotp
import pytest
from sqlalchemy import text
from tests.rune_server.auth.conftest import CLIENT, PASSWORD, Browser, make_user

from rune_server import audit
from rune_server.actor import Role, member
from rune_server.auth import email, reset, second_factor
from rune_server.errors import (
    ConflictError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
    UnprocessableError,
)

if TYPE_CHECKING:
    from tests.rune_server.conftest import MovableClock
    from tests.rune_server.post import Post

    from rune_server.auth.sessions import SignedIn
    from rune_server.platform import Platform
    from rune_server.settings import Settings
    from rune_server.state.tables.users import User

NEW = "ada@new.example"


@pytest.fixture
def settings(settings: Settings, post: Post) -> Settings:
    return dataclasses.replace(settings, smtp_dsn=post.dsn)


async def ask(
    platform: Platform, signed_in: SignedIn, to: str = NEW, password: str = PASSWORD, code: str = ""
) -> None:
    await email.ask(platform, signed_in, to, password=password, code=code, client=CLIENT)


async def test_the_new_address_is_proven_and_the_old_one_is_told(
    platform: Platform, browser: Browser, ada: User, post: Post
) -> None:
    signed_in = await browser.sign_in()
    await ask(platform, signed_in, " Ada@New.example ")
    [asked] = post.mails
    assert asked["to"] == NEW
    token = post.link("email")
    async with platform.state.read() as session:
        assert token not in repr(
            (await session.execute(text("SELECT * FROM one_time_tokens"))).all()
        )
    # Until then nothing has changed.
    assert (await browser.sign_in()).email == "ada@example.com"
    # A link for a new password that went to the address before must not outlive it.
    await reset.ask(platform, "ada@example.com", CLIENT)
    waiting = post.link("reset")
    assert await email.complete(platform, token, CLIENT) == NEW
    assert post.mails[-1]["to"] == "ada@example.com"
    assert NEW in post.mails[-1].get_content()
    with pytest.raises(UnprocessableError, match="used before"):
        await reset.complete(platform, waiting, "another good password", CLIENT)
    found = await browser.who()
    assert found is not None
    assert found.email == NEW
    with pytest.raises(UnauthenticatedError):
        await Browser(platform).sign_in()
    await Browser(platform).sign_in(NEW)
    with pytest.raises(UnprocessableError, match="used before"):
        await email.complete(platform, token, CLIENT)


async def test_it_is_in_the_audit_log_of_each_organisation(
    platform: Platform, browser: Browser, ada: User, post: Post
) -> None:
    from rune_server.accounts import organisations

    await ask(platform, await browser.sign_in())
    await email.complete(platform, post.link("email"), CLIENT)
    [belongs] = await organisations.of_user(platform, ada.id)
    owner = member(belongs.organisation.id, str(ada.id), Role.OWNER)
    [entry] = await audit.entries(platform, owner, action="user.email_changed")
    assert entry.details == {"before": "ada@example.com", "email": NEW}
    assert entry.actor_id == str(ada.id)


async def test_password_and_second_factor_are_asked_for(
    platform: Platform, browser: Browser, ada: User, post: Post, clock: MovableClock
) -> None:
    signed_in = await browser.sign_in()
    with pytest.raises(UnauthenticatedError, match="password"):
        await ask(platform, signed_in, password="wrong")
    enrolment = await second_factor.begin(platform, signed_in)
    totp = pyotp.TOTP(enrolment.secret)
    codes = await second_factor.confirm(platform, signed_in, totp.at(clock.now()), CLIENT)
    clock.forward(minutes=1)
    with pytest.raises(UnauthenticatedError, match="code"):
        await ask(platform, signed_in)
    assert post.mails == []
    code = totp.at(clock.now())
    await ask(platform, signed_in, code=code)
    with pytest.raises(UnauthenticatedError, match="used before"):
        await ask(platform, signed_in, code=code)
    await ask(platform, signed_in, code=codes[0])
    assert len(post.mails) == 2


async def test_an_address_that_somebody_has(
    platform: Platform, browser: Browser, ada: User, post: Post
) -> None:
    """The answer is the same; whoever has it is told, and gets no link that would take it away."""
    await make_user(platform, "bob@example.com", organisation="Other")
    await ask(platform, await browser.sign_in(), "bob@example.com")
    [mail] = post.mails
    assert mail["to"] == "bob@example.com"
    assert "has an account already" in mail.get_content().replace("\n", " ")
    assert "/email/" not in mail.get_content()


async def test_an_address_that_was_taken_meanwhile(
    platform: Platform, browser: Browser, ada: User, post: Post
) -> None:
    await ask(platform, await browser.sign_in())
    token = post.link("email")
    await make_user(platform, NEW, organisation="Other")
    with pytest.raises(ConflictError):
        await email.complete(platform, token, CLIENT)
    assert (await browser.sign_in()).email == "ada@example.com"


async def test_links_run_out_and_the_last_one_counts(
    platform: Platform, browser: Browser, ada: User, post: Post, clock: MovableClock
) -> None:
    signed_in = await browser.sign_in()
    await ask(platform, signed_in)
    first = post.link("email")
    await ask(platform, signed_in, "ada@third.example")
    second = post.link("email")
    # Nor is a link for something else one for this.
    await reset.ask(platform, ada.email, CLIENT)
    for token in (first, post.link("reset"), "x" * 43):
        with pytest.raises(UnprocessableError):
            await email.complete(platform, token, CLIENT)
    clock.forward(hours=1)
    with pytest.raises(UnprocessableError):
        await email.complete(platform, second, CLIENT)


@pytest.mark.parametrize("address", ["", "no address", "a@b.cd\r\nBcc: e@f.gh", "Ada@example.com"])
async def test_what_is_no_new_address(
    platform: Platform, browser: Browser, ada: User, post: Post, address: str
) -> None:
    signed_in = await browser.sign_in()
    with pytest.raises(UnprocessableError, match="email"):
        await ask(platform, signed_in, address)
    assert post.mails == []


async def test_it_is_limited_and_needs_a_mail_server(
    platform: Platform, browser: Browser, ada: User
) -> None:
    signed_in = await browser.sign_in()
    bare = dataclasses.replace(platform.settings, smtp_dsn="")
    mute = dataclasses.replace(platform, mailer=type(platform.mailer)(bare))
    with pytest.raises(UnavailableError) as refused:
        await ask(mute, signed_in)
    assert refused.value.code == "no_mail"
    for _ in range(4):
        await ask(platform, signed_in)
    with pytest.raises(TooManyRequestsError):
        await ask(platform, signed_in)
