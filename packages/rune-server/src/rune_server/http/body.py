"""Bodies within bounds: how long, how slow, and how much comes out when they are decompressed."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import zstandard

from rune_server.errors import (
    InvalidError,
    RequestTimeoutError,
    TooLargeError,
    UnsupportedError,
)
from rune_server.http.request import ClientGoneError

if TYPE_CHECKING:
    from rune_server.http.request import Receive, Request

_MAX_WINDOW = 8 * 1024 * 1024
"""Largest zstd window: what a frame may make us allocate before it yields a byte."""
_ZSTD_STEP = 256
"""Bytes given to zstd at once. A block of 4 bytes can become 128 KiB, so this bounds a bomb's."""
_ENCODINGS = [("accept-encoding", "gzip, zstd")]


async def read_body(request: Request, receive: Receive, *, most: int, seconds: float) -> bytes:
    """Read a whole body.

    Args:
        request: The request.
        receive: The ASGI channel.
        most: Most bytes.
        seconds: How long all of it may take.

    Raises:
        InvalidError: Content-Length is no number, or not the length.
        TooLargeError: It is longer; said before reading it, where Content-Length tells.
        RequestTimeoutError: It came too slowly.
        ClientGoneError: The client went away.
    """
    announced = _announced(request)
    if announced is not None and announced > most:
        raise _too_large(most)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                piece = message.get("body", b"")
                size += len(piece)
                if size > most:
                    raise _too_large(most)
                pieces.append(piece)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise RequestTimeoutError(
            f"the body took longer than {seconds:g} seconds", headers=[("connection", "close")]
        ) from None
    if announced is not None and size != announced:
        raise InvalidError("the body is not as long as Content-Length says")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def decoded_body(request: Request, body: bytes, *, most: int) -> bytes:
    """Undo Content-Encoding, never making more than ``most`` bytes.

    Raises:
        UnsupportedError: An encoding that is not spoken here, or more than one.
        InvalidError: It is not what the header says.
        TooLargeError: More comes out of it.
    """
    encoding = request.header(b"content-encoding").strip().lower()
    if encoding in ("", "identity"):
        if len(body) > most:
            raise _too_large(most)
        return body
    if encoding in ("gzip", "x-gzip"):
        return _gunzip(body, most)
    if encoding == "zstd":
        return _unzstd(body, most)
    raise UnsupportedError(
        "Content-Encoding: only gzip, zstd and identity are spoken, one at a time",
        headers=_ENCODINGS,
    )


def media_type(request: Request) -> tuple[str, str]:
    """Content-Type's type, and its charset; both in lower case, both empty when it is not there."""
    kind, _, rest = request.header(b"content-type").lower().partition(";")
    charset = ""
    for parameter in rest.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip().strip('"')
    return kind.strip(), charset


def _announced(request: Request) -> int | None:
    text = request.header(b"content-length")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidError("Content-Length is no number")
    return int(text)


def _gunzip(body: bytes, most: int) -> bytes:
    opened = zlib.decompressobj(31)
    try:
        plain = opened.decompress(body, most + 1)
    except zlib.error:
        raise InvalidError("the body is no gzip", code="encoding_invalid") from None
    if len(plain) > most:
        raise _decoded_too_large(most)
    if not opened.eof:
        raise InvalidError("the body's gzip ends too early", code="encoding_invalid")
    if opened.unused_data:
        raise InvalidError("something follows the body's gzip", code="encoding_invalid")
    return plain


def _unzstd(body: bytes, most: int) -> bytes:
    opened = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj()
    pieces: list[bytes] = []
    size = 0
    try:
        announced = zstandard.frame_content_size(body)
        if announced > most:
            raise _decoded_too_large(most)
        for begin in range(0, len(body), _ZSTD_STEP):
            pieces.append(opened.decompress(body[begin : begin + _ZSTD_STEP]))
            size += len(pieces[-1])
            if size > most:
                raise _decoded_too_large(most)
            if opened.eof:
                break
    except zstandard.ZstdError:
        raise InvalidError("the body is no zstd", code="encoding_invalid") from None
    if not opened.eof:
        raise InvalidError("the body's zstd ends too early", code="encoding_invalid")
    if opened.unused_data or begin + _ZSTD_STEP < len(body):
        raise InvalidError("something follows the body's zstd", code="encoding_invalid")
    return b"".join(pieces)


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(
        f"the body is longer than {most} bytes: send fewer events at a time",
        headers=[("connection", "close")],
    )


def _decoded_too_large(most: int) -> TooLargeError:
    return TooLargeError(
        f"the body is longer than {most} bytes when decompressed", code="decoded_too_large"
    )
