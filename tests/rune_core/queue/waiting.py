"""What the tests of the queue ask again and again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_core import Shield

EVENTS = "/v1/events"


def sink_of(shield: Shield) -> Any:
    """The sink that sends to the server."""
    assert shield._engine.emitter is not None
    sink = shield._engine.server_sink
    assert sink is not None
    return sink


def spool_of(shield: Shield) -> Any:
    """The spool behind it."""
    return sink_of(shield).store.spool


def posts(server: Any) -> list[Any]:
    """The requests with events that a server got."""
    return [request for request in list(server.requests) if request.path == EVENTS]


def delivered(shield: Shield) -> None:
    """The server is well again: wait until everything is delivered, without the breaker's rest."""

    def flushed() -> bool:
        sink_of(shield).sender._breaker.succeeded()
        return shield.flush(10)

    until(flushed)


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.005)
