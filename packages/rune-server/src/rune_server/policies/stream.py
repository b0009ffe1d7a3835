"""``GET /v1/stream``: server-sent events that tell an SDK at once that its policies changed.

The first event says what the instance should have now, so nothing is missed between a poll and the
opening of the stream. After that an event comes with each change of what this very instance should
have, and a ping every 15 s. The key is looked at again with every ping and whenever keys change:
a stream does not outlive its key. Streams end when the process shuts down, and SDKs come back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from rune_server.actor import Permission, key
from rune_server.errors import UnavailableError
from rune_server.policies.bundle import bundle_for
from rune_server.policies.publish import topic
from rune_server.policies.wire import headers_of, instance_of

if TYPE_CHECKING:
    from uuid import UUID

    from rune_server.auth.keys import KeyGrant
    from rune_server.bus import Subscription
    from rune_server.platform import Platform
    from rune_server.policies.wire import Receive, Scope, Send

KEYS_TOPIC: Final = "keys"
KEY_HEADER: Final = b"x-rune-key"
PING_SECONDS: Final = 15.0
RETRY_MS: Final = 2000
_PING: Final = b": ping\n\n"


async def serve_stream(
    platform: Platform, grant: KeyGrant, scope: Scope, receive: Receive, send: Send
) -> None:
    """Hold a stream open until the client goes, the key ends or the process stops.

    Args:
        platform: The platform.
        grant: What the request's key allows; needs ``policies:read``.
        scope: The request.
        receive: Says when the client is gone.
        send: Where events go.

    Raises:
        ForbiddenError: The key may not read policies.
        InvalidError: ``X-Rune-Instance`` is no instance id.
        UnavailableError: The state database does not answer.
    """
    key(grant).require(Permission.POLICIES_READ)
    instance = instance_of(scope)
    raw_key = next(headers_of(scope, KEY_HEADER), b"").decode("latin-1")
    organisation_id = grant.organisation_id
    async with platform.bus.subscribe(topic(organisation_id), KEYS_TOPIC) as messages:
        # Subscribed first: what is published from here on is heard.
        revision = await _revision(platform, organisation_id, instance)
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        first = b"retry: %d\n\n" % RETRY_MS + _event(revision)
        await send({"type": "http.response.body", "body": first, "more_body": True})
        ends = [
            asyncio.create_task(_gone(receive), name="stream client"),
            asyncio.create_task(platform.stopping.wait(), name="stream stop"),
        ]
        telling = asyncio.create_task(
            _tell(platform, raw_key, grant, instance, revision, messages, send),
            name="stream",
        )
        try:
            await asyncio.wait([*ends, telling], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*ends, telling):
                task.cancel()
            await asyncio.gather(*ends, telling, return_exceptions=True)
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _tell(
    platform: Platform,
    raw_key: str,
    grant: KeyGrant,
    instance: str,
    revision: str,
    messages: Subscription,
    send: Send,
) -> None:
    """Send events and pings until the key ends or the bus is closed."""
    while not messages.ended:
        message = await messages.next(PING_SECONDS)
        try:
            if message is not None and message[0] == KEYS_TOPIC:
                if message[1] == str(grant.key_id).encode():
                    platform.keys.forget()
                    if not await _is_valid(platform, raw_key, grant):
                        return
                continue
            # Before a ping: a key that has expired hears nothing more.
            if message is None and not await _is_valid(platform, raw_key, grant):
                return
            now = await _revision(platform, grant.organisation_id, instance)
        except UnavailableError:
            # The database is away for a while; the stream stays, and the next ping looks again.
            now = revision
        if now != revision:
            revision = now
            await send({"type": "http.response.body", "body": _event(now), "more_body": True})
        elif message is None:
            await send({"type": "http.response.body", "body": _PING, "more_body": True})


async def _is_valid(platform: Platform, raw_key: str, grant: KeyGrant) -> bool:
    found = await platform.keys.grant(raw_key)
    return (
        found is not None
        and found.key_id == grant.key_id
        and Permission.POLICIES_READ in found.permissions
    )


async def _revision(platform: Platform, organisation_id: UUID, instance: str) -> str:
    return (await bundle_for(platform, organisation_id, instance)).revision


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(revision: str) -> bytes:
    data = msgspec.json.encode({"revision": revision})
    return b"event: policies\ndata: " + data + b"\n\n"
