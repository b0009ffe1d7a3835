"""``POST /v1/status``: what a process says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.agents.report import MAX_BYTES, decode, take
from rune_server.errors import TooLargeError, UnsupportedError
from rune_server.http import media_type

if TYPE_CHECKING:
    from rune_server.edge.call import Call


async def handle(call: Call) -> None:
    """Keep a report.

    Raises:
        UnsupportedError: It is not JSON.
        TooLargeError: It is longer than any process has to say.
        UnprocessableError: It is no status report.
        UnavailableError: The state database does not answer.
    """
    if media_type(call.request)[0] not in ("", "application/json"):
        raise UnsupportedError("a status report is application/json")
    body = await call.body()
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"a status report has at most {MAX_BYTES:,} bytes")
    await take(call.platform, call.actor, decode(body))
    await call.answer(202, {})
