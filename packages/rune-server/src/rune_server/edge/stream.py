"""``GET /v1/stream``: server-sent events that tell an SDK at once that its policies changed.

The first event says what the instance should have now, so nothing is missed between a poll and the
opening of the stream. After that an event comes with each change of what this very instance should
have, and a ping every 15 s. The key is looked at again with every ping and when it is revoked: a
stream does not outlive its key. Streams end when the process shuts down, and SDKs come back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from rune_server import metrics
from rune_server.actor import Permission
from rune_server.auth.keys import TOPIC as KEYS_TOPIC
from rune_server.edge.policies import instance_of
from rune_server.errors import TooManyRequestsError, UnavailableError
from rune_server.policies.bundle import bundle_for
from rune_server.policies.publish import topic

if TYPE_CHECKING:
    from rune_server.bus import Subscription
    from rune_server.edge.call import Call
    from rune_server.http.request import Receive

PING_SECONDS: Final = 15.0
RETRY_MS: Final = 2000
_FULL_SECONDS: Final = 60
_PING: Final = b": ping\n\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)


async def handle(call: Call) -> None:
    """Hold a stream open until the client goes, the key ends or the process stops.

    Raises:
        InvalidError: ``X-Rune-Instance`` is no instance id.
        TooManyRequestsError: The organisation's agents have too many open.
        UnavailableError: The state database does not answer.
    """
    instance = instance_of(call)
    most = call.platform.settings.organisation_streams
    with call.platform.limits.holding(f"agent streams:{call.grant.organisation_id}", most) as ok:
        if not ok:
            metrics.refused.labels("streams").inc()
            raise TooManyRequestsError(
                f"{most} streams to agents of this organisation are open here, which is the most: "
                "poll instead",
                code="too_many_streams",
                retry_after=_FULL_SECONDS,
            )
        await _hold(call, instance)


async def _hold(call: Call, instance: str) -> None:
    platform, organisation_id = call.platform, call.grant.organisation_id
    async with platform.bus.subscribe(topic(organisation_id), KEYS_TOPIC) as messages:
        # Subscribed first: what is published from here on is heard.
        revision = await _revision(call, instance)
        headers = [*_HEADERS, (b"x-request-id", call.request.id.encode())]
        await call.send({"type": "http.response.start", "status": 200, "headers": headers})
        first = b"retry: %d\n\n" % RETRY_MS + _event(revision)
        await call.send({"type": "http.response.body", "body": first, "more_body": True})
        tasks = [
            asyncio.create_task(_gone(call.receive), name="stream client"),
            asyncio.create_task(platform.stopping.wait(), name="stream stop"),
            asyncio.create_task(_tell(call, instance, revision, messages), name="stream"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(OSError):
            await call.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _tell(call: Call, instance: str, revision: str, messages: Subscription) -> None:
    """Send events and pings until the key ends or the bus is closed."""
    while not messages.ended:
        message = await messages.next(PING_SECONDS)
        try:
            if message is not None and message[0] == KEYS_TOPIC:
                if message[1] == str(call.grant.key_id).encode():
                    call.platform.keys.forget()
                    if not await _is_valid(call):
                        return
                continue
            # Before a ping: a key that has expired hears nothing more.
            if message is None and not await _is_valid(call):
                return
            now = await _revision(call, instance)
        except UnavailableError:
            # The database is away for a while; the stream stays, and the next ping looks again.
            now = revision
        if now != revision:
            revision = now
            await call.send({"type": "http.response.body", "body": _event(now), "more_body": True})
        elif message is None:
            await call.send({"type": "http.response.body", "body": _PING, "more_body": True})


async def _is_valid(call: Call) -> bool:
    found = await call.platform.keys.grant(call.request.header(b"x-rune-key") or "")
    return (
        found is not None
        and found.key_id == call.grant.key_id
        and Permission.POLICIES_READ in found.permissions
    )


async def _revision(call: Call, instance: str) -> str:
    return (await bundle_for(call.platform, call.grant.organisation_id, instance)).revision


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(revision: str) -> bytes:
    data = msgspec.json.encode({"revision": revision})
    return b"event: policies\ndata: " + data + b"\n\n"
