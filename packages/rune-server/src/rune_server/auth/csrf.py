"""Keeps other sites from acting in a signed-in person's name.

Three things stand in the way: cookies are SameSite=Lax; the middleware refuses what a browser
says comes from another site (``Sec-Fetch-Site``, ``Origin``); and every form carries a token
bound to the session.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rune_server.auth import sessions
from rune_server.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from rune_server.platform import Platform

FIELD = "csrf_token"
HEADER = "x-csrf-token"
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_PURPOSE = "csrf"


def token(platform: Platform, signed_in: sessions.SignedIn) -> str:
    """The token of this person's session, for forms and for ``X-CSRF-Token``."""
    return platform.vault.mac(_PURPOSE, signed_in.session_id.bytes).hex()


async def require(platform: Platform, request: Request) -> None:
    """Go on only with the session's token, in the header or in the form.

    Raises:
        ForbiddenError: It is missing or another session's.
    """
    signed_in = sessions.current(request)
    if request.method in SAFE_METHODS or signed_in is None:
        return
    given = request.headers.get(HEADER)
    if given is None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
            value = (await request.form()).get(FIELD)
            given = value if isinstance(value, str) else None
    check(platform, signed_in, given)


def check(platform: Platform, signed_in: sessions.SignedIn, given: str | None) -> None:
    """Go on only with this session's token.

    Raises:
        ForbiddenError: It is missing or another session's.
    """
    expected = token(platform, signed_in)
    if given is None or not hmac.compare_digest(
        expected.encode(), given.encode("utf-8", "replace")
    ):
        raise ForbiddenError("the form has expired: load the page again", code="csrf")


def require_same_origin(platform: Platform, method: str, headers: Mapping[str, str]) -> None:
    """Refuse a change that a browser says another site asks for.

    Programs send neither header; they have no cookies that another site could use.

    Raises:
        ForbiddenError: It comes from another site.
    """
    if method in SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        raise ForbiddenError("this came from another site", code="cross_site")
    if origin is not None and not _is_ours(platform, origin, headers.get("host", "")):
        raise ForbiddenError("this came from another site", code="cross_site")


def _is_ours(platform: Platform, origin: str, host: str) -> bool:
    if origin == platform.settings.url:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # One may also come by an address instead of the public name. A page cannot choose Host.
    return parts.scheme == "https" and bool(host) and parts.netloc.lower() == host.lower()
