"""The reserve: events in memory while the spool cannot be written."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from rune_core.event.draft import PRIORITIES
from rune_core.queue.loss import Loss
from rune_core.queue.rows import Held

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from rune_core.queue.rows import Row

MAX_ROWS = 5_000
MAX_BYTES = 8_000_000


class Reserve:
    """A bounded stand-in for the spool that lives and dies with the process.

    Args:
        max_rows: Most events held.
        max_bytes: Most bytes of JSON held.
    """

    def __init__(self, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self.reset()

    def reset(self) -> None:
        """Empty it, as in a forked child: the parent has what was here."""
        self._lock = Lock()
        self._rows: tuple[deque[Row], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._size = 0
        self._out: dict[int, Row] = {}
        self._next = -1
        self._moving = 0

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._rows)) + len(self._out) + self._moving

    def put(self, rows: Sequence[Row], *, oldest: bool = False) -> list[Loss]:
        """Add events; what had to go for them.

        Args:
            rows: The events.
            oldest: They were here before, and are older than what is here.
        """
        gone: list[Loss] = []
        with self._lock:
            for row in reversed(rows) if oldest else rows:
                held = self._rows[row.priority]
                (held.appendleft if oldest else held.append)(row)
                self._size += len(row.body)
            while sum(map(len, self._rows)) > self._max_rows or self._size > self._max_bytes:
                first = next(rows for rows in self._rows if rows).popleft()
                self._size -= len(first.body)
                gone.append(Loss("memory_full", first.category, 1))
        return gone

    def claim(self, most: int, max_bytes: int, without: Collection[str] = ()) -> list[Held]:
        """Take the most important events out, the oldest first. Their ids are negative."""
        found: list[Held] = []
        size = 0
        with self._lock:
            for rows in reversed(self._rows):
                kept: list[Row] = []
                while rows and len(found) < most:
                    row = rows[0]
                    if found and size + len(row.body) > max_bytes:
                        break
                    rows.popleft()
                    if row.category in without:
                        kept.append(row)
                        continue
                    size += len(row.body)
                    self._out[self._next] = row
                    found.append(Held(self._next, *row))
                    self._next -= 1
                rows.extendleft(reversed(kept))
            self._size -= size
        return found

    def done(self, ids: Iterable[int]) -> list[Row]:
        """Those claimed are settled; the ones that were here."""
        with self._lock:
            return [row for one in ids if (row := self._out.pop(one, None)) is not None]

    def back(self, ids: Iterable[int]) -> None:
        """Those claimed could not be delivered now."""
        with self._lock:
            rows = [row for one in ids if (row := self._out.pop(one, None)) is not None]
            for row in reversed(rows):
                self._rows[row.priority].appendleft(row)
                self._size += len(row.body)

    def drain(self) -> Sequence[Row]:
        """Everything that is not claimed, taken out. Counts as here until ``moved``."""
        with self._lock:
            rows = [row for each in self._rows for row in each]
            for each in self._rows:
                each.clear()
            self._size = 0
            self._moving += len(rows)
        return rows

    def moved(self, rows: Sequence[Row]) -> None:
        """Rows that were taken out are somewhere else now, or here again."""
        with self._lock:
            self._moving -= len(rows)
