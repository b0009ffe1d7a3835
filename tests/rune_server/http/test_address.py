"""Who a request is from: the same for sign-in as for the edge's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rune_server import settings as server_settings
from rune_server.auth.client import Client, client_of
from rune_server.http import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Reading = Callable[[str, Sequence[str], str], tuple[str, str]]

TRUSTED = "10.0.0.0/8,fd00::/8"


def by_request(peer: str, forwarded: Sequence[str], trusted: str) -> tuple[str, str]:
    scope = _scope(peer, forwarded)
    request = Request(scope, _settings(trusted).trusted_proxies)
    return request.address, request.network


def by_client(peer: str, forwarded: Sequence[str], trusted: str) -> tuple[str, str]:
    client = client_of(_settings(trusted), _scope(peer, forwarded))
    return client.address, client.network


def _settings(trusted: str) -> server_settings.Settings:
    return server_settings.load({"trusted_proxies": trusted} if trusted else {}, environ={})


def _scope(peer: str, forwarded: Sequence[str]) -> dict[str, object]:
    headers = [(b"user-agent", b"a"), *((b"x-forwarded-for", one.encode()) for one in forwarded)]
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "client": (peer, 1) if peer else None,
        "headers": headers,
    }


@pytest.mark.parametrize("read", [by_request, by_client])
@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        # Not from a trusted proxy: nothing is believed.
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("unix", ["198.51.100.1"], "unix"),
        ("", ["198.51.100.1"], ""),
        # From one: the last that is not a proxy itself.
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        # Several headers are one, in order.
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", ""], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1,", " , 10.0.0.2"], "198.51.100.1"),
        # With ports, as some proxies write them.
        ("10.0.0.1", ["198.51.100.1:5044"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8::7]:5044"], "2001:db8::7"),
        ("fd00::1", ["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", ["198.51.100.1, [fd00::2]:443"], "198.51.100.1"),
        ("10.0.0.1", ["[::ffff:198.51.100.1]:9"], "198.51.100.1"),
        # What is no address ends it, wherever it stands.
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["[2001:db8::7"], "10.0.0.1"),
        ("10.0.0.1", ["[]:80"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:port"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1\N{BROKEN BAR}"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(
    read: Reading, peer: str, forwarded: list[str], address: str
) -> None:
    assert read(peer, forwarded, TRUSTED)[0] == address


@pytest.mark.parametrize("read", [by_request, by_client])
def test_without_trusted_proxies_nobody_is_believed(read: Reading) -> None:
    assert read("10.0.0.1", ["198.51.100.1"], "") == ("10.0.0.1", "10.0.0.1")


@pytest.mark.parametrize("read", [by_request, by_client])
def test_what_limits_count(read: Reading) -> None:
    def network(peer: str) -> str:
        return read(peer, [], TRUSTED)[1]

    assert network("2001:db8::1") == network("2001:db8:0:0:ffff::2") == "2001:db8::/64"
    assert network("2001:db8::1") != network("2001:db8:0:1::1")
    assert network("192.0.2.1") == network("::ffff:192.0.2.1") == "192.0.2.1"
    assert network("192.0.2.1") != network("192.0.2.2")
    assert network("unix") == "unix"
    assert network("") == "unknown"


def test_a_browser_is_told_from_its_agent() -> None:
    assert Client(agent="Mozilla/5.0 (X11; Linux) Firefox/140.0").browser == "Firefox on Linux"
    assert Client(agent="x").browser == "another program"
