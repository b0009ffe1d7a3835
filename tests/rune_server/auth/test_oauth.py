"""Signing in with GitHub and Google, against providers that speak the real protocols."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select
from tests.rune_server.auth import github_fake, openid_fake
from tests.rune_server.auth.conftest import CLIENT, Browser, make_user

from rune_server.accounts import invitations, members, organisations
from rune_server.actor import Role, member
from rune_server.auth import oauth
from rune_server.auth.redirect import local_path
from rune_server.errors import (
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from rune_server.state.tables.organisations import Organisation
from rune_server.state.tables.users import OAuthAttempt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rune_server.auth.github_fake import GitHubFake
    from tests.rune_server.conftest import MovableClock

    from rune_server.platform import Platform
    from rune_server.settings import Settings

pytestmark = pytest.mark.filterwarnings(openid_fake.WARNING)


@pytest.fixture(scope="module")
def running_github() -> Iterator[GitHubFake]:
    with github_fake.Running() as found:
        yield found


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    ada = {"email": "ada@example.com", "email_verified": True, "name": "Ada"}
    bob = {"email": "bob@example.com", "email_verified": False}
    with openid_fake.running({"google-ada": ada, "google-bob": bob}) as issuer:
        yield issuer


@pytest.fixture
def github(running_github: GitHubFake) -> GitHubFake:
    fresh = github_fake.GitHubFake()
    running_github.user, running_github.emails = fresh.user, fresh.emails
    running_github.broken = False
    return running_github


@pytest.fixture
def settings(settings: Settings, github: GitHubFake, google: str) -> Settings:
    return dataclasses.replace(
        settings,
        github_client_id=github_fake.CLIENT_ID,
        github_client_secret=github_fake.CLIENT_SECRET,
        github_url=github.url,
        github_api_url=f"{github.url}/api",
        google_client_id=openid_fake.CLIENT_ID,
        google_client_secret=openid_fake.CLIENT_SECRET,
        google_issuer=google,
    )


def found_in(folder: Path, pattern: re.Pattern[bytes]) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if pattern.search(path.read_bytes())]


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def through_github(browser: Browser, github: GitHubFake, path: str = "/") -> oauth.Back:
    away = await oauth.begin(browser.platform, "github", path, CLIENT)
    browser.take(away.cookies)
    back = await oauth.complete(
        browser.platform, "github", query_of(github.authorize(away.url)), browser.cookies, CLIENT
    )
    browser.take(back.step.cookies)
    return back


async def through_google(browser: Browser, subject: str = "google-ada") -> oauth.Back:
    away = await oauth.begin(browser.platform, "google", "/", CLIENT)
    browser.take(away.cookies)
    async with httpx.AsyncClient() as client:
        agreed = await client.post(away.url, data={"sub": subject})
    assert agreed.status_code == 302
    back = await oauth.complete(
        browser.platform, "google", query_of(agreed.headers["location"]), browser.cookies, CLIENT
    )
    browser.take(back.step.cookies)
    return back


async def test_github_signs_in_the_account_with_its_primary_address(
    browser: Browser, github: GitHubFake
) -> None:
    ada = await make_user(browser.platform)
    back = await through_github(browser, github, "/events?tool=mail")
    assert back.path == "/events?tool=mail"
    signed_in = await browser.who()
    assert signed_in is not None
    assert (signed_in.user_id, signed_in.method) == (ada.id, "github")
    assert oauth.COOKIE not in browser.cookies


async def test_the_account_stays_when_the_address_changes(
    browser: Browser, github: GitHubFake
) -> None:
    ada = await make_user(browser.platform)
    await through_github(browser, github)
    github.emails[:] = [{"email": "else@example.com", "verified": True, "primary": True}]
    await through_github(browser, github)
    signed_in = await browser.who()
    assert signed_in is not None
    assert signed_in.user_id == ada.id


async def test_google_signs_in(browser: Browser) -> None:
    ada = await make_user(browser.platform)
    await through_google(browser)
    signed_in = await browser.who()
    assert signed_in is not None
    assert (signed_in.user_id, signed_in.method) == (ada.id, "google")


async def test_an_address_that_google_does_not_vouch_for(browser: Browser) -> None:
    await make_user(browser.platform, "bob@example.com")
    with pytest.raises(UnauthenticatedError, match="no verified address"):
        await through_google(browser, "google-bob")


async def test_addresses_that_github_does_not_vouch_for(
    browser: Browser, github: GitHubFake
) -> None:
    await make_user(browser.platform)
    for address in github.emails:
        address["verified"] = "true"
    with pytest.raises(UnauthenticatedError, match="no verified address"):
        await through_github(browser, github)


async def test_strangers_stay_outside(browser: Browser, github: GitHubFake) -> None:
    with pytest.raises(ForbiddenError, match="invitation"):
        await through_github(browser, github)
    assert await browser.who() is None


async def test_an_account_made_in_wait_for_the_true_owner_is_not_linked(
    browser: Browser, github: GitHubFake
) -> None:
    """Eve signs up with Ada's address; Ada comes with GitHub and must not land in Eve's account."""
    await make_user(browser.platform, "ada@example.com", verified=False)
    with pytest.raises(ForbiddenError) as refused:
        await through_github(browser, github)
    assert refused.value.code == "oauth_unproven"


async def test_an_invitation_is_accepted_by_coming_with_its_address(
    browser: Browser, github: GitHubFake
) -> None:
    platform = browser.platform
    owner = await make_user(platform, "owner@example.com")
    async with platform.state.read() as session:
        organisation = (await session.scalars(select(Organisation))).one()
    actor = member(organisation.id, str(owner.id), Role.OWNER)
    await invitations.invite(platform, actor, email="ada@example.com", role=Role.VIEWER)
    back = await through_github(browser, github)
    [belongs] = await organisations.of_user(platform, back.step.user_id)
    assert belongs.role is Role.VIEWER
    assert await invitations.listed(platform, actor) == []
    assert {each.name for each in await members.listed(platform, actor)} == {"Ada", "Ada Lovelace"}


async def test_where_registration_is_open_strangers_get_an_organisation(
    platform: Platform, github: GitHubFake
) -> None:
    opened = dataclasses.replace(
        platform, settings=dataclasses.replace(platform.settings, registration=True)
    )
    browser = Browser(opened)
    github.user["name"] = "Ada\r\nSet-Cookie: x=1"
    back = await through_github(browser, github)
    [belongs] = await organisations.of_user(opened, back.step.user_id)
    assert belongs.role is Role.OWNER
    assert belongs.organisation.name == "AdaSet-Cookie: x=1's organisation"


async def test_state_is_taken_once(browser: Browser, github: GitHubFake) -> None:
    platform = browser.platform
    await make_user(platform)
    away = await oauth.begin(platform, "github", "/", CLIENT)
    browser.take(away.cookies)
    kept = dict(browser.cookies)
    query = query_of(github.authorize(away.url))
    assert (await oauth.complete(platform, "github", query, kept, CLIENT)).step.done
    # Again, with a code that would still be good.
    again = {**query, "code": query_of(github.authorize(away.url))["code"]}
    with pytest.raises(UnauthenticatedError):
        await oauth.complete(platform, "github", again, kept, CLIENT)


async def test_state_of_another_browser(platform: Platform, github: GitHubFake) -> None:
    """Eve begins, and has Ada's browser end it, to sign Ada in as Eve."""
    await make_user(platform)
    eve, ada = Browser(platform), Browser(platform)
    away = await oauth.begin(platform, "github", "/", CLIENT)
    eve.take(away.cookies)
    query = query_of(github.authorize(away.url))
    for cookies in ({}, {oauth.COOKIE: "x"}):
        with pytest.raises(UnauthenticatedError):
            await oauth.complete(platform, "github", query, cookies, CLIENT)
    ada.take((await oauth.begin(platform, "github", "/", CLIENT)).cookies)
    with pytest.raises(UnauthenticatedError):
        await oauth.complete(platform, "github", query, ada.cookies, CLIENT)


