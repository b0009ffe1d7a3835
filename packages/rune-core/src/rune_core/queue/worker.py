"""The worker: one thread that builds, masks and hands events to the sinks."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from rune_core.event.build import build
from rune_core.event.mask import CannotMaskError, mask
from rune_core.failure import describe, log_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.event.draft import Draft
    from rune_core.event.schema import Event
    from rune_core.hookspecs import EventSink
    from rune_core.ids import KeyedHash
    from rune_core.queue.front import Front
    from rune_core.queue.loss import Losses
    from rune_core.stats import Tally

_log = logging.getLogger("rune_core.events")
MAX_BATCH = 500
_BREATH = 8
"""Events built before the interpreter's lock is given up, so that the host hardly waits for it."""


class Worker:
    """Empties a front into the sinks. Started by the first draft, on a daemon thread.

    Args:
        front: Where drafts come from.
        sinks: Where events go. Each gets every batch; one that raises does not hinder the others.
        losses: Where losses are counted.
        tally: Where events sent and failed are counted.
        hashed: Stands in for session ids that are no identifiers.
        delay: Longest time that a draft waits for others, in seconds.
    """

    def __init__(
        self,
        front: Front,
        sinks: Sequence[EventSink],
        losses: Losses,
        tally: Tally,
        *,
        hashed: KeyedHash,
        delay: float,
    ) -> None:
        self._front = front
        self._sinks = tuple(sinks)
        self._losses = losses
        self._tally = tally
        self._hashed = hashed
        self._delay = delay
        self.reset()

    def reset(self) -> None:
        """Forget the thread, which does not exist in a forked child."""
        self.started = False
        self._closing = False
        self._flushing = False
        self._busy = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._rest = threading.Condition()

    def start(self) -> None:
        """Start the thread, once."""
        # Not waited for: whoever holds it starts the thread.
        if not self._starting.acquire(blocking=False):
            return
        self.started = True
        thread = threading.Thread(target=self._run, name="rune-events", daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is shutting down, or there are too many threads: work here, now.
            self._thread = None
            self.started = False
            self._starting.release()
            self.work()

    def flush(self, seconds: float) -> bool:
        """Wait until everything queued so far was handed on; False when that takes longer."""
        deadline = time.monotonic() + seconds
        thread = self._thread
        if thread is None or not thread.is_alive():
            while self._front and time.monotonic() < deadline:
                self.work()
            return not self._front
        with self._rest:
            while self._front or self._busy:
                self._flushing = True
                self._front.ring()
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._rest.wait(left)
        return True

    def stop(self, seconds: float) -> None:
        """End the thread, which may take as long as a sink does; not waited for any longer."""
        self._closing = True
        self._front.ring()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _run(self) -> None:
        front = self._front
        while True:
            if not front and not self._closing:
                front.wait(None)
            if not front.ready and not self._closing and not self._flushing:
                front.wait(self._delay)
            if self._closing:
                return
            try:
                self.work()
            finally:
                with self._rest:
                    if not front:
                        self._flushing = False
                    self._rest.notify_all()

    def work(self) -> None:
        """Hand one batch on. Never raises."""
        self._busy = True
        try:
            events, places = self._built(self._front.take(MAX_BATCH))
            if events:
                self._write(events, places)
            self.report()
        finally:
            self._busy = False

    def _built(self, drafts: Sequence[Draft]) -> tuple[list[Event], list[object]]:
        events: list[Event] = []
        places: list[object] = []
        for number, draft in enumerate(drafts, 1):
            try:
                events.append(mask(build(draft), self._hashed))
                places.append(draft.place)
            except CannotMaskError:
                self._losses.add("unmaskable", draft.category)
            except Exception as error:  # noqa: BLE001 - what it is does not matter: it must not leave
                self._tally.count("events_failed_total")
                self._losses.add("unmaskable", draft.category)
                log_failure(_log, "an event could not be built", describe(error))
            if number % _BREATH == 0:
                time.sleep(0)
        return events, places

    def _write(self, events: list[Event], places: list[object]) -> None:
        taken = False
        for sink in self._sinks:
            try:
                write_at = getattr(sink, "write_at", None)
                if write_at is None:
                    sink.write(events)
                else:
                    write_at(events, places)
                taken = True
            except Exception as error:  # noqa: BLE001 - one sink's fault is not the others'
                self._tally.count("events_failed_total", len(events))
                log_failure(_log, f"event sink {sink.name} failed", describe(error))
        if taken:
            self._tally.count("events_sent_total", len(events))
        else:
            reason = "sink_failed" if self._sinks else "no_sink"
            self._losses.add_each(reason, [event.event_type for event in events])

    def report(self) -> None:
        """Tell the sinks that want to know what was lost."""
        losses = self._losses.take()
        if not losses:
            return
        for sink in self._sinks:
            tell = getattr(sink, "lost", None)
            if tell is None:
                continue
            try:
                tell(losses)
            except Exception as error:  # noqa: BLE001 - as above
                log_failure(_log, f"event sink {sink.name} failed", describe(error))
