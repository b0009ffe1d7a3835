"""Finds out who sends a request, once, before dashboard and API see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rune_server.auth import cookies, csrf, sessions
from rune_server.auth.keys import HEADER as KEY_HEADER
from rune_server.errors import ProblemError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rune_server.platform import Platform


class Authentication:
    """ASGI middleware: puts the signed-in person into the scope, renews their token.

    Requests with an API key are left alone: a key and a cookie never mix.
    """

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app = app
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        raw: list[tuple[bytes, bytes]] = scope["headers"]
        scope[sessions.SCOPE_KEY] = None
        if any(name in (KEY_HEADER, b"authorization") for name, _ in raw):
            await self._app(scope, receive, send)
            return
        given = cookies.parse(raw)
        try:
            if given:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
                csrf.require_same_origin(self._platform, scope["method"], headers)
            found, to_set = await sessions.authenticate(self._platform, given)
        except ProblemError as problem:
            await _answer(problem, send)
            return
        scope[sessions.SCOPE_KEY] = found

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and to_set:
                present = {
                    value.partition(b"=")[0]
                    for name, value in message.get("headers", ())
                    if name.lower() == b"set-cookie"
                }
                # What the page itself says about a cookie, as at sign-in and sign-out, stands.
                added = [
                    (b"set-cookie", value.encode("latin-1"))
                    for value in to_set
                    if value.partition("=")[0].encode() not in present
                ]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await self._app(scope, receive, sending)


async def _answer(problem: ProblemError, send: Send) -> None:
    headers: list[Any] = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in problem.all_headers()
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem.document())})
