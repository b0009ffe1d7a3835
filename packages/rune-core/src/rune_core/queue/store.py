"""The store: the spool, and the reserve where the spool cannot be written. It never raises."""

from __future__ import annotations

import logging
import time
from collections import Counter
from threading import Lock, RLock
from typing import TYPE_CHECKING

from rune_core.forks import fork_safe
from rune_core.queue.front import CATEGORIES
from rune_core.queue.loss import Loss
from rune_core.queue.reserve import Reserve
from rune_core.queue.run_file import RunFile
from rune_core.queue.spool import Spool
from rune_core.queue.spool_file import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from rune_core.queue.rows import Figures, Held, Row, Verdict

_log = logging.getLogger("rune_core.events")
RETRY_SECONDS = 15.0
"""A spool that cannot be written is tried again after this time."""
SWEEP_SECONDS = 30.0


class Store:
    """Where the events of one process wait for the server.

    Args:
        folder: The folder of spools.
        name: Tells servers and keys apart.
        max_rows: Most events in the spool.
        max_bytes: Most bytes in the spool.
        lost: Told of every loss that is counted here.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        max_rows: int,
        max_bytes: int,
        lost: Callable[[Iterable[Loss]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spool = Spool(folder, name, max_rows=max_rows, max_bytes=max_bytes, lost=lost)
        self.reserve = Reserve()
        self._lost = lost
        self._clock = clock
        self._starting = fork_safe(Lock())
        self._owing = fork_safe(RLock())
        self.forked()

    def forked(self) -> None:
        """In a child: its own run, and nothing of what the parent holds."""
        if hasattr(self, "run") and self.run is not None:
            self.run.abandon()
        self.run: RunFile | None = None
        self._begun = False
        self.trouble = ""
        """Why the spool cannot be written; empty while it can."""
        self._closed_until = float("-inf")
        self._swept_at = float("-inf")
        self._sent: list[Held] = []
        self._unrecorded: list[Loss] = []
        self.reserve.reset()

    @property
    def run_id(self) -> str:
        """This process's run; empty where it has none."""
        return "" if self.run is None else self.run.id

    def begin(self) -> memoryview | None:
        """Start this process's run, once; where to count what it is given, if anywhere."""
        with self._starting:
            if self._begun:
                return None
            self._begun = True
            try:
                self.spool.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.run = RunFile(self.spool.folder, self.spool.name)
            except OSError as error:
                _log.debug("no run file: %s", error.strerror)
                return None
            return self.run.put

    def add(self, rows: Sequence[Row]) -> None:
        """Take events."""
        if self._usable():
            try:
                self._catch_up()
                gone = self.spool.put(self.run_id, rows)
            except SpoolError as error:
                self._fail(error)
            else:
                self._recover()
                self._lost(gone)
                return
        self._overflow(self.reserve.put(rows))

    def lost_before(self, losses: Sequence[Loss]) -> None:
        """Count events of this run that were lost on their way here."""
        if self._usable():
            try:
                self.spool.account(self.run_id, losses)
            except SpoolError as error:
                self._fail(error)
            else:
                return
        for loss in losses:
            self._settle({loss.category: loss.count})
        with self._owing:
            self._unrecorded += losses

    def claim(
        self, most: int, max_bytes: int, without: Collection[str], after: Mapping[int, int]
    ) -> list[Held]:
        """Events to send now, the most important first."""
        if self._usable():
            try:
                self._catch_up()
                found = self.spool.claim(self.run_id, most, max_bytes, without=without, after=after)
            except SpoolError as error:
                self._fail(error)
            else:
                self._recover()
                return found
        return self.reserve.claim(most, max_bytes, without)

    def done(self, batch: Iterable[Held]) -> None:
        """The server has them."""
        events = list(batch)
        here = self.reserve.done(held.id for held in events)
        self._settle(Counter(row.category for row in here))
        events = [held for held in events if held.id > 0]
        if not events:
            return
        try:
            self.spool.done(events)
        except SpoolError as error:
            # They stay held by this run, and are taken out when that works again. Should the
            # process die before, they are sent twice, which the server takes as once.
            with self._owing:
                self._sent += events
            self._fail(error)

    def back(self, batch: Iterable[Held]) -> None:
        """They could not be delivered now."""
        ids = [held.id for held in batch]
        self.reserve.back(ids)
        ids = [one for one in ids if one > 0]
        if ids:
            try:
                self.spool.back(self.run_id, ids)
            except SpoolError as error:
                self._fail(error)  # they are free again when the hold ends

    def bury(self, verdicts: Sequence[Verdict]) -> None:
        """The server will never take them: keep them as dead letters."""
        try:
            self._lost(self.spool.bury([v for v in verdicts if v.event.id > 0]))
        except SpoolError as error:
            self._fail(error)
            self.back([v.event for v in verdicts])
            return
        here = self.reserve.done([v.event.id for v in verdicts if v.event.id < 0])
        if here:
            self._settle(Counter(row.category for row in here))
            self._lose([Loss("dead_letters_full", row.category, 1) for row in here])

    def last(self) -> int:
        """The number of the newest event in the spool; 0 when there is none, or it cannot be told.

        For ``is_clear``, after which everything that waited at this moment was dealt with.
        """
        try:
            return self.spool.last() if self._usable() else 0
        except SpoolError:
            return 0

    def is_clear(self, last: int) -> bool:
        """Whether nothing up to ``last``, nor anything in memory, waits any more."""
        try:
            return not self.reserve and (not last or self.spool.is_clear(last))
        except SpoolError:
            return False

    def figures(self) -> Figures | None:
        """What is in the spool; None when that cannot be told."""
        try:
            return self.spool.figures()
        except SpoolError:
            return None

    def close(self) -> None:
        """End the run: what is not in the spool by now is lost, and counted."""
        if self.reserve:
            # The last chance, whether it is time to try again or not.
            self._closed_until = float("-inf")
            try:
                self._catch_up()
                self._recover()
            except SpoolError:
                left = self.reserve.drain()
                self.reserve.moved(left)
                self._settle(Counter(row.category for row in left))
                counts = Counter(row.category for row in left)
                self._lose([Loss("unsaved", category, n) for category, n in counts.items()])
        run, self.run = self.run, None
        if run is not None:
            try:
                self._catch_up()
                self.spool.leave(run.id)
            except SpoolError:
                run.abandon()  # whoever finds the file accounts for it
            else:
                run.remove()
        self.spool.close()

    # -- inside

    def _usable(self) -> bool:
        return self._clock() >= self._closed_until

    def _catch_up(self) -> None:
        """What could not be written when it was due."""
        with self._owing:
            sent, self._sent = self._sent, []
            losses, self._unrecorded = self._unrecorded, []
        try:
            if sent:
                self.spool.done(sent)
                sent = []
            if losses:
                self.spool.note(losses)
                losses = []
            rows = self.reserve.drain()
            try:
                if rows:
                    self._lost(self.spool.put(self.run_id, rows))
            except SpoolError:
                self._overflow(self.reserve.put(rows, oldest=True))
                raise
            finally:
                self.reserve.moved(rows)
            if self._clock() - self._swept_at >= SWEEP_SECONDS:
                self._swept_at = self._clock()
                self._lost(self.spool.sweep())
        finally:
            with self._owing:
                self._sent += sent
                self._unrecorded += losses

    def _fail(self, error: SpoolError) -> None:
        self._closed_until = self._clock() + RETRY_SECONDS
        if error.reason != self.trouble:
            self.trouble = error.reason
            _log.warning(
                "the event spool %s cannot be used (%s): events are kept in memory",
                self.spool.path,
                error.reason,
            )

    def _recover(self) -> None:
        if self.trouble:
            self.trouble = ""
            _log.info("the event spool can be used again")

    def _overflow(self, gone: Sequence[Loss]) -> None:
        """What leaves the reserve uncounted by the spool is counted here."""
        self._settle(Counter(loss.category for loss in gone))
        self._lose(gone)

    def _settle(self, counts: Mapping[str, int]) -> None:
        if self.run is not None:
            for category, count in counts.items():
                if category in CATEGORIES:
                    self.run.settle(category, count)

    def _lose(self, losses: Sequence[Loss]) -> None:
        """Count losses now, and in the spool when that is possible."""
        if losses:
            self._lost(losses)
            with self._owing:
                self._unrecorded += losses
