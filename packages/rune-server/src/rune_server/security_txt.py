"""``/.well-known/security.txt`` (RFC 9116): whom to tell about a fault of this installation."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from rune_server.platform import Platform

PATH = "/.well-known/security.txt"
_VALID = timedelta(days=90)


def answer(platform: Platform) -> Response:
    """The file, or 404 where the operator named no contact."""
    contact = platform.settings.security_contact
    if not contact:
        return PlainTextResponse("no contact is set: RUNE_SECURITY_CONTACT\n", status_code=404)
    if "@" in contact and "://" not in contact and not contact.startswith("mailto:"):
        contact = f"mailto:{contact}"
    expires = (platform.clock.now() + _VALID).strftime("%Y-%m-%dT%H:%M:%SZ")
    return PlainTextResponse(
        f"Contact: {contact}\n"
        f"Expires: {expires}\n"
        "Preferred-Languages: en\n"
        f"Canonical: {platform.settings.url}{PATH}\n",
        headers={"Cache-Control": "public, max-age=86400"},
    )
