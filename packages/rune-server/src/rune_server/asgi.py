"""One ASGI application per role: who answers which path.

Agents speak to the edge (``/v1/events``, ``/v1/policies``, ``/v1/stream``, ``/v1/status``),
programs to the management API (the rest of ``/v1``), people to the dashboard (everything else).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rune_server import security_txt
from rune_server.auth import web
from rune_server.auth.middleware import Authentication
from rune_server.platform import Platform, Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

EDGE_ROUTES = frozenset(
    (
        ("POST", "/v1/events"),
        ("GET", "/v1/policies"),
        ("HEAD", "/v1/policies"),
        ("GET", "/v1/stream"),
        ("POST", "/v1/status"),
    )
)
HEALTH_PATHS = frozenset(("/healthz", "/readyz", "/metrics"))
HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


def application(platform: Platform) -> App:
    """The application of the platform's role. The platform is open; lifespan is the caller's."""
    role = platform.role
    edge = _load("rune_server.edge", platform)
    if role is Role.EDGE:
        return _with_hsts(edge)
    if role is Role.WORKER:
        return _with_hsts(_only_health(edge))
    # Agents' endpoints are an edge's: a web process has no spool to put events in.
    agents = edge if role is Role.ALL else _only_health(edge)
    api = Authentication(_load("rune_server.api", platform), platform)
    sign_in = web.app(platform)
    dashboard = Authentication(_load("rune_server.dashboard", platform), platform)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if path in HEALTH_PATHS or (scope.get("method"), path) in EDGE_ROUTES:
            await agents(scope, receive, send)
        elif path == security_txt.PATH:
            await security_txt.answer(platform)(scope, receive, send)
        elif path in web.PATHS or path in web.CALLBACKS:
            await sign_in(scope, receive, send)
        elif path.startswith("/v1/") or path == "/v1":
            await api(scope, receive, send)
        else:
            await dashboard(scope, receive, send)

    return _with_hsts(route)


def _only_health(edge: App) -> App:
    """For probes and Prometheus; whatever else an edge answers is not there."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") not in HEALTH_PATHS:
            scope = {**scope, "path": "/", "method": "GET"}
        await edge(scope, receive, send)

    return route


def _load(module: str, platform: Platform) -> App:
    """``app(platform)`` of a folder."""
    found: App = importlib.import_module(module).app(platform)
    return found


def _with_hsts(app: App) -> App:
    """Browsers that came once over TLS never try without it again."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), HSTS]
            await send(message)

        await app(scope, receive, sending if scope["type"] == "http" else send)

    return wrapped
