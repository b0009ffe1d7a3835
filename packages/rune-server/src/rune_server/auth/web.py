"""What of signing in is neither a page nor the API: OAuth's way out and back, and the JWKS."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, Router

from rune_server.auth import cookies, oauth
from rune_server.auth.client import client_of
from rune_server.errors import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from rune_server.platform import Platform

JWKS_PATH = "/.well-known/jwks.json"
PATHS = frozenset((JWKS_PATH, "/sign-in/github", "/sign-in/google"))
CALLBACKS = frozenset(("/sign-in/github/callback", "/sign-in/google/callback"))


def app(platform: Platform) -> ASGIApp:
    """An ASGI application for ``PATHS`` and ``CALLBACKS``."""

    async def jwks(request: Request) -> Response:
        del request
        return JSONResponse(
            await platform.signing.jwks(), headers={"cache-control": "public, max-age=300"}
        )

    async def begin(request: Request) -> Response:
        try:
            away = await oauth.begin(
                platform,
                request.path_params["name"],
                request.query_params.get("next", "/"),
                client_of(platform.settings, request.scope),
            )
        except ProblemError as problem:
            return _back_to_sign_in(problem)
        return _redirect(away.url, away.cookies)

    async def complete(request: Request) -> Response:
        try:
            back = await oauth.complete(
                platform,
                request.path_params["name"],
                request.query_params,
                cookies.parse(request.scope["headers"]),
                client_of(platform.settings, request.scope),
            )
        except ProblemError as problem:
            return _back_to_sign_in(problem)
        if not back.step.done:
            path = f"/sign-in/second-factor?next={quote(back.path)}"
            return _redirect(path, back.step.cookies)
        return _redirect(back.path, back.step.cookies)

    return Router(
        [
            Route(JWKS_PATH, jwks),
            Route("/sign-in/{name}", begin),
            Route("/sign-in/{name}/callback", complete),
        ]
    )


def _redirect(url: str, to_set: Iterable[str]) -> Response:
    answer = RedirectResponse(url, 303, headers={"cache-control": "no-store"})
    for value in to_set:
        answer.headers.append("set-cookie", value)
    return answer


def _back_to_sign_in(problem: ProblemError) -> Response:
    """The sign-in page says what went wrong by the code; the address holds no text to show."""
    return _redirect(f"/sign-in?problem={quote(problem.code)}", (cookies.expired(oauth.COOKIE),))
