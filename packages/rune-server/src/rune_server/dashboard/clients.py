"""Where a request comes from, as sign-in and its limits want to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.auth.client import Client
from rune_server.http.request import Request

if TYPE_CHECKING:
    from starlette.requests import Request as StarletteRequest

    from rune_server.platform import Platform


def client_of(platform: Platform, request: StarletteRequest) -> Client:
    """The client, with the address that the server's own rules for proxies make out."""
    seen = Request(request.scope, platform.settings.trusted_proxies)
    return Client(seen.address, request.headers.get("user-agent", "")[:300])
