"""Where a server is and who calls: the address and the key, checked before anything is sent."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from rune_core.errors import ConfigError


def server_url(url: str | None, *, allow_http: bool) -> str:
    """The address without a slash at its end.

    Raises:
        ConfigError: It is no address, holds a password, or would send the key in plain text.
    """
    try:
        parts = urlsplit(url or "")
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"url: not an address ({error})") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError("url: must hold no user or password; the key goes into api_key")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"url: {url!r} must look like https://rune.example.com")
    if parts.query or parts.fragment:
        raise ConfigError("url: must end with a path, without ? and #")
    if parts.scheme == "http":
        if not is_loopback(host):
            raise ConfigError(
                f"url: {url!r} must begin with https:// (http:// only to this machine itself)"
            )
        if not allow_http:
            raise ConfigError(
                f"url: {url!r} is not encrypted; for a server on this machine set allow_http"
            )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address can only be this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_key(key: str | None) -> str:
    """The key, if a header can carry it.

    Raises:
        ConfigError: It cannot. Does not repeat it.
    """
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("api_key: must be printable ASCII without spaces")
    return key
