"""The gate: every request of an agent goes through here, and every answer leaves through here."""

from __future__ import annotations

import importlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from rune_server import actor, metrics
from rune_server.actor import Permission
from rune_server.edge import health
from rune_server.edge.call import Call
from rune_server.errors import (
    NotFoundError,
    ProblemError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from rune_server.failure import described
from rune_server.http import ClientGoneError, Request, send_problem
from rune_server.limits import Limit

if TYPE_CHECKING:
    from rune_server.auth.keys import KeyGrant
    from rune_server.edge.call import Handler
    from rune_server.http.request import Message, Receive, Scope, Send
    from rune_server.limits import Taken
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.edge")


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint.

    Attributes:
        name: For metrics and logs.
        target: ``module:coroutine function`` that takes a ``Call``.
        permission: What the key needs.
    """

    name: str
    target: str
    permission: Permission

    def load(self) -> Handler:
        """The handler."""
        module, _, function = self.target.partition(":")
        found: Handler = getattr(importlib.import_module(module), function)
        return found


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/v1/events"): Route(
        "events", "rune_server.edge.events:handle", Permission.EVENTS_WRITE
    ),
    **{
        (method, "/v1/policies"): Route(
            "policies", "rune_server.edge.policies:handle", Permission.POLICIES_READ
        )
        for method in ("GET", "HEAD")
    },
    ("GET", "/v1/stream"): Route(
        "stream", "rune_server.edge.stream:handle", Permission.POLICIES_READ
    ),
    ("POST", "/v1/status"): Route(
        "status", "rune_server.edge.status:handle", Permission.EVENTS_WRITE
    ),
}

_BAD_KEYS = Limit(per_second=1.0, burst=30)
"""Wrong keys from one address."""


class Edge:
    """The ASGI application of the edge."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        settings = platform.settings
        self._proxies = settings.trusted_proxies
        self._per_address = Limit(
            settings.ip_requests_per_second, 2 * settings.ip_requests_per_second
        )
        self._per_key = Limit(
            settings.key_requests_per_second, 2 * settings.key_requests_per_second
        )
        self._connections = settings.ip_connections
        self._handlers = {place: (route, route.load()) for place, route in ROUTES.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        status = 0
        route = "other"

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        request: Request | None = None
        call: Call | None = None
        problem: ProblemError | None = None
        try:
            request = Request(scope, self._proxies)
            if request.path in health.PATHS:
                route = "health"
                await health.answer(self._platform, request, sending)
                return
            found, handler = self._route(request)
            route = found.name
            with self._platform.limits.holding(f"open:{request.network}", self._connections) as ok:
                _require_place(ok)
                call = await self._admitted(request, receive, sending, found)
                await handler(call)
        except ClientGoneError:
            status = status or 499
        except ProblemError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - the rim: whatever it was, the caller gets an answer
            _log.error("request failed", route=route, error=described(error))
            problem = ProblemError("something went wrong on our side")
        finally:
            if problem is not None and not status:
                await send_problem(
                    sending,
                    problem,
                    call.headers if call else (),
                    request_id=request.id if request else secrets.token_hex(8),
                )
            self._note(route, status, time.perf_counter() - began, request, call, problem)

    def _route(self, request: Request) -> tuple[Route, Handler]:
        found = self._handlers.get((request.method, request.path))
        if found is None:
            raise NotFoundError("there is nothing here")
        return found

    async def _admitted(self, request: Request, receive: Receive, send: Send, route: Route) -> Call:
        """Let a request in, or say why not."""
        limits = self._platform.limits
        network = request.network
        taken = limits.take_here(f"address:{network}", self._per_address)
        _require(taken, "address", "too many requests from this address")
        grant = await self._grant(request)
        caller = actor.key(grant)
        caller.require(route.permission)
        taken = limits.take_here(f"key:{grant.key_id}", self._per_key)
        _require(taken, "key", "too many requests with this key")
        return Call(self._platform, request, receive, send, grant, caller, taken.headers())

    async def _grant(self, request: Request) -> KeyGrant:
        raw = request.header(b"x-rune-key")
        grant = await self._platform.keys.grant(raw) if raw else None
        if grant is not None:
            return grant
        taken = self._platform.limits.take_here(f"bad key:{request.network}", _BAD_KEYS)
        _require(taken, "bad_keys", "too many wrong keys from this address")
        if not raw:
            raise UnauthenticatedError("the header X-Rune-Key is missing", code="key_missing")
        raise UnauthenticatedError("the key is unknown, revoked or expired", code="key_unknown")

    def _note(
        self,
        route: str,
        status: int,
        seconds: float,
        request: Request | None,
        call: Call | None,
        problem: ProblemError | None,
    ) -> None:
        metrics.requests.labels(route, str(status)).inc()
        metrics.request_seconds.labels(route).observe(seconds)
        log = _log.info if status >= 400 else _log.debug
        log(
            "request",
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            request_id=request.id if request else None,
            organisation=str(call.grant.organisation_id) if call else None,
            key=str(call.grant.key_id) if call else None,
            code=problem.code if problem else None,
        )


def _require_place(held: bool) -> None:
    if not held:
        metrics.refused.labels("connections").inc()
        raise TooManyRequestsError("too many open requests from this address", retry_after=1)


def _require(taken: Taken, name: str, detail: str) -> None:
    if not taken.allowed:
        metrics.refused.labels(name).inc()
        raise TooManyRequestsError(detail, code=f"rate_limited_{name}", headers=taken.headers())


def app(platform: Platform) -> Edge:
    """The edge of an open platform."""
    return Edge(platform)
