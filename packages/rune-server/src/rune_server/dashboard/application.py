"""The ASGI application: routes, who may pass, errors as pages, headers on everything."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match, Route

from rune_server.auth import csrf, sessions
from rune_server.dashboard.pages import PAGES
from rune_server.dashboard.reading import find_reading
from rune_server.dashboard.site import Site, make_site
from rune_server.dashboard.view import Page, View
from rune_server.errors import (
    ForbiddenError,
    NotFoundError,
    ProblemError,
    TooLargeError,
    UnauthenticatedError,
)
from rune_server.failure import described

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.dashboard")

MAX_FORM = 2_000_000
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class NoOrganisationError(ForbiddenError):
    """Signed in, and a member of nothing."""


def create(platform: Platform) -> ASGIApp:
    """The dashboard of a platform.

    Raises:
        AssetsError: The front-end packages are missing and cannot be fetched.
    """
    site = make_site(platform)
    routes = [(Route(page.path, _unrouted, methods=[page.method]), page) for page in PAGES]

    async def dashboard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/static/"):
            await site.static(scope, receive, send)
            return
        request = Request(scope, _bounded(receive))
        page, allowed = _find(routes, scope)
        answer = await _answer(site, request, page, allowed)
        await answer(scope, receive, _with_headers(send))

    return dashboard


async def _unrouted(request: Request) -> Response:
    raise NotImplementedError(request.url.path)


async def _nowhere(view: View) -> Response:
    raise NotFoundError(view.request.url.path)


def _find(routes: list[tuple[Route, Page]], scope: Scope) -> tuple[Page | None, bool]:
    """The page of an address; whether the address exists with another method."""
    partly = False
    for route, page in routes:
        match, found = route.matches(scope)
        if match is Match.FULL:
            scope.update(found)
            return page, True
        partly = partly or match is Match.PARTIAL
    return None, not partly


async def _answer(site: Site, request: Request, page: Page | None, allowed: bool) -> Response:
    view = View(request, site, page or Page("", _nowhere, public=True), site.platform.clock.now())
    try:
        await _admit(view, page, allowed)
        return await view.page.handler(view)
    except ProblemError as error:
        return _problem(view, error)
    except HTTPException as error:
        return _page(view, error.status_code, error.detail, "")
    except Exception as error:  # noqa: BLE001 - the rim: nothing of a fault reaches the reader
        _log.error("page failed", path=view.page.path, fault=described(error))
        return _page(view, 500, "Something broke on our side", "It was logged. Try again.")


async def _admit(view: View, page: Page | None, allowed: bool) -> None:
    """Find out who reads, and refuse whom the page is not for."""
    if page is None:
        raise NotFoundError("there is no such page") if allowed else HTTPException(405)
    view.signed_in = sessions.current(view.request)
    if page.method == "POST":
        await csrf.require(view.platform, view.request)
    if view.signed_in is None:
        if not page.public:
            raise UnauthenticatedError("sign in to see this")
        return
    try:
        view.reading = await find_reading(view.site, view.request, view.signed_in)
    except ForbiddenError:
        # The organisation insists on a second factor, which the account page sets up.
        if not (page.public or page.personal):
            raise
    if page.public or page.personal:
        return
    if view.reading is None:
        raise NoOrganisationError("you belong to no organisation yet")
    if page.needs is not None:
        view.actor.require(page.needs)


def _problem(view: View, error: ProblemError) -> Response:
    if isinstance(error, UnauthenticatedError) and not view.wants_part:
        if view.request.method == "GET":
            target = view.request.url.path
            if view.request.url.query:
                target += "?" + view.request.url.query
            return RedirectResponse(f"/sign-in?next={quote(target)}", 303)
        return RedirectResponse("/sign-in", 303)
    if error.code == "second_factor_required":
        return view.go("/settings/account", error.detail, "bad")
    if isinstance(error, NoOrganisationError):
        return RedirectResponse("/organisations/new", 303)
    answer = _page(view, error.status, error.title, error.detail)
    for name, value in error.all_headers():
        if name != "content-type":
            answer.headers[name] = value
    return answer


def _page(view: View, status: int, title: str, detail: str) -> Response:
    if view.wants_part:
        text = view.draw("parts/problem.html", title=title, detail=detail)
        answer = HTMLResponse(text, status)
        answer.headers["x-problem"] = quote(detail or title, safe=" ,.:;()'/")
        return answer
    return HTMLResponse(
        view.draw("error.html", status=status, title=title, detail=detail, theme=view.theme), status
    )


def _bounded(receive: Receive) -> Receive:
    """A form's body, no longer than a policy with its cases: more is refused while it comes."""
    taken = 0

    async def receiving() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_FORM:
            raise TooLargeError(f"a form has at most {MAX_FORM:,} bytes")
        return message

    return receiving


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in HEADERS if name not in names]
            if b"cache-control" not in names:
                headers.append((b"cache-control", b"private, no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return sending
