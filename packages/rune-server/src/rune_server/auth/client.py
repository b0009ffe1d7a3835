"""Who a request comes from, as far as sign-in needs to know."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
        if ":" not in self.address:
            return self.address
        return ":".join(re.split(":", self.address)[:4])