async def test_state_of_another_provider_forged_or_too_old(
    browser: Browser, github: GitHubFake, clock: MovableClock
) -> None:
    platform = browser.platform
    await make_user(platform)
    away = await oauth.begin(platform, "github", "/", CLIENT)
    browser.take(away.cookies)
    query = query_of(github.authorize(away.url))
    for name, changed in (
        ("google", query),
        ("github", {**query, "state": "x" * 43}),
        ("github", {"code": query["code"]}),
        ("github", {**query, "state": "\ud800"}),
    ):
        with pytest.raises(UnauthenticatedError):
            await oauth.complete(platform, name, changed, browser.cookies, CLIENT)
    clock.forward(minutes=11)
    with pytest.raises(UnauthenticatedError):
        await oauth.complete(platform, "github", query, browser.cookies, CLIENT)


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(
    platform: Platform, github: GitHubFake
) -> None:
    """Eve has the code of Ada's way back, and an attempt of her own."""
    await make_user(platform)
    ada, eve = Browser(platform), Browser(platform)
    adas = await oauth.begin(platform, "github", "/", CLIENT)
    ada.take(adas.cookies)
    stolen = query_of(github.authorize(adas.url))["code"]
    eves = await oauth.begin(platform, "github", "/", CLIENT)
    eve.take(eves.cookies)
    query = {"state": query_of(eves.url)["state"], "code": stolen}
    with pytest.raises(UnauthenticatedError):
        await oauth.complete(platform, "github", query, eve.cookies, CLIENT)


