"""Passwords: what may be one, how they are kept, the breached list; resets and proven addresses."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from typing import TYPE_CHECKING

import pytest
from benchmarks.ports import free_port
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from tests.rune_server.auth.conftest import CLIENT, PASSWORD, Browser

from rune_server.accounts import organisations, users
from rune_server.auth import passwords, reset, sign_in
from rune_server.errors import (
    ForbiddenError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
    UnprocessableError,
)
from rune_server.mailer import Mail, Mailer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rune_server.conftest import MovableClock
    from tests.rune_server.post import Post

    from rune_server.platform import Platform
    from rune_server.settings import Settings
    from rune_server.state.tables.users import User


@pytest.fixture
def settings(settings: Settings, post: Post) -> Settings:
    return dataclasses.replace(settings, smtp_dsn=f"smtp://127.0.0.1:{post.port}")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "at least 12"),
        ("x" * 11, "at least 12"),
        ("correct horse " * 6, "at most 72 bytes"),
        ("пароль пароль пароль пароль пароль пароль", "at most 72 bytes"),
        ("good password\0more", "NUL"),
        ("aaaaaaaaaaaaaaaa", "easy to guess"),
        ("lovelace-lovelace-1", "easy to guess"),
    ],
)
async def test_what_may_be_no_password(settings: Settings, password: str, reason: str) -> None:
    with pytest.raises(UnprocessableError, match=reason) as refused:
        await passwords.checked(settings, password, "lovelace@example.com")
    assert password not in str(refused.value)


async def test_72_bytes_are_told_apart_to_the_last(settings: Settings) -> None:
    long = "correct horse battery staple " * 2 + "0123456789abcd"
    assert len(long.encode()) == 72
    stored = await passwords.hashed(settings, await passwords.checked(settings, long, "a@b.cd"))
    assert await passwords.matches(settings, long, stored)
    assert not await passwords.matches(settings, long[:-1] + "e", stored)
    assert not await passwords.matches(settings, long + "e", stored)


async def test_hashing_leaves_the_event_loop_free(settings: Settings) -> None:
    slow = dataclasses.replace(settings, password_cost=12)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    counting = asyncio.create_task(count())
    await passwords.hashed(slow, PASSWORD)
    counting.cancel()
    assert turns > 5


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=60), st.data())
def test_the_breached_list_is_searched_right(words: list[str], data: st.DataObject) -> None:
    import tempfile
    from pathlib import Path

    def line(word: str) -> str:
        digest = hashlib.sha1(word.encode("utf-8", "surrogatepass")).hexdigest().upper()
        return f"{digest}:{len(word)}" if len(word) % 2 else digest

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "breached.txt"
        path.write_text("\n".join(sorted(line(word) for word in words)) + "\n")
        assert all(passwords.is_breached(path, word) for word in words)
        other = data.draw(st.text(min_size=9, max_size=12))
        assert not passwords.is_breached(path, other)


async def test_breached_passwords_are_refused(settings: Settings, tmp_path: Path) -> None:
    listed = tmp_path / "breached.txt"
    listed.write_text(hashlib.sha1(PASSWORD.encode()).hexdigest().upper() + ":42\r\n")
    strict = dataclasses.replace(settings, breached_passwords_file=listed)
    with pytest.raises(UnprocessableError, match="breached"):
        await passwords.checked(strict, PASSWORD, "a@b.cd")
    await passwords.checked(strict, PASSWORD + "!", "a@b.cd")


async def test_a_reset_by_mail(platform: Platform, browser: Browser, ada: User, post: Post) -> None:
    await browser.sign_in()
    await reset.ask(platform, "ADA@example.com", CLIENT)
    [mail] = post.mails
    assert (mail["to"], mail["from"]) == ("ada@example.com", "rune@rune.test")
    token = post.link("reset")
    async with platform.state.read() as session:
        held = repr((await session.execute(text("SELECT * FROM one_time_tokens"))).all())
    assert token not in held
    with pytest.raises(UnprocessableError, match="at least 12"):
        await reset.complete(platform, token, "short", CLIENT)
    await reset.complete(platform, token, "another good password", CLIENT)
    assert await browser.who() is None
    with pytest.raises(UnauthenticatedError):
        await browser.sign_in()
    await browser.sign_in(password="another good password")
    with pytest.raises(UnprocessableError, match="used before"):
        await reset.complete(platform, token, "a third good password", CLIENT)


async def test_links_run_out_and_the_last_one_counts(
    platform: Platform, ada: User, post: Post, clock: MovableClock
) -> None:
    await reset.ask(platform, ada.email, CLIENT)
    first = post.link("reset")
    await reset.ask(platform, ada.email, CLIENT)
    second = post.link("reset")
    with pytest.raises(UnprocessableError):
        await reset.complete(platform, first, "another good password", CLIENT)
    clock.forward(hours=1)
    with pytest.raises(UnprocessableError):
        await reset.complete(platform, second, "another good password", CLIENT)
    with pytest.raises(UnprocessableError):
        await reset.complete(platform, "x" * 43, "another good password", CLIENT)


async def test_a_reset_for_nobody_sends_nothing(platform: Platform, post: Post) -> None:
    for address in ("nobody@example.com", "no address", "a@b.cd\r\nBcc: e@f.gh", "\ud800"):
        await reset.ask(platform, address, CLIENT)
    assert post.mails == []


async def test_resets_are_limited(platform: Platform, ada: User) -> None:
    for _ in range(3):
        await reset.count(platform, ada.email, CLIENT)
    with pytest.raises(TooManyRequestsError):
        await reset.count(platform, ada.email.upper(), CLIENT)


async def test_signing_up_where_it_is_allowed(platform: Platform, post: Post) -> None:
    wanted = {"email": "Bob@example.com", "name": "Bob", "password": PASSWORD}
    with pytest.raises(ForbiddenError):
        await users.register(platform, **wanted, organisation="Bob's", client=CLIENT)
    opened = dataclasses.replace(
        platform, settings=dataclasses.replace(platform.settings, registration=True)
    )
    await users.register(opened, **wanted, organisation="Bob's", client=CLIENT)
    with pytest.raises(UnauthenticatedError) as refused:
        await sign_in.with_password(opened, "bob@example.com", PASSWORD, CLIENT)
    assert refused.value.code == "unverified"
    await reset.verify(opened, post.link("verify"), CLIENT)
    bob = await Browser(opened).sign_in("bob@example.com")
    [belongs] = await organisations.of_user(opened, bob.user_id)
    assert belongs.organisation.name == "Bob's"
    # Again with the same address: the same answer, and a mail to its owner.
    await users.register(opened, **wanted, organisation="Other", client=CLIENT)
    assert "has an account already" in post.mails[-1].get_content()
    assert len(await organisations.of_user(opened, bob.user_id)) == 1


async def test_what_is_sent_cannot_carry_headers(settings: Settings, post: Post) -> None:
    mailer = Mailer(settings)
    for to, subject in (("a@b.cd\r\nBcc: e@f.gh", "x"), ("a@b.cd", "x\r\nBcc: e@f.gh")):
        with pytest.raises(ValueError, match=r"linefeed|newline|carriage"):
            await mailer.send(Mail(to, subject, "text"))
    assert post.mails == []
    await mailer.send(Mail("a@b.cd", "Grüße", "Grüße\n.\nend"))
    assert post.mails[0]["subject"] == "Grüße"
    assert post.mails[0].get_content().splitlines() == ["Grüße", ".", "end"]


async def test_a_mail_server_that_is_not_there(settings: Settings) -> None:
    nobody = dataclasses.replace(settings, smtp_dsn=f"smtp://127.0.0.1:{free_port()}")
    with pytest.raises(UnavailableError):
        await Mailer(nobody).send(Mail("a@b.cd", "x", "y"))
    with pytest.raises(UnavailableError) as refused:
        await Mailer(dataclasses.replace(settings, smtp_dsn="")).send(Mail("a@b.cd", "x", "y"))
    assert refused.value.code == "no_mail"


async def test_a_password_is_never_sent_without_tls(settings: Settings, post: Post) -> None:
    open_server = dataclasses.replace(
        settings, smtp_dsn=f"smtp://user:secret@127.0.0.1:{post.port}"
    )
    with pytest.raises(UnavailableError):
        await Mailer(open_server).send(Mail("a@b.cd", "x", "y"))
    assert post.mails == []
