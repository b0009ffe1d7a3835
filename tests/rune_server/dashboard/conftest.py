"""A demo server in a process of its own, and a real browser that reports what it does not like.

The server has edge, API and dashboard, TLS, encrypted stores: what ``rune up`` runs. Events come
in through ``/v1/events``. JavaScript errors, failed loads and violations of the content policy
fail the test in which they happen.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.dashboard.running import CHROMIUM, CHROMIUM_FLAGS, PERSONS, DemoServer, Person
from tests.rune_server.auth import github_fake, openid_fake
from tests.rune_server.post import running as running_post

from rune_server.dashboard import assets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page
    from tests.rune_server.auth.github_fake import GitHubFake
    from tests.rune_server.post import Post

_EVENTS = 2_500


def _missing(what: str) -> None:
    """Skip, naming what is missing; under CI nothing may be."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's chromium."""
    if not Path(CHROMIUM).exists():
        _missing("no chromium: apt-get install chromium")
    try:
        assets.ensure()
    except assets.AssetsError as error:
        _missing(str(error))
    return CHROMIUM


@pytest.fixture(scope="session")
def github() -> Iterator[GitHubFake]:
    """A GitHub that the server's people can sign in with; tests say who is at it."""
    with github_fake.Running() as found:
        yield found


@pytest.fixture(scope="session")
def google() -> Iterator[str]:
    """The issuer of an OpenID provider in Google's place. Subjects are named after roles."""
    people: dict[str, dict[str, object]] = {
        role: {"email": person.email, "email_verified": True, "name": person.name}
        for role, person in PERSONS.items()
    }
    people["unproven"] = {"email": PERSONS["owner"].email, "email_verified": False}
    people["stranger"] = {"email": "mallory@example.com", "email_verified": True}
    with openid_fake.running(people) as issuer:
        yield issuer


@pytest.fixture(scope="session")
def post() -> Iterator[Post]:
    """The mail server that the server sends through."""
    with running_post() as found:
        yield found


@pytest.fixture(scope="session")
def server(
    chromium: str,
    github: GitHubFake,
    google: str,
    post: Post,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DemoServer]:
    """One server for all tests: they change what is theirs, and leave the rest."""
    settings = {
        "github_client_id": github_fake.CLIENT_ID,
        "github_client_secret": github_fake.CLIENT_SECRET,
        "github_url": github.url,
        "github_api_url": f"{github.url}/api",
        "google_client_id": openid_fake.CLIENT_ID,
        "google_client_secret": openid_fake.CLIENT_SECRET,
        "google_issuer": google,
        "person_streams": "8",
        "smtp_dsn": post.dsn,
    }
    folder = tmp_path_factory.mktemp("demo")
    with DemoServer(folder, events=_EVENTS, days=3, settings=settings) as found:
        yield found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Gone when a module ends: while it runs, asyncio cannot start a loop on this thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield found
        found.close()


class Complaints(list[str]):
    """What browsers of a test did not like. ``expect`` takes out what the test causes itself."""

    def expect(self, part: str) -> None:
        """Forget complaints that contain ``part``; there must be one."""
        kept = [one for one in self if part not in one]
        assert len(kept) < len(self), f"nobody complained about {part!r}: {self}"
        self[:] = kept


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    found = Complaints()
    yield found
    assert not found, found


class Visit:
    """Somebody's browser window on the server."""

    def __init__(self, server: DemoServer, context: BrowserContext, complaints: Complaints) -> None:
        self.server = server
        self.context = context
        context.set_default_timeout(60_000)
        self.page: Page = context.new_page()
        self._complaints = complaints
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: complaints.append(f"JavaScript: {error}"))

    def _console(self, message: Any) -> None:
        # Another's page, a provider's say, may load what it likes.
        if message.type == "error" and self.page.url.startswith(self.server.url):
            self._complaints.append(f"{self.page.url}: {message.text}")

    def go(self, path: str) -> Page:
        """Open a page of the server."""
        self.page.goto(self.server.url + path)
        return self.page

    def sign_in(self, person: Person) -> Page:
        """Sign in as somebody."""
        page = self.go("/sign-in")
        page.get_by_label("Mail address").fill(person.email)
        page.get_by_label("Password").fill(person.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    @property
    def said(self) -> str:
        """What the page's message says."""
        return self.page.locator("#toasts [data-toast] span").first.inner_text()


@pytest.fixture
def visit(
    server: DemoServer, browser: Browser, complaints: Complaints
) -> Iterator[Callable[..., Visit]]:
    """Opens a browser window of its own: ``visit(scheme="dark", width=375)``."""
    contexts: list[BrowserContext] = []

    def opened(
        *, scheme: str = "light", width: int = 1280, height: int = 800, **options: Any
    ) -> Visit:
        context = browser.new_context(
            ignore_https_errors=True,
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": height},
            **options,
        )
        contexts.append(context)
        return Visit(server, context, complaints)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def sessions(server: DemoServer, browser: Browser) -> Callable[[Person], Any]:
    """The cookies of somebody who signed in once, so that not every test has to."""
    kept: dict[str, Any] = {}

    def state(person: Person) -> Any:
        if person.email not in kept:
            context = browser.new_context(ignore_https_errors=True)
            page = Visit(server, context, Complaints()).sign_in(person)
            kept[person.email] = page.context.storage_state()
            context.close()
        return kept[person.email]

    return state


@pytest.fixture
def as_role(visit: Callable[..., Visit], sessions: Callable[[Person], Any]) -> Callable[..., Visit]:
    """A window of somebody of a role who is signed in: ``as_role("viewer", scheme="dark")``."""

    def opened(role: str = "owner", **options: Any) -> Visit:
        return visit(storage_state=sessions(PERSONS[role]), **options)

    return opened


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's script, fetched by npm from a lock with hashes."""
    from rune_server.dashboard.assets.packages import npm_ci

    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(Path(__file__).parent / "axe" / name, folder / name)
    try:
        npm_ci(folder)
    except assets.AssetsError as error:
        _missing(str(error))
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@contextmanager
def no_request_fails(page: Page) -> Iterator[None]:
    """No request of the block is answered with 500 or more."""
    failed: list[str] = []
    page.on(
        "response",
        lambda answer: failed.append(answer.url) if answer.status >= 500 else None,
    )
    yield
    assert not failed, failed
