"""Events for a Rune server: into the store here, to the server by the sender's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rune_core.queue.loss import SPOOL_REASONS
from rune_core.queue.rows import Row
from rune_core.queue.sender import Sender
from rune_core.queue.spool import FOLDER
from rune_core.queue.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rune_core.connection import Connection
    from rune_core.event.schema import Event
    from rune_core.queue.loss import Loss, Losses
    from rune_core.queue.rows import Figures
    from rune_core.queue.sender import Delivery

CLOSE_SECONDS = 0.2


class ServerSink:
    """Takes events to a server, by way of the spool. ``write`` never waits for a network.

    Args:
        connection: The server.
        folder: The state folder.
        max_rows: Most events that wait on disk.
        max_bytes: Their size at most.
        batch: Events in a request at most.
        interval: Longest time that an event waits for others, in seconds.
    """

    name = "server"

    def __init__(
        self,
        connection: Connection,
        folder: Path,
        *,
        max_rows: int,
        max_bytes: int,
        batch: int,
        interval: float,
    ) -> None:
        self._losses: Losses | None = None
        self._encoder = msgspec.json.Encoder()
        self.store = Store(
            folder / FOLDER,
            connection.identity,
            max_rows=max_rows,
            max_bytes=max_bytes,
            lost=self._count,
        )
        self.sender = Sender(connection, self.store, batch=batch, interval=interval)

    # -- the emitter's side

    def join(self, losses: Losses) -> None:
        """Count what is lost on the way from here to the server in ``losses`` too."""
        self._losses = losses

    def begin(self) -> memoryview | None:
        """Where to count the events that this process was given, in a place that outlives it."""
        return self.store.begin()

    def write(self, events: Sequence[Event]) -> None:
        """Put a batch into the spool, or what stands in for it."""
        rows = [
            Row(event.event_id, event.event_type, priority_of(event), self._encoder.encode(event))
            for event in events
        ]
        self.store.add(rows)
        self.sender.wake(len(rows), urgent=any(row.priority == 2 for row in rows))

    def lost(self, losses: Sequence[Loss]) -> None:
        """Keep count of what was lost before it came here."""
        before = [loss for loss in losses if loss.reason not in SPOOL_REASONS]
        if before:
            self.store.lost_before(before)

    def flush(self, seconds: float) -> bool:
        """Send what waits; False when that takes longer, or the server cannot take it now."""
        return self.sender.flush(seconds)

    def forked(self) -> None:
        """In a child: a thread and a run of its own."""
        self.sender.reset()
        self.store.forked()

    def close(self) -> None:
        """End the thread. What was not sent waits in the spool for the next process."""
        self.sender.stop()
        self.sender.join(CLOSE_SECONDS)
        self.store.close()

    # -- how it goes

    @property
    def delivery(self) -> Delivery:
        """Where delivery stands."""
        return self.sender.state

    def figures(self) -> Figures | None:
        """What is in the spool; None when that cannot be told."""
        return self.store.figures()

    def _count(self, losses: Iterable[Loss]) -> None:
        if self._losses is not None:
            for loss in losses:
                self._losses.add(loss.reason, loss.category, loss.count)


def priority_of(event: Event) -> int:
    """How important an event is, as for drafts (see ``event.draft``)."""
    actions = (event.action, event.monitored_action)
    if event.event_type == "alert" or "block" in actions or "ask" in actions:
        return 2
    return 1 if "redact" in actions else 0