async def test_cancelled_or_without_a_code(browser: Browser, github: GitHubFake) -> None:
    for extra in ({"error": "access_denied"}, {}, {"code": ""}, {"code": "x" * 5000}):
        away = await oauth.begin(browser.platform, "github", "/", CLIENT)
        browser.take(away.cookies)
        query = {"state": query_of(away.url)["state"], **extra}
        with pytest.raises(UnauthenticatedError):
            await oauth.complete(browser.platform, "github", query, browser.cookies, CLIENT)


async def test_a_provider_that_is_down_or_not_set_up(
    browser: Browser, github: GitHubFake, settings: Settings
) -> None:
    github.broken = True
    with pytest.raises((UnavailableError, UnauthenticatedError)):
        await through_github(browser, github)
    bare = dataclasses.replace(
        browser.platform, settings=dataclasses.replace(settings, github_client_id="")
    )
    with pytest.raises(NotFoundError):
        await oauth.begin(bare, "github", "/", CLIENT)
    nowhere = dataclasses.replace(
        browser.platform, settings=dataclasses.replace(settings, google_issuer="http://127.0.0.1:9")
    )
    with pytest.raises(UnavailableError):
        await oauth.begin(nowhere, "google", "/", CLIENT)


async def test_nothing_of_an_attempt_lies_open_in_the_database(
    browser: Browser, github: GitHubFake
) -> None:
    away = await oauth.begin(browser.platform, "github", "/secret-path", CLIENT)
    browser.take(away.cookies)
    async with browser.platform.state.read() as session:
        row = (await session.scalars(select(OAuthAttempt))).one()
    held = repr(vars(row))
    for secret in (query_of(away.url)["state"], browser.cookies[oauth.COOKIE], "secret-path"):
        assert secret not in held


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/x\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "",
        "evil",
        "/" + "x" * 3000,
        "/é",
        "/\ud800",
    ],
)
async def test_no_open_redirect(browser: Browser, github: GitHubFake, path: str) -> None:
    assert local_path(path) == "/"
    await make_user(browser.platform)
    assert (await through_github(browser, github, path)).path == "/"


@pytest.mark.parametrize("path", ["/", "/events?tool=a%20b&x=//y", "/a/b#c"])
def test_paths_of_this_site_are_kept(path: str) -> None:
    assert local_path(path) == path


async def test_the_data_folder_holds_no_client_secret(
    browser: Browser, github: GitHubFake, settings: Settings, tmp_path: Path
) -> None:
    await make_user(browser.platform)
    await through_github(browser, github)
    assert found_in(tmp_path, re.compile(b"gho_|github-secret")) == []
    assert "github-secret" not in repr(settings)
