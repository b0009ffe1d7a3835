"""Open streams, counted: nobody's pages take the places of everybody else's."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from rune_server import metrics
from rune_server.errors import TooManyRequestsError
from rune_server.http import send_problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.types import Receive, Scope, Send

    from rune_server.limits import Limits

RETRY_SECONDS = 5


class CountedStream(StreamingResponse):
    """Server-sent events that hold a place under each of some names for as long as they are open.

    Without a place the answer is 429 with a problem document and ``Retry-After``.

    Args:
        content: The stream.
        limits: Where places are counted, in this process.
        places: Name, how many there are, and whose they are, of each.
    """

    def __init__(
        self, content: AsyncIterator[str], limits: Limits, places: Sequence[tuple[str, int, str]]
    ) -> None:
        super().__init__(
            content,
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
        self._limits = limits
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        with ExitStack() as held:
            for name, most, whose in self._places:
                if not held.enter_context(self._limits.holding(name, most)):
                    metrics.refused.labels("streams").inc()
                    await send_problem(send, _full(whose, most))
                    return
            await super().__call__(scope, receive, send)


def _full(whose: str, most: int) -> TooManyRequestsError:
    return TooManyRequestsError(
        f"{whose} has {most} live pages open here, which is the most: close one",
        code="too_many_streams",
        retry_after=RETRY_SECONDS,
    )
