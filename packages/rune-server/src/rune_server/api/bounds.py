"""Bounds and headers of every request and answer of the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rune_server.errors import (
    InvalidError,
    ProblemError,
    RequestTimeoutError,
    TooLargeError,
    TooManyRequestsError,
    UnsupportedError,
)
from rune_server.http import Request
from rune_server.limits import Limit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rune_server.limits import Taken
    from rune_server.platform import Platform

NETWORK: Final = "rune.network"
"""Where in the scope stands whom a request is from, as limits count."""
MAX_BODY: Final = 8 * 1024 * 1024
"""A policy of a megabyte, with every character escaped."""
MAX_QUERY: Final = 16_384
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


class Bounds:
    """ASGI middleware: reads bodies within bounds, and puts the security headers on answers."""

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app = app
        self._platform = platform
        self._seconds = platform.settings.body_timeout_seconds
        rate = platform.settings.ip_requests_per_second
        self._per_address = Limit(rate, 2 * rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", ())}
                added = [pair for pair in _HEADERS if pair[0] not in given]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        try:
            request = Request(scope, self._platform.settings.trusted_proxies)
            scope[NETWORK] = request.network
            require(
                self._platform.limits.take_here(f"address:{request.network}", self._per_address),
                "address",
                "too many requests from this address",
            )
            _check(scope)
            body = await self._body(receive)
        except ProblemError as problem:
            await _answer(problem, sending)
            return
        if body is None:
            return
        await self._app(scope, _replay(body, receive), sending)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None when the client went away."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > MAX_BODY:
                        raise TooLargeError(f"the body is longer than {MAX_BODY:,} bytes")
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise RequestTimeoutError("the body came too slowly") from None


def require(taken: Taken, name: str, detail: str) -> None:
    """Go on only within a limit.

    Raises:
        TooManyRequestsError: It is used up.
    """
    if not taken.allowed:
        raise TooManyRequestsError(detail, code=f"rate_limited_{name}", headers=taken.headers())


def _check(scope: Scope) -> None:
    if len(scope.get("query_string", b"")) > MAX_QUERY:
        raise InvalidError(f"the query is longer than {MAX_QUERY:,} bytes")
    if "\0" in scope["path"]:
        raise InvalidError("the path must not contain NUL")
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.lower() not in (b"", b"identity"):
            raise UnsupportedError("compressed bodies are taken by POST /v1/events alone")
        if name == b"content-length" and value.isdigit() and int(value[:20]) > MAX_BODY:
            raise TooLargeError(f"the body is longer than {MAX_BODY:,} bytes")


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replaying() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replaying


async def _answer(problem: ProblemError, send: Send) -> None:
    headers: list[Any] = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in problem.all_headers()
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem.document())})
