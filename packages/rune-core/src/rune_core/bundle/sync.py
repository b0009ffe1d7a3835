"""Keep the policies of a server in force: ask, listen, activate, keep, and tell of it."""

from __future__ import annotations

import atexit
import logging
import random
import threading
import time
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rune_core.bundle.backoff import Backoff
from rune_core.bundle.persist import BundleFileError
from rune_core.errors import ServerAnswerError, ServerError
from rune_core.failure import describe
from rune_core.forks import in_child, unforked

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_core.bundle.model import Bundle, Refusal
    from rune_core.bundle.persist import BundleFile
    from rune_core.bundle.push import PushListener
    from rune_core.bundle.report import StatusReporter
    from rune_core.bundle.status import Status
    from rune_core.connection import Connection
    from rune_core.policy.store import PolicyStore

_log = logging.getLogger("rune_core.bundle")
SPREAD_SECONDS = 0.5
"""After a push, instances ask within this time and not all at once."""
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class SyncState:
    """Where policy sync stands.

    Attributes:
        fetched: Revision of the bundle that came last and is whole; empty when none did.
        activated: Revision of the bundle in force; empty when it is none.
        refused: Why the bundle that came last is not the one in force.
        source: Where the bundle in force came from: ``server``, ``disk``, or empty.
        error: Why the server could not be asked the last time; empty when it could.
        asked: How often the server answered.
        answered_at: When it last did, in Unix seconds; None when it never did.
        pushed: Whether the server can tell of changes at once.
    """

    fetched: str = ""
    activated: str = ""
    refused: tuple[Refusal, ...] = ()
    source: str = ""
    error: str = ""
    asked: int = 0
    answered_at: float | None = None
    pushed: bool = False

    @property
    def is_current(self) -> bool:
        """Whether what came last is in force."""
        return bool(self.fetched) and self.fetched == self.activated


