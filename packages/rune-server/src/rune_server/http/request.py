"""A request as it came: headers read once, its id, and who it is from."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from rune_server.errors import InvalidError
from rune_server.http.address import address_of, network_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Scope = MutableMapping[str, Any]

REQUEST_ID_HEADER = b"x-request-id"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_\-]{8,64}", re.ASCII)
_VALUE = re.compile(rb"[\x20-\x7e\t]*")
_ONCE = frozenset(
    (b"content-length", b"content-type", b"content-encoding", b"x-rune-key", b"x-rune-instance")
)


class ClientGoneError(Exception):
    """The client went away; there is nobody to answer."""


class Request:
    """One HTTP request.

    Attributes:
        method: In capitals.
        path: Without the query.
        headers: By lower-case name; of headers that come several times, the last.
        id: Its id: the client's when that looks like one, else a new one.
        address: IP address of the client, looked up behind trusted proxies.

    Args:
        scope: The ASGI scope.
        trusted_proxies: Networks whose ``X-Forwarded-For`` is believed.

    Raises:
        InvalidError: A header has control characters, or one that may come once comes twice.
    """

    __slots__ = ("address", "headers", "id", "method", "path", "scope")

    def __init__(self, scope: Scope, trusted_proxies: Sequence[str] = ()) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.id = secrets.token_hex(8)
        headers: dict[bytes, bytes] = {}
        self.headers = headers
        client = scope.get("client")
        peer = client[0] if client else ""
        self.address = peer
        for name, value in scope["headers"]:
            if name in headers and name in _ONCE:
                raise InvalidError(f"the header {name.decode('latin-1')} may come only once")
            headers[name] = value
        given = headers.get(REQUEST_ID_HEADER, b"")
        if _REQUEST_ID.fullmatch(given):
            self.id = given.decode()
        if b"x-forwarded-for" in headers:
            self.address = address_of(peer, scope["headers"], trusted_proxies)

    def header(self, name: bytes) -> str:
        """A header's value; empty when it is not there.

        Raises:
            InvalidError: It holds control characters or is no ASCII.
        """
        value = self.headers.get(name, b"")
        if not _VALUE.fullmatch(value):
            raise InvalidError(f"the header {name.decode()} holds characters that it cannot")
        return value.decode("ascii")

    @property
    def network(self) -> str:
        """What limits count: an IPv4 address, or an IPv6 network of 64 bits, as one person has."""
        return network_of(self.address)
