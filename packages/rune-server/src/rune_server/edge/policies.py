"""``GET /v1/policies``: the bundle of the instance that asks, with an ETag, as SDKs poll it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rune_server.errors import InvalidError
from rune_server.http import send_answer
from rune_server.policies.bundle import body_of, bundle_for

if TYPE_CHECKING:
    from rune_server.edge.call import Call

_INSTANCE: Final = re.compile(r"[A-Za-z0-9_.:\-]{0,128}", re.ASCII)


async def handle(call: Call) -> None:
    """Answer with the bundle, or 304 when the instance has it.

    Raises:
        InvalidError: ``X-Rune-Instance`` is no instance id.
        UnavailableError: The state database does not answer.
    """
    bundle = await bundle_for(call.platform, call.grant.organisation_id, instance_of(call))
    tag = f'"{bundle.revision}"'
    headers = [
        *call.headers,
        ("etag", tag),
        # It depends on the key and the instance: no cache on the way may keep it.
        ("cache-control", "private, no-cache"),
        ("vary", "X-Rune-Key, X-Rune-Instance"),
    ]
    request_id = call.request.id
    if _has(call.request.header(b"if-none-match"), tag):
        await send_answer(call.send, 304, b"", headers, request_id=request_id, without_body=True)
        return
    await send_answer(
        call.send,
        200,
        body_of(call.platform, bundle),
        [*headers, ("content-type", "application/json")],
        request_id=request_id,
        without_body=call.request.method == "HEAD",
    )


def instance_of(call: Call) -> str:
    """The instance that asks; empty when it does not say.

    Raises:
        InvalidError: What it says is no instance id.
    """
    said = call.request.header(b"x-rune-instance") or ""
    if not _INSTANCE.fullmatch(said):
        raise InvalidError("X-Rune-Instance: must be up to 128 letters, digits and . _ : -")
    return said


def _has(values: str | None, tag: str) -> bool:
    """Whether a list of entity tags names this one (RFC 9110, weak comparison)."""
    tags = (each.strip().removeprefix("W/") for each in (values or "").split(","))
    return any(each in (tag, "*") for each in tags)
