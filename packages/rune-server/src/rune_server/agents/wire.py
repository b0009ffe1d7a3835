"""``POST /v1/status``: what a process says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.actor import key
from rune_server.agents.report import decode, take

if TYPE_CHECKING:
    from rune_server.auth.keys import KeyGrant
    from rune_server.platform import Platform

ANSWER = b"{}"
"""202: it was taken, and there is nothing to say about it."""


async def take_status(platform: Platform, grant: KeyGrant, body: bytes) -> bytes:
    """Keep a report. The answer's body, for status 202.

    Args:
        platform: The platform.
        grant: What the request's key allows; needs ``events:write``.
        body: The request's body, decompressed and bounded (``report.MAX_BYTES``).

    Raises:
        ForbiddenError: The key may not send.
        UnprocessableError: It is no status report.
        UnavailableError: The state database does not answer.
    """
    await take(platform, key(grant), decode(body))
    return ANSWER
