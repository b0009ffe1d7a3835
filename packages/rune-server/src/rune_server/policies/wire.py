"""``GET /v1/policies``: the bundle of the instance that asks, with an ETag, as SDKs poll it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rune_server.actor import Permission, key
from rune_server.errors import InvalidError
from rune_server.policies.bundle import body_of, bundle_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping

    from rune_server.auth.keys import KeyGrant
    from rune_server.platform import Platform

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

INSTANCE_HEADER = b"x-rune-instance"
_INSTANCE = re.compile(rb"[A-Za-z0-9_.:\-]{0,128}")


async def serve_policies(
    platform: Platform, grant: KeyGrant, scope: Scope, _receive: Receive, send: Send
) -> None:
    """Answer with the bundle, or 304 when the instance has it.

    Args:
        platform: The platform.
        grant: What the request's key allows; needs ``policies:read``.
        scope: The request, GET or HEAD.
        send: Where the answer goes.

    Raises:
        ForbiddenError: The key may not read policies.
        InvalidError: ``X-Rune-Instance`` is no instance id.
        UnavailableError: The state database does not answer.
    """
    key(grant).require(Permission.POLICIES_READ)
    bundle = await bundle_for(platform, grant.organisation_id, instance_of(scope))
    tag = f'"{bundle.revision}"'.encode()
    headers = [
        (b"etag", tag),
        # It depends on the key and the instance: no cache on the way may keep it.
        (b"cache-control", b"private, no-cache"),
        (b"vary", b"X-Rune-Key, X-Rune-Instance"),
    ]
    if _has(headers_of(scope, b"if-none-match"), tag):
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    body = body_of(platform, bundle)
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    shown = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": shown})


def instance_of(scope: Scope) -> str:
    """The instance that asks; empty when it does not say.

    Raises:
        InvalidError: What it says is no instance id.
    """
    said = next(headers_of(scope, INSTANCE_HEADER), b"")
    if not _INSTANCE.fullmatch(said):
        raise InvalidError("X-Rune-Instance: must be up to 128 letters, digits and . _ : -")
    return said.decode("ascii")


def headers_of(scope: Scope, name: bytes) -> Iterator[bytes]:
    """The values of a header."""
    return (value for key_, value in scope["headers"] if key_.lower() == name)


def _has(values: Iterable[bytes], tag: bytes) -> bool:
    """Whether a list of entity tags names this one (RFC 9110, weak comparison)."""
    tags = (each.strip().removeprefix(b"W/") for value in values for each in value.split(b","))
    return any(each in (tag, b"*") for each in tags)
