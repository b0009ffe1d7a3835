"""The sender: one thread that takes events out of the store and to the server."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rune_core.bundle.backoff import Backoff
from rune_core.errors import (
    ServerBusyError,
    ServerError,
    ServerRefusedError,
    ServerStatusError,
    ServerUnreachableError,
)
from rune_core.failure import describe
from rune_core.forks import import_http, unforked
from rune_core.queue.breaker import Breaker
from rune_core.queue.delivery import MAX_BODY, Outcome, post
from rune_core.queue.limits import RateLimits
from rune_core.queue.rows import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.connection import Connection
    from rune_core.queue.rows import Held
    from rune_core.queue.store import Store

_log = logging.getLogger("rune_core.events")
IDLE_SECONDS = 60.0
"""Without events of its own, a process looks this often for those that others left behind."""
ATTEMPTS = 3
GROWTH = 10
"""How many times larger than configured a batch may become while many events wait."""
TRIAL = 10
"""Events in the request that finds out whether the server is well again."""
MAX_PAUSE = 10.0
"""Longest wait between two attempts at one batch, in seconds. Waiting longer, it lets go of it."""
LATER_SECONDS = 30.0
MAX_BURIED_IN_A_ROW = 200
"""A server that refuses so many requests one after the other has something against all of them."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where delivery stands.

    Attributes:
        delivered: Events that the server has from this process.
        refused: Events of which it made dead letters.
        error: Why the last attempt failed; empty when it did not.
        answered_at: When the server last took events, in Unix seconds; None when it never did.
        is_open: Whether the circuit breaker is: the server failed so often that it is left alone.
    """

    delivered: int = 0
    refused: int = 0
    error: str = ""
    answered_at: float | None = None
    is_open: bool = False


class Sender:
    """Sends in batches: when one is full, when an event is urgent, or when time is up.

    Args:
        connection: The server.
        store: Where events wait.
        batch: Events in a request at most.
        interval: Longest time that an event waits for others, in seconds.
    """

    def __init__(
        self, connection: Connection, store: Store, *, batch: int, interval: float
    ) -> None:
        self._connection = connection
        self._store = store
        self._batch = max(1, batch)
        self._interval = interval
        self._stopped = False
        self.reset()

    def reset(self) -> None:
        """As if never started: a forked child has none of its parent's threads."""
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None
        self._due = float("inf")
        self._waiting = 0
        self._rounds = 0
        self._failures = 0
        self._hurry = False
        self._idle = False
        """Whether nothing waits that anybody could send."""
        self._nothing = False
        """Whether the last round found nothing that may be sent now."""
        self._own_until = float("-inf")
        self._size = self._batch
        self._ceiling = GROWTH * self._batch
        self._after: dict[int, int] = {}
        self._buried = 0
        self._compress = True
        self._backoff = Backoff()
        self._breaker = Breaker()
        self._limits = RateLimits()
        self.state = Delivery()

    def wake(self, count: int, *, urgent: bool) -> None:
        """There are more events. Starts the thread, if this process has none yet."""
        with self._changed:
            self._waiting += count
            self._idle = self._nothing = False
            now = time.monotonic()
            soon = urgent or self._waiting >= self._batch
            due = now if soon else now + self._interval
            if due < self._due:
                self._due = due
                self._changed.notify_all()
            if self._thread is None and not self._stopped:
                self._start()

    def flush(self, seconds: float) -> bool:
        """Send what waits now; False when that takes longer, or the server cannot take it now."""
        deadline = time.monotonic() + seconds
        last = self._store.last()
        with self._changed:
            if self._thread is None and not self._stopped:
                self._start()
            thread = self._thread
            failures, first = self._failures, self._rounds
            self._hurry = True
            self._due = time.monotonic()
            self._changed.notify_all()
        seen = first
        while not self._store.is_clear(last):
            left = deadline - time.monotonic()
            if left <= 0 or self._stopped:
                return False
            running = thread is not None and thread.is_alive()
            if not running:
                self._round()  # as while the interpreter shuts down: send from here
            with self._changed:
                if self._failures > failures or self._seconds_blocked(hurry=True) > 0:
                    return False
                if self._nothing and self._rounds > first:
                    return self._idle
                if running and self._rounds == seen:
                    self._changed.wait(left)
                seen = self._rounds
        return True

    def stop(self) -> None:
        """Tell the thread to end. It may take as long as a request does."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait for the thread to end."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    # -- the thread

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="rune-events-send", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # the interpreter shuts down, or there are too many threads
        self._thread = thread

    def _run(self) -> None:
        try:
            with unforked():
                # Nobody may fork while these are half done: see forks.
                import_http()
                import tenacity  # noqa: F401
        except ImportError as error:
            _log.error("events cannot be sent: %s", describe(error))
            return
        while True:
            with self._changed:
                while not self._stopped:
                    now = time.monotonic()
                    blocked = self._seconds_blocked(hurry=self._hurry)
                    wait = max(min(self._due, now + IDLE_SECONDS) - now, blocked)
                    if wait <= 0:
                        break
                    self._changed.wait(wait)
                    if self._due == float("inf") and time.monotonic() >= now + IDLE_SECONDS:
                        self._due = time.monotonic()
                if self._stopped:
                    break
                self._due = float("inf")
                self._waiting = 0
            more = False
            try:
                more = self._round()
            except Exception as error:  # noqa: BLE001 - the thread must live on
                self._fail(describe(error), self._backoff.after())
            with self._changed:
                if more:
                    self._due = time.monotonic()
                elif not self._idle:
                    self._due = min(self._due, time.monotonic() + self._interval)
                self._hurry = self._hurry and more
                self._changed.notify_all()
        # Who closed the store may not have waited for the last request, whose outcome was noted.
        self._store.spool.close()

    def _seconds_blocked(self, *, hurry: bool = False) -> float:
        """Seconds in which nothing may be sent. Our own pause counts only without a hurry."""
        own = 0.0 if hurry else self._own_until - time.monotonic()
        return max(0.0, own, self._breaker.rest_seconds, self._limits.seconds())

    def _round(self) -> bool:
        """Send one batch; whether there may be more to send at once."""
        with self._sending:
            size = min(self._size, self._ceiling if self._breaker.is_closed else TRIAL)
            batch = self._claim(size)
            self._rounds += 1
            if not batch:
                # What a limit holds back is waiting, and is looked for again.
                self._idle = not self._limits.blocked()
                self._nothing = True
                return False
            self._idle = self._nothing = False
            sent = False
            try:
                sent = self._deliver(batch)
                self._grow(len(batch), sent=sent)
            finally:
                if not sent:
                    # The next round begins behind this batch: one that is poison must not
                    # keep the others from being delivered.
                    for held in batch:
                        if held.id > 0:
                            self._after[held.priority] = held.id
            if not sent:
                return False
            full = len(batch) >= size or sum(len(held.body) for held in batch) > MAX_BODY // 2
            if full or self._after or self._hurry:
                return True
            # What came meanwhile waits for company of its own, and has woken us if it may not.
            self._idle = not self._limits.blocked()
            return False

    def _grow(self, count: int, *, sent: bool) -> None:
        """Larger batches while many wait; smaller while they fail, so that poison stands out."""
        step = max(1, self._batch // 10)
        if not sent:
            self._size = max(1, min(self._size, count) // 2)
            return
        self._ceiling = min(GROWTH * self._batch, self._ceiling + step)
        if count >= self._size:
            self._size = min(GROWTH * self._batch, self._size * 2)
        else:
            self._size = min(self._batch, self._size + step)

    def _claim(self, size: int) -> list[Held]:
        without = self._limits.blocked()
        batch = self._store.claim(size, MAX_BODY, without, self._after)
        if not batch and self._after:
            self._after = {}
            batch = self._store.claim(size, MAX_BODY, without, self._after)
        return batch

    def _deliver(self, batch: Sequence[Held]) -> bool:
        """Send a batch, in pieces if it must be; whether the server dealt with all of it."""
        try:
            outcome = self._attempts(batch)
        except ServerStatusError as error:
            if self._is_about_the_batch(error):
                return self._split(batch, error)
            self._give_back(batch, error)
            return False
        except ServerError as error:
            self._give_back(batch, error)
            return False
        except BaseException:
            self._store.back(batch)
            raise
        self._settle(outcome)
        return True

    def _attempts(self, batch: Sequence[Held]) -> Outcome:
        """Try a few times, with full jitter; once only while the breaker is half-open."""
        import tenacity

        most = ATTEMPTS if self._breaker.is_closed else 1
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: _may_pass_soon(error, hurry=self._hurry) and not self._stopped
            ),
            wait=tenacity.wait_random_exponential(multiplier=1.0, max=MAX_PAUSE),
            stop=tenacity.stop_after_attempt(most),
            sleep=self._pause,
            reraise=True,
        )
        return retrying(self._post, batch)

    def _post(self, batch: Sequence[Held]) -> Outcome:
        with _uninstrumented():
            try:
                return post(self._connection, batch, compress=self._compress)
            except ServerRefusedError as error:
                if error.status != 415 or not self._compress:
                    raise
                # Something on the way does not know gzip.
                self._compress = False
                return post(self._connection, batch, compress=False)

    def _pause(self, seconds: float) -> None:
        """Sleep, unless told to stop or to hurry."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._stopped and not self._hurry:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    # -- what the server said

    def _settle(self, outcome: Outcome) -> None:
        self._store.done(outcome.taken)
        if outcome.refused:
            self._store.bury(outcome.refused)
            _log.warning(
                "the server refused %d events (%s): see rune events dead",
                len(outcome.refused),
                ", ".join(sorted({verdict.code for verdict in outcome.refused})),
            )
        self._limits.obey(outcome.headers)
        if outcome.later:
            self._store.back(outcome.later)
            if not self._limits.blocked():
                named = {event.category for event in outcome.later}
                self._limits.limit(LATER_SECONDS, tuple(named))
        if outcome.taken:
            self._buried = 0
        if self.state.error:
            _log.info("events are delivered again")
        self._breaker.succeeded()
        self._backoff.reset()
        self._own_until = float("-inf")
        self.state = Delivery(
            delivered=self.state.delivered + len(outcome.taken),
            refused=self.state.refused + len(outcome.refused),
            answered_at=time.time(),
        )

    def _is_about_the_batch(self, error: ServerStatusError) -> bool:
        """Whether the server has something against these events, and not against everybody."""
        if error.status == 413:
            return True
        return (
            isinstance(error, ServerRefusedError)
            and error.status in (400, 422)
            and bool(error.code)  # else it was no Rune server that spoke
            and self._buried < MAX_BURIED_IN_A_ROW
        )

    def _split(self, batch: Sequence[Held], error: ServerStatusError) -> bool:
        if len(batch) > 1:
            if error.status == 413:
                self._ceiling = max(1, len(batch) // 2)
            half = len(batch) // 2
            first = self._deliver(batch[:half])
            if not first:
                self._store.back(batch[half:])
                return False
            return self._deliver(batch[half:])
        code = "too_large" if error.status == 413 else error.code
        self._buried += 1
        self._settle(Outcome((), (), [Verdict(batch[0], code, f"answer {error.status}")], {}))
        return True

    def _give_back(self, batch: Sequence[Held], error: ServerError) -> None:
        self._store.back(batch)
        if isinstance(error, ServerStatusError):
            self._limits.read(error.rate_limits)
            if error.retry_after is not None and not error.rate_limits:
                self._limits.limit(error.retry_after)
        if isinstance(error, ServerUnreachableError) and error.reason == "closed":
            return  # on our side, by us
        if isinstance(error, ServerBusyError) and error.status == 429:
            # Busy is not broken: the breaker is for servers that are.
            self._fail(str(error), self._backoff.after(error), broken=False)
            return
        self._fail(str(error), self._backoff.after(error))

    def _fail(self, why: str, pause: float, *, broken: bool = True) -> None:
        if why != self.state.error:
            _log.warning("events cannot be delivered and wait: %s", why)
        if broken:
            self._breaker.failed()
        with self._changed:
            self._failures += 1
            self._own_until = time.monotonic() + pause
        self.state = replace(self.state, error=why, is_open=not self._breaker.is_closed)


def _may_pass_soon(error: BaseException, *, hurry: bool) -> bool:
    """Whether the same request may pass within seconds; in a hurry, whether it may at once."""
    if isinstance(error, ServerBusyError):
        told = error.status == 429 or error.retry_after is not None or bool(error.rate_limits)
        return not told and not hurry
    if isinstance(error, ServerUnreachableError):
        # A connection that was kept and that the server has closed meanwhile breaks just once.
        return error.reason == "network" or (error.reason in ("timeout", "connect") and not hurry)
    return False


def _uninstrumented() -> AbstractContextManager[Any]:
    """Keep OpenTelemetry's instrumentations from tracing our own requests."""
    import sys

    if "opentelemetry.context" not in sys.modules:
        return nullcontext()
    from rune_core.sinks.otel_quiet import quiet

    return quiet()
