"""Signing in with GitHub and Google in a browser, at providers that speak the real protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.dashboard.running import PERSONS
from tests.rune_server.auth import openid_fake

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from tests.rune_server.auth.github_fake import GitHubFake
    from tests.rune_server.dashboard.conftest import Complaints, Visit

pytestmark = pytest.mark.filterwarnings(openid_fake.WARNING)
PROVIDERS = {"github": "GitHub", "google": "Google"}


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, github: GitHubFake) -> str:
    """Each provider, with the viewer at it."""
    at_github(github, PERSONS["viewer"].email)
    name: str = request.param
    return name


def at_github(github: GitHubFake, email: str, *, verified: bool = True) -> None:
    """Who is signed in at GitHub now: another account for each address."""
    github.user = {"id": sum(email.encode()), "login": "somebody", "name": None}
    github.emails = [{"email": email, "verified": verified, "primary": True}]


def at_provider(window: Visit, provider: str, path: str = "/sign-in") -> Page:
    """Go to a provider's own page."""
    page = window.go(path)
    page.get_by_role("link", name=f"Continue with {PROVIDERS[provider]}").click()
    page.wait_for_url(lambda url: not url.startswith(window.server.url))
    return page


def agree(page: Page, provider: str, subject: str = "viewer") -> None:
    """Agree there, as the person of ``subject``."""
    if provider == "github":
        page.get_by_role("link", name="Authorize").click()
    else:
        page.get_by_role("textbox").fill(subject)
        page.get_by_role("button", name="Authorize").click()


def refuse(page: Page, provider: str) -> None:
    if provider == "github":
        page.get_by_role("link", name="Cancel").click()
    else:
        page.get_by_role("button", name="Deny").click()


def is_signed_in(window: Visit) -> bool:
    return "/sign-in" not in window.go("/settings/account").url


def test_an_account_that_exists_is_signed_in_to_and_linked(
    visit: Callable[..., Visit],
    as_role: Callable[..., Visit],
    github: GitHubFake,
    provider: str,
) -> None:
    """The page that was asked for is shown, as the member who has a password here too."""
    window = visit()
    page = at_provider(window, provider, "/sign-in?next=/agents")
    agree(page, provider)
    page.wait_for_url(f"{window.server.url}/agents")
    page = window.go("/settings/account")
    you = page.get_by_label("You", exact=True)
    assert f"{PERSONS['viewer'].email}, signed in by {provider}." in you.inner_text()
    assert page.get_by_label("Name", exact=True).input_value() == PERSONS["viewer"].name
    # Once linked it is the account, whatever its address there.
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in")
    github.emails[0]["email"] = "new@example.com"
    agree(at_provider(window, provider), provider)
    page.wait_for_url(f"{window.server.url}/")
    log = as_role("owner").go("/audit?action=user.").locator("tbody tr", has_text="identity added")
    assert log.filter(has_text=f'"provider": "{provider}"').count() == 1


def test_refused_at_the_provider(visit: Callable[..., Visit], provider: str) -> None:
    window = visit()
    page = at_provider(window, provider)
    refuse(page, provider)
    page.wait_for_url(f"{window.server.url}/sign-in?problem=oauth")
    assert page.get_by_text("Signing in there did not work. Try again.").is_visible()
    assert not is_signed_in(window)


def test_the_way_back_works_once_and_in_one_browser(
    visit: Callable[..., Visit], github: GitHubFake, provider: str
) -> None:
    """State replay: the address of the way back is worth nothing, used or not."""
    window, other = visit(), visit()
    ways_back: list[str] = []
    window.page.on(
        "request", lambda sent: ways_back.append(sent.url) if "/callback?" in sent.url else None
    )
    agree(at_provider(window, provider), provider)
    window.page.wait_for_url(f"{window.server.url}/")
    [used] = ways_back
    assert "state=" in used
    page = window.page
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in")
    for again in (window, other):
        again.go(used.removeprefix(window.server.url))
        assert again.page.url == f"{window.server.url}/sign-in?problem=oauth"
        assert not is_signed_in(again)
    # Unused, but of the first browser: it must not sign the second one in.
    ask = window.context.request
    away = ask.get(f"{window.server.url}/sign-in/{provider}", max_redirects=0).headers["location"]
    if provider == "github":
        unused = github.authorize(away)
    else:
        agreed = ask.post(away, form={"sub": "viewer"}, max_redirects=0)
        unused = agreed.headers["location"]
    other.go(unused.removeprefix(window.server.url))
    assert other.page.url == f"{window.server.url}/sign-in?problem=oauth"
    assert not is_signed_in(other)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("stranger", "There is no account for you here. Ask for an invitation."),
        ("unproven", "Signing in there did not work. Try again."),
    ],
)
def test_people_that_it_does_not_let_in(
    visit: Callable[..., Visit], github: GitHubFake, provider: str, who: str, said: str
) -> None:
    """Nobody known here; and an owner's address that the provider does not vouch for."""
    if who == "stranger":
        at_github(github, "mallory@example.com")
    else:
        at_github(github, PERSONS["owner"].email, verified=False)
    window = visit()
    agree(at_provider(window, provider), provider, who)
    window.page.wait_for_url("**/sign-in?problem=*")
    assert window.page.get_by_text(said).is_visible()
    assert not is_signed_in(window)


def test_a_provider_that_is_down(
    visit: Callable[..., Visit], github: GitHubFake, complaints: Complaints
) -> None:
    at_github(github, PERSONS["viewer"].email)
    window = visit()
    page = at_provider(window, "github")
    github.broken = True
    try:
        agree(page, "github")
        page.wait_for_url("**/sign-in?problem=oauth")
    finally:
        github.broken = False
    assert not is_signed_in(window)
