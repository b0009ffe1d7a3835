"""Who a request comes from, as far as sign-in needs to know."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        try:
            found = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address
        if found.version == 4:
            return str(found)
        return str(ipaddress.ip_network((found, 64), strict=False))


def client_of(settings: Settings, scope: Scope) -> Client:
    """The client of a request. ``X-Forwarded-For`` counts only from proxies that are trusted."""
    agent = forwarded = ""
    for name, value in scope["headers"]:
        if name == b"user-agent":
            agent = value.decode("latin-1")
        elif name == b"x-forwarded-for":
            forwarded = f"{forwarded},{value.decode('latin-1')}"
    peer = scope.get("client")
    return Client(_address(settings, peer[0] if peer else "", forwarded), agent[:512])


def _address(settings: Settings, peer: str, forwarded: str) -> str:
    """The last address that no trusted proxy has; anybody may have written those before."""
    trusted = [ipaddress.ip_network(network) for network in settings.trusted_proxies]
    address = peer
    for hop in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        try:
            known = ipaddress.ip_address(address)
            if not any(known in network for network in trusted):
                break
            address = str(ipaddress.ip_address(hop))
        except ValueError:
            break
    return address
