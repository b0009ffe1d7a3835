"""Requests of our own, past the logs and instrumentations of the application's HTTP clients.

A client of ``httpx`` tells every request at level INFO, on a logger that is the application's to
set. Its transports, which connect and nothing else, tell nothing. So requests go to those directly:
no cookies, no redirects, and a proxy of the environment for what is encrypted alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import httpx


def transport(url: str, tls: ssl.SSLContext | None) -> httpx.HTTPTransport:
    """Pooled connections to one address.

    Args:
        url: The address.
        tls: Settings of an encrypted connection, which a proxy of the environment may carry; None
            for plain text, which goes to the address and nowhere else.
    """
    import httpx

    return httpx.HTTPTransport(**_settings(url, tls))


def async_transport(url: str, tls: ssl.SSLContext | None) -> httpx.AsyncHTTPTransport:
    """``transport`` for an event loop."""
    import httpx

    return httpx.AsyncHTTPTransport(**_settings(url, tls))


def new_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout: float,
    content: bytes | None = None,
    json: Any = None,
    extensions: Mapping[str, Any] | None = None,
) -> httpx.Request:
    """A request for a transport.

    Args:
        method: The HTTP method.
        url: The whole address.
        headers: Its headers; none are added but those of the protocol.
        timeout: Seconds for each step.
        content: The body.
        json: The body, to be written as JSON.
        extensions: As httpx takes them.
    """
    import httpx

    return httpx.Request(
        method,
        url,
        headers={"Accept-Encoding": "gzip, deflate", **headers},
        content=content,
        json=json,
        extensions={**(extensions or {}), "timeout": httpx.Timeout(timeout).as_dict()},
    )


def _settings(url: str, tls: ssl.SSLContext | None) -> dict[str, Any]:
    return {
        "verify": False if tls is None else tls,
        "trust_env": False,
        "proxy": None if tls is None else _proxy(url),
    }


def _proxy(url: str) -> httpx.Proxy | None:
    """The proxy that the environment names for an address."""
    from urllib.request import getproxies, proxy_bypass

    import httpx

    parts = urlsplit(url)
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found or proxy_bypass(parts.netloc):
        return None
    return httpx.Proxy(found if "://" in found else f"http://{found}")
