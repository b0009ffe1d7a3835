"""Answers: JSON, and problems (RFC 9457)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_server.errors import ProblemError
    from rune_server.http.request import Send

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_encode = msgspec.json.Encoder().encode
_FORBIDDEN = str.maketrans("", "", "\r\n\0")


async def send_answer(
    send: Send,
    status: int,
    body: bytes,
    headers: Iterable[tuple[str, str]] = (),
    *,
    request_id: str = "",
    without_body: bool = False,
) -> None:
    """Send a whole answer.

    Args:
        send: The ASGI channel.
        status: The HTTP status.
        body: The body.
        headers: Headers besides those that every answer has.
        request_id: The request's id.
        without_body: Only the headers: for HEAD.
    """
    raw = [
        (name.encode("latin-1"), value.translate(_FORBIDDEN).encode("latin-1", "replace"))
        for name, value in headers
    ]
    given = {name for name, _ in raw}
    raw.extend(pair for pair in SECURITY_HEADERS if pair[0] not in given)
    raw.append((b"content-length", str(len(body)).encode()))
    if request_id:
        raw.append((b"x-request-id", request_id.encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if without_body else body})


async def send_json(
    send: Send,
    status: int,
    document: object,
    headers: Iterable[tuple[str, str]] = (),
    *,
    request_id: str = "",
) -> None:
    """Send a JSON document."""
    await send_answer(
        send,
        status,
        _encode(document),
        [("content-type", "application/json"), *headers],
        request_id=request_id,
    )


async def send_problem(
    send: Send,
    problem: ProblemError,
    headers: Iterable[tuple[str, str]] = (),
    *,
    request_id: str = "",
) -> None:
    """Send a problem as its document, with its headers."""
    document = problem.document()
    if request_id:
        document["request_id"] = request_id
    own = problem.all_headers()
    names = {name for name, _ in own}
    await send_answer(
        send,
        problem.status,
        _encode(document),
        [*own, *(pair for pair in headers if pair[0] not in names)],
        request_id=request_id,
    )
