"""Cookies that only this host sets, only TLS carries and no script reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_HEADER = 16_384


def cookie(name: str, value: str, *, seconds: int) -> str:
    """A ``Set-Cookie`` value.

    ``__Host-`` makes browsers insist on Secure, Path=/ and no Domain, so that no other host, not
    even a subdomain, can plant one. Lax, since the way back from GitHub and Google is a
    navigation.
    """
    assert name.startswith("__Host-"), name
    return f"{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"


def expired(name: str) -> str:
    """A ``Set-Cookie`` value that removes a cookie."""
    return cookie(name, "", seconds=0)


def parse(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The cookies of a request. One that comes twice counts as none: somebody planted one."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for name, value in headers:
        if name != b"cookie" or len(value) > _MAX_HEADER:
            continue
        for part in value.decode("latin-1").split(";"):
            key, equals, text = part.strip().partition("=")
            if not equals:
                continue
            if key in found:
                twice.add(key)
            found[key] = text.strip('"')
    return {key: text for key, text in found.items() if key not in twice}
