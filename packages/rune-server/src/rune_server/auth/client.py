"""Who a request comes from, as far as sign-in needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rune_server.http.address import address_of, network_of

if TYPE_CHECKING:
    from starlette.types import Scope

    from rune_server.settings import Settings

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
    ("python-httpx", "Python"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Client:
    """Where a sign-in comes from.

    Attributes:
        address: IP address, proxies that are trusted already looked through.
        agent: The User-Agent header.
    """

    address: str = ""
    agent: str = ""

    @property
    def browser(self) -> str:
        """Such as ``Firefox on Linux``: enough to recognise one's own, no fingerprint."""
        browser = next((name for mark, name in _BROWSERS if mark in self.agent), "another program")
        system = next((name for mark, name in _SYSTEMS if mark in self.agent), "")
        return f"{browser} on {system}" if system else browser

    @property
    def network(self) -> str:
        """What limits count: an IPv4 address, or an IPv6 network of 64 bits, as one person has."""
        return network_of(self.address)


def client_of(settings: Settings, scope: Scope) -> Client:
    """The client of a request. ``X-Forwarded-For`` counts only from proxies that are trusted."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    agent = next((value for name, value in reversed(headers) if name == b"user-agent"), b"")
    peer = scope.get("client")
    address = address_of(peer[0] if peer else "", headers, settings.trusted_proxies)
    return Client(address, agent.decode("latin-1")[:512])
