"""Who a request is from: its address, behind proxies that are trusted, and what limits count."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CACHED = 4096
_WITH_PORT = re.compile(r"\[(?P<six>[^\[\]]*)\](?::\d+)?|(?P<four>[\d.]+):\d+", re.ASCII)


def address_of(
    peer: str, headers: Iterable[tuple[bytes, bytes]], trusted_proxies: Sequence[str]
) -> str:
    """The client's address: the last one that no trusted proxy has.

    Every ``X-Forwarded-For`` counts, in order, as if they were one. It is read from the right, as
    far as trusted proxies wrote it: anybody may have written what stands left of that. A hop that
    is no IP address ends it too. ``[v6]:port`` and ``v4:port`` are read as the address.

    Args:
        peer: Address of the other end of the connection; of a Unix socket, anything.
        headers: The request's, with names in lower case.
        trusted_proxies: Networks whose ``X-Forwarded-For`` is believed.
    """
    if not trusted_proxies:
        return peer
    forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
    if not forwarded:
        return peer
    networks = tuple(trusted_proxies)
    address = peer
    for part in reversed(forwarded.split(b",")):
        hop = part.strip()
        if not hop:
            continue
        if not _is_trusted(address, networks):
            break
        known = _parsed(hop.decode("latin-1"))
        if known is None:
            break
        address = str(known)
    return address


@lru_cache(_CACHED)
def network_of(address: str) -> str:
    """What limits count: an IPv4 address, or an IPv6 network of 64 bits, as one person has.

    What is no address (the peer of a Unix socket) counts as it is; nothing, as ``unknown``.
    """
    found = _parsed(address)
    if found is None:
        return address or "unknown"
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _parsed(text: str) -> Address | None:
    """The address that a text gives, with or without a port."""
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match["six"] or match["four"] or ""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        # A socket that takes both kinds writes IPv4 so; all of it would be one network of 64 bits.
        return found.ipv4_mapped or found
    return found


@lru_cache(_CACHED)
def _is_trusted(address: str, networks: tuple[str, ...]) -> bool:
    found = _parsed(address)
    return found is not None and any(
        found in ipaddress.ip_network(network, strict=False) for network in networks
    )
