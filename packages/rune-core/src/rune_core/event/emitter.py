"""Hand events to the sinks on a background thread. Emitting never blocks and never raises."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING

from rune_core.event.build import build
from rune_core.event.mask import CannotMaskError, mask
from rune_core.failure import describe, log_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.config import ShieldConfig
    from rune_core.context import ScanContext
    from rune_core.event.schema import Event
    from rune_core.hookspecs import EventSink
    from rune_core.result import ScanResult
    from rune_core.stats import Tally

_log = logging.getLogger("rune_core.events")
MAX_QUEUED = 10_000
MAX_BATCH = 500
EXIT_SECONDS = 2.0


class Emitter:
    """A bounded queue with one daemon thread behind it, started by the first event.

    When the queue is full the newest event is dropped and counted. After a fork the child has an
    empty queue of its own: what the parent had queued, the parent writes.

    Args:
        config: For the flush interval.
        sinks: Where events go. Each gets every batch; one that raises does not hinder the others.
        tally: Where events sent, failed and lost are counted.
    """

    def __init__(self, config: ShieldConfig, sinks: Sequence[EventSink], tally: Tally) -> None:
        self._sinks = tuple(sinks)
        self._tally = tally
        self._interval = config.event_flush_interval_seconds
        self._batch_size = max(1, config.event_batch_size)
        self._closed = False
        self._reset()
        _emitters.add(self)

    def emit(
        self, result: ScanResult, context: ScanContext, tool_risk: str | None, arguments: object
    ) -> None:
        """Queue the event of a result."""
        self._put(build(result, context, tool_risk=tool_risk, arguments=arguments))

    def emit_alert(self, rule: str, result: ScanResult, context: ScanContext) -> None:
        """Queue an alert event: ``rule`` asked for one."""
        import msgspec

        event = build(result, context, event_type="alert")
        self._put(msgspec.structs.replace(event, rule=rule))

    def flush(self, seconds: float) -> bool:
        """Wait until everything queued so far was written; False when that takes longer."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            while (self._queue or self._busy) and self._thread is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self, seconds: float = EXIT_SECONDS) -> None:
        """Flush within ``seconds`` and close the sinks. What is left is counted as lost."""
        if self._closed:
            return
        self.flush(seconds)
        with self._changed:
            self._closed = True
            left = len(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        self._tally.lose("closed", left)
        _emitters.discard(self)
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - one sink's fault is not the others'
                _log.error("event sink %s could not be closed: %s", sink.name, describe(error))

    def _reset(self) -> None:
        self._queue: deque[Event] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._flushing = False

    def _put(self, event: Event) -> None:
        try:
            event = mask(event)
        except CannotMaskError:
            self._tally.lose("unmaskable")
            return
        if self._closed:
            self._tally.lose("closed")
            return
        if len(self._queue) >= MAX_QUEUED:
            self._tally.lose("queue_full")
            return
        # Appending to a deque is atomic; the lock is taken only to wake the thread.
        self._queue.append(event)
        if self._thread is None:
            self._start()
        elif len(self._queue) >= self._batch_size and not self._busy:
            with self._changed:
                self._changed.notify_all()

    def _start(self) -> None:
        with self._changed:
            if self._thread is not None or self._closed:
                return
            thread = threading.Thread(target=self._run, name="rune-events", daemon=True)
            self._thread = thread
        _flush_at_the_end_of_a_worker()
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is shutting down: write here, this once.
            self._thread = None
            self._write_batch()

    def _run(self) -> None:
        changed = self._changed
        while True:
            with changed:
                if not self._flushing and len(self._queue) < self._batch_size:
                    changed.wait(self._interval)
                if self._closed:
                    return
                self._busy = True
            self._write_batch()
            with changed:
                self._busy = False
                if not self._queue:
                    self._flushing = False
                    changed.notify_all()

    def _write_batch(self) -> None:
        batch: list[Event] = []
        while self._queue and len(batch) < MAX_BATCH:
            batch.append(self._queue.popleft())
        if not batch:
            return
        taken = False
        for sink in self._sinks:
            try:
                sink.write(batch)
                taken = True
            except Exception as error:  # noqa: BLE001 - one sink's fault is not the others'
                self._tally.count("events_failed_total", len(batch))
                log_failure(_log, f"event sink {sink.name} failed", describe(error))
        if taken:
            self._tally.count("events_sent_total", len(batch))
        else:
            self._tally.lose("no_sink" if not self._sinks else "sink_failed", len(batch))


_emitters: weakref.WeakSet[Emitter] = weakref.WeakSet()


def _flush_all() -> None:
    """At exit: everything that is queued, within a bound for all emitters together."""
    deadline = time.monotonic() + EXIT_SECONDS
    for emitter in list(_emitters):
        emitter.close(max(0.0, deadline - time.monotonic()))


def _flush_at_the_end_of_a_worker() -> None:
    """Processes of multiprocessing leave without atexit; they run finalizers of their own."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _flush_all, exitpriority=100)


def _after_fork() -> None:
    for emitter in list(_emitters):
        emitter._reset()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
