"""Listen to ``GET /v1/stream``: the server says at once that policies may have changed."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rune_core.bundle.backoff import Backoff
from rune_core.errors import ServerAnswerError, ServerError
from rune_core.failure import describe
from rune_core.forks import unforked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from httpx_sse import ServerSentEvent

    from rune_core.connection import Connection

_log = logging.getLogger("rune_core.bundle")
PATH = "/v1/stream"
SILENCE_SECONDS = 45.0
"""The server pings every 15 s: three missed ones, and nobody is there."""
FIRST_SECONDS = 2.0
_MAX_EVENT = 65_536
_MAX_RETRY = 60.0


class PushListener:
    """Holds one stream open, on the thread that calls ``run``, until stopped.

    Args:
        connection: The server.
        wake: Called when policies may have changed. Must return at once.
        opened: Called with True when the stream is open and with False when it ended.
    """

    def __init__(
        self,
        connection: Connection,
        wake: Callable[[], None],
        opened: Callable[[bool], None],
    ) -> None:
        self._connection = connection
        self._wake = wake
        self._opened = opened
        self._stop = threading.Event()
        self._backoff = Backoff(FIRST_SECONDS)

    def run(self) -> None:
        """Listen, and after each end listen again, until ``stop``."""
        while not self._stop.is_set():
            error: ServerError | None = None
            try:
                self._listen()
                _log.debug("the server ended the stream of policy changes")
            except ServerError as caught:
                error = caught
                _log.debug("no push of policy changes, polling goes on: %s", caught)
            except Exception as caught:  # noqa: BLE001 - a thread of ours never dies of a surprise
                error = ServerAnswerError("cannot be read")
                _log.debug("no push of policy changes: %s", describe(caught))
            finally:
                self._opened(False)
            self._stop.wait(self._backoff.after(error))

    def stop(self) -> None:
        """End ``run`` with the next thing that happens; closing the connection is one."""
        self._stop.set()

    def _listen(self) -> None:
        with unforked():
            from httpx_sse import EventSource, SSEError

        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        with self._connection.open(
            "GET", PATH, headers=headers, read_timeout=SILENCE_SECONDS
        ) as response:
            self._opened(True)
            try:
                for event in EventSource(_Bounded(response)).iter_sse():  # type: ignore[arg-type]
                    if self._stop.is_set():
                        return
                    self._take(event)
            except SSEError:
                raise ServerAnswerError(f"{self._connection.url}{PATH} is no stream") from None

    def _take(self, event: ServerSentEvent) -> None:
        self._backoff.reset()
        if event.retry is not None:
            self._backoff.first = min(max(event.retry / 1000.0, 0.0), _MAX_RETRY)
        if event.event == "policies":
            self._wake()


class _Bounded:
    """A response whose events cannot grow without end. Looks to httpx-sse like the response."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.headers = response.headers

    def iter_text(self) -> Iterator[str]:
        held = 0
        for text in self._response.iter_text():
            # An empty line ends an event or a ping; what comes before it is held in memory.
            end = max(text.rfind("\n\n"), text.rfind("\r\n\r\n"), text.rfind("\r\r"))
            held = len(text) - end if end >= 0 else held + len(text)
            if held > _MAX_EVENT:
                raise ServerAnswerError("an event without end")
            yield text
