"""Is it alive, may it get requests, what does it count."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from rune_server import metrics
from rune_server.errors import ForbiddenError, NotFoundError, ProblemError
from rune_server.http import send_answer, send_json

if TYPE_CHECKING:
    from rune_server.http import Request
    from rune_server.http.request import Send
    from rune_server.platform import Platform

PATHS = frozenset(("/healthz", "/readyz", "/metrics"))
_SECONDS = 2.0


async def answer(platform: Platform, request: Request, send: Send) -> None:
    """Answer one of ``PATHS``.

    Raises:
        NotFoundError: Another method.
        ForbiddenError: Metrics, and neither the token nor this machine.
    """
    if request.method not in ("GET", "HEAD"):
        raise NotFoundError("there is nothing here")
    if request.path == "/healthz":
        await send_json(send, 200, {"status": "ok"}, request_id=request.id)
    elif request.path == "/readyz":
        checks = await readiness(platform)
        ready = all(checks[name] != "down" for name in ("state", "spool"))
        ready = ready and not platform.stopping.is_set()
        document = {"status": "ready" if ready else "not ready", "checks": checks}
        await send_json(send, 200 if ready else 503, document, request_id=request.id)
    else:
        _check_reader(platform, request)
        await send_answer(
            send,
            200,
            metrics.exposition(platform),
            [("content-type", metrics.CONTENT_TYPE)],
            request_id=request.id,
        )


async def readiness(platform: Platform) -> dict[str, str]:
    """Each store: ``up``, ``down``, or ``degraded`` when requests are served all the same.

    While ClickHouse is away events are accepted into the spool, and while Redis is away limits are
    counted here: neither takes a process out of service.
    """
    spool = platform.ingest.spool if platform.ingest is not None else None
    full = spool is not None and (spool.is_full or spool.failing_since is not None)
    shared = platform.limits.is_shared
    return {
        "state": "up" if await _state_answers(platform) else "down",
        "spool": "down" if full else "up",
        "analytics": "up" if platform.analytics.is_reachable else "degraded",
        "limits": "degraded" if shared is False else "up",
    }


async def _state_answers(platform: Platform) -> bool:
    try:
        async with asyncio.timeout(_SECONDS), platform.state.read() as session:
            await session.execute(text("SELECT 1"))
    except (ProblemError, SQLAlchemyError, OSError, TimeoutError):
        return False
    return True


def _check_reader(platform: Platform, request: Request) -> None:
    token = platform.settings.metrics_token
    if token:
        given = request.header(b"authorization")
        if hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return
        raise ForbiddenError("metrics need the token of RUNE_METRICS_TOKEN")
    try:
        if ipaddress.ip_address(request.address).is_loopback:
            return
    except ValueError:
        pass
    raise ForbiddenError("without RUNE_METRICS_TOKEN only this machine may read metrics")