class PolicySync:
    """Two daemon threads, started by ``start``: one asks and activates, one listens.

    A decision never waits for them. After a fork the child starts its own with its next decision.

    Args:
        connection: The server.
        store: The policies in force.
        file: Where the last good bundle is kept.
        interval: Ask at least this often, in seconds.
        build: Takes the picture that is sent as the status.
    """

    _changed: threading.Condition
    _started: bool
    _threads: list[threading.Thread]
    _listener: PushListener | None
    _due: float
    _begun: int
    _done: int

    def __init__(
        self,
        connection: Connection,
        store: PolicyStore,
        file: BundleFile,
        *,
        interval: float,
        build: Callable[[SyncState], Status] | None = None,
    ) -> None:
        self._connection = connection
        self._store = store
        self._file = file
        self._interval = interval
        self._build = build
        self._state = SyncState()
        self._stopped = False
        self._reset()
        in_child(self._reset)
        _syncs.add(self)

    @property
    def state(self) -> SyncState:
        """Where it stands."""
        return self._state

    @property
    def running(self) -> bool:
        """Whether the threads of this process were started."""
        return self._started

    def restore(self) -> None:
        """Put the bundle on disk in force. A file that cannot be used is said and left alone."""
        from rune_core.bundle.activate import activate

        try:
            bundle = self._file.load()
        except BundleFileError as error:
            _log.error("the policies kept on disk are not used: %s", error)
            return
        if bundle is None:
            return
        refused = activate(bundle, self._store)
        if refused:
            for refusal in refused:
                _log.error("a policy kept on disk is refused: %s", refusal)
            self._update(refused=refused)
            return
        self._update(fetched=bundle.revision, activated=bundle.revision, source="disk")

    def start(self) -> None:
        """Start the threads, if this process has none yet. Never raises."""
        if self.running:
            return
        with self._changed:
            if self._started or self._stopped:
                return
            self._started = True
        try:
            for name, run in (("rune-policies", self._run), ("rune-policies-push", self._listen)):
                thread = threading.Thread(target=run, name=name, daemon=True)
                thread.start()
                self._threads.append(thread)
        except RuntimeError:
            # No more threads, or the interpreter is shutting down: what is in force stays.
            _log.warning("policy sync could not start its threads")

    def wake(self) -> None:
        """Ask the server soon: something may have changed."""
        with self._changed:
            self._due = min(self._due, time.monotonic() + random.uniform(0, SPREAD_SECONDS))  # noqa: S311
            self._changed.notify_all()

    def refresh(self, seconds: float) -> SyncState:
        """Ask the server now and wait for what comes of it, at most ``seconds``."""
        self.start()
        deadline = time.monotonic() + seconds
        with self._changed:
            wanted = self._begun + 1
            self._due = time.monotonic()
            self._changed.notify_all()
            while self._done < wanted and not self._stopped:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        return self._state

    def close(self, seconds: float) -> None:
        """End the threads, waiting for them at most ``seconds``. May be called twice.

        One that waits for the server ends when the connection is closed.
        """
        self.stop()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        _syncs.discard(self)

    def stop(self) -> None:
        """Tell the threads to end."""
        with self._changed:
            self._stopped = True
            listener = self._listener
            self._changed.notify_all()
        if listener is not None:
            listener.stop()

    # -- inside

    def _reset(self) -> None:
        """As if never started: a child has none of its parent's threads."""
        self._changed = threading.Condition()
        self._state_lock = threading.Lock()
        self._started = False
        self._threads = []
        self._listener = None
        self._due = time.monotonic()
        self._begun = self._done = 0
        self._backoff = Backoff()
        self._reporter: StatusReporter | None = None
        self._state = replace(self._state, pushed=False)

    def _run(self) -> None:
        try:
            with unforked():
                from rune_core.bundle import activate, fetch, report, verify  # noqa: F401
                from rune_core.policy import load  # noqa: F401
            if self._build is not None:
                build = self._build
                self._reporter = report.StatusReporter(self._connection, lambda: build(self._state))
            self._loop()
        except Exception as error:  # noqa: BLE001 - a thread of ours never prints a traceback
            _log.error("policy sync ended; what is in force stays: %s", describe(error))

    def _loop(self) -> None:
        report_in: float | None = None
        while True:
            with self._changed:
                while not self._stopped:
                    left = self._due - time.monotonic()
                    if left <= 0 or (report_in is not None and report_in <= 0):
                        break
                    wait = left if report_in is None else min(left, report_in)
                    before = time.monotonic()
                    self._changed.wait(wait)
                    if report_in is not None:
                        report_in -= time.monotonic() - before
                if self._stopped:
                    return
                asking = self._due <= time.monotonic()
                if asking:
                    self._begun += 1
                    self._due = float("inf")
            if asking:
                pause = self._ask()
                with self._changed:
                    # A push that came meanwhile is sooner.
                    self._due = min(self._due, time.monotonic() + pause)
                    self._done = self._begun
                    self._changed.notify_all()
            if self._reporter is not None and not self._stopped:
                report_in = self._reporter.send_if_due()
                if report_in is None:
                    report_in = self._reporter.due_in()

    def _ask(self) -> float:
        """Ask once, and say after how many seconds to ask again."""
        from rune_core.bundle.fetch import fetch

        try:
            bundle = fetch(self._connection, self._state.fetched)
            if bundle is not None:
                self._take(bundle)
            elif self._state.is_current:
                self._update(refused=())
        except ServerError as error:
            self._failed(str(error))
            return self._backoff.after(error)
        except Exception as error:  # noqa: BLE001 - as in _run; the next attempt may work
            self._failed(describe(error))
            return self._backoff.after()
        self._backoff.reset()
        if self._state.error:
            _log.info("policies are fetched again")
        self._update(error="", asked=self._state.asked + 1, answered_at=time.time())
        return self._interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load

    def _take(self, bundle: Bundle) -> None:
        """Put a bundle in force, or say why not.

        Raises:
            ServerAnswerError: It is not whole; it is asked for again.
        """
        from rune_core.bundle.activate import activate
        from rune_core.bundle.verify import verify

        refused = verify(bundle)
        if refused:
            self._update(refused=refused)
            raise ServerAnswerError(f"the bundle is damaged: {refused[0]}")
        with unforked():
            refused = activate(bundle, self._store)
        if refused:
            for refusal in refused:
                _log.error(
                    "a policy of the server is refused, the last good ones stay: %s", refusal
                )
            self._update(fetched=bundle.revision, refused=refused)
            return
        _log.info("policies %s are in force", bundle.revision[:16])
        self._update(
            fetched=bundle.revision, activated=bundle.revision, refused=(), source="server"
        )
        try:
            self._file.save(bundle)
        except OSError as error:
            _log.warning(
                "policies cannot be kept on disk (%s): after a restart without the server they "
                "are missing",
                error.strerror or type(error).__name__,
            )

    def _failed(self, why: str) -> None:
        if why != self._state.error:
            _log.warning("policies cannot be fetched, those in force stay: %s", why)
        self._update(error=why)

    def _listen(self) -> None:
        with unforked():
            from rune_core.bundle.push import PushListener

        listener = PushListener(
            self._connection, self.wake, lambda is_open: self._update(pushed=is_open)
        )
        with self._changed:
            if self._stopped:
                return
            self._listener = listener
        listener.run()

    def _update(self, **changes: object) -> None:
        with self._state_lock:
            self._state = replace(self._state, **changes)  # type: ignore[arg-type]


_syncs: weakref.WeakSet[PolicySync] = weakref.WeakSet()


def _stop_all() -> None:
    for sync in list(_syncs):
        sync.stop()


atexit.register(_stop_all)
