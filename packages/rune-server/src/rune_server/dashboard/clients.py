"""Where a request comes from, as sign-in and its limits want to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.auth.client import Client

if TYPE_CHECKING:
    from starlette.requests import Request

    from rune_server.platform import Platform


def client_of(platform: Platform, request: Request) -> Client:
    """The client, with the address that the server's own rules for proxies make out."""
    del platform
    address = request.client.host if request.client else ""
    return Client(address, request.headers.get("user-agent", "")[:300])
