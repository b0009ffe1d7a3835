"""Take events off the threads that scan. Emitting never blocks and never raises for the queue."""

from __future__ import annotations

import atexit
import logging
import sys
import time
import weakref
from typing import TYPE_CHECKING

from rune_core.event.draft import draft
from rune_core.failure import describe
from rune_core.forks import in_child
from rune_core.ids import KeyedHash, keyed_hash
from rune_core.queue.front import Front
from rune_core.queue.loss import Losses
from rune_core.queue.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.config import ShieldConfig
    from rune_core.context import ScanContext
    from rune_core.event.draft import Draft
    from rune_core.hookspecs import EventSink
    from rune_core.result import ScanResult
    from rune_core.stats import Tally

_log = logging.getLogger("rune_core.events")
MAX_QUEUED = 5_000
MAX_DELAY = 0.5
"""Seconds. Short, since what waits in memory is lost when the process is killed."""
EXIT_SECONDS = 2.0


class Emitter:
    """A bounded queue with one daemon thread behind it, started by the first event.

    When the queue is full the oldest of the least important events is dropped and counted. After
    a fork the child has an empty queue and, with its first event, a thread of its own.

    Args:
        config: For batch size, interval and key.
        sinks: Where events go. Each gets every batch; one that raises does not hinder the others.
        tally: Where events sent, failed and lost are counted.
    """

    def __init__(self, config: ShieldConfig, sinks: Sequence[EventSink], tally: Tally) -> None:
        self._sinks = tuple(sinks)
        self._hashed = (
            keyed_hash if config.event_hash_key is None else KeyedHash(config.event_hash_key)
        )
        self._losses = Losses(tally)
        self._front = Front(MAX_QUEUED, max(1, config.event_batch_size))
        self._worker = Worker(
            self._front,
            self._sinks,
            self._losses,
            tally,
            hashed=self._hashed,
            delay=min(MAX_DELAY, config.event_flush_interval_seconds),
        )
        self._closed = False
        self._here = next(
            (sink.here for sink in self._sinks if hasattr(sink, "here")),
            None,
        )
        for sink in self._sinks:
            join = getattr(sink, "join", None)
            if join is not None:
                join(self._losses)
        _emitters.add(self)
        in_child(self._after_fork)

    @property
    def sinks(self) -> tuple[EventSink, ...]:
        """Where events go."""
        return self._sinks

    def emit(
        self, result: ScanResult, context: ScanContext, tool_risk: str | None, arguments: object
    ) -> None:
        """Queue the event of a result."""
        self._put(draft(result, context, tool_risk, arguments, self._hashed))

    def emit_alert(self, rule: str, result: ScanResult, context: ScanContext) -> None:
        """Queue an alert event: ``rule`` asked for one."""
        self._put(draft(result, context, None, None, self._hashed, alert_rule=rule))

    def flush(self, seconds: float) -> bool:
        """Wait until everything queued so far was written; False when that takes longer."""
        deadline = time.monotonic() + seconds
        done = self._worker.flush(seconds)
        for sink in self._sinks:
            flush = getattr(sink, "flush", None)
            if flush is not None:
                try:
                    done = flush(max(0.0, deadline - time.monotonic())) is not False and done
                except Exception as error:  # noqa: BLE001 - one sink's fault is not the others'
                    done = False
                    _log.error("event sink %s could not flush: %s", sink.name, describe(error))
        return done

    def close(self, seconds: float = EXIT_SECONDS) -> None:
        """Flush within ``seconds`` and close the sinks. What is left is counted as lost."""
        if self._closed:
            return
        deadline = time.monotonic() + seconds
        self.flush(seconds)
        self._closed = True
        self._worker.stop(max(0.05, deadline - time.monotonic()))
        left = self._front.take(MAX_QUEUED)
        self._losses.add_each("closed", [draft.category for draft in left])
        self._worker.report()
        _emitters.discard(self)
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - one sink's fault is not the others'
                _log.error("event sink %s could not be closed: %s", sink.name, describe(error))

    def _put(self, draft: Draft) -> None:
        if self._closed:
            self._losses.add("closed", draft.category)
            return
        if not self._worker.started:
            self._begin()
        if self._here is not None:
            draft.place = self._here()
        dropped = self._front.put(draft)
        if dropped is not None:
            self._losses.add("queue_full", dropped.category)
        if not self._worker.started:
            self._worker.start()
            _flush_at_the_end_of_a_worker()

    def _begin(self) -> None:
        """Count from the first event on where a killed process leaves its count behind."""
        for sink in self._sinks:
            begin = getattr(sink, "begin", None)
            counts = None if begin is None else begin()
            if counts is not None:
                self._front.count_in(counts)

    def _after_fork(self) -> None:
        self._front.reset()
        self._losses.forget()
        self._worker.reset()
        for sink in self._sinks:
            forked = getattr(sink, "forked", None)
            if forked is not None:
                forked()


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


atexit.register(_flush_all)
