"""The spool: events on disk between this machine's processes and a server.

Any number of processes put events in and take them out. One that takes a batch out holds it for a
while; a batch whose holder died, or holds it for too long, is free again. An event leaves the spool
when the server has it (``done``), when the server will never take it (``bury``: a dead letter), or
when there is no room (counted). Bounds are on rows and on bytes; the oldest of the least important
goes first.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from rune_core.event.draft import PRIORITIES
from rune_core.queue.front import CATEGORIES
from rune_core.queue.loss import Loss
from rune_core.queue.remains import Remains
from rune_core.queue.rows import DeadLetter, Figures, Held, Row, Verdict
from rune_core.queue.run_file import dead_runs
from rune_core.queue.spool_file import ENDING, SpoolFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

FOLDER = "spool"
HOLD_SECONDS = 120.0
"""How long a batch may be held. Longer than a request can take."""
MAX_DEAD = 1_000
_VACUUM_PAGES = 1_000
_T = TypeVar("_T")


class Spool:
    """The events of one server and key. Threads and processes may share it.

    Every method raises ``SpoolError`` when the file cannot be used now.

    Args:
        folder: The folder of spools.
        name: Tells servers and keys apart.
        max_rows: Most events kept.
        max_bytes: Most bytes of their JSON kept.
        lost: Told of losses that are found later than in a call: rows of a damaged file.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        max_rows: int,
        max_bytes: int,
        lost: Callable[[list[Loss]], None] | None = None,
    ) -> None:
        self.folder = folder
        self.name = name
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._lost = lost
        self._file = SpoolFile(folder / f"{name}{ENDING}", self._salvage)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    # -- in

    def put(self, run: str, rows: Sequence[Row]) -> list[Loss]:
        """Add events, and account for them.

        Args:
            run: The run that they come from.
            rows: The events.

        Returns:
            What had to go for them.
        """

        def work(db: sqlite3.Connection) -> list[Loss]:
            self._insert(db, rows)
            if run:
                _count_in(db, run, Counter(row.category for row in rows))
            return _record(db, self._evict(db))

        return self._do(work)

    def account(self, run: str, losses: Sequence[Loss]) -> None:
        """Count events of a run that were lost before they came here."""

        def work(db: sqlite3.Connection) -> None:
            _record(db, losses)
            counts: Counter[str] = Counter()
            for loss in losses:
                counts[loss.category] += loss.count
            if run:
                _count_in(db, run, counts)

        self._do(work)

    def note(self, losses: Sequence[Loss]) -> None:
        """Keep a count of losses that nobody else accounts for."""
        self._do(lambda db: _record(db, losses))

    # -- out

    def claim(
        self,
        run: str,
        most: int,
        max_bytes: int,
        *,
        without: Collection[str] = (),
        after: Mapping[int, int] | None = None,
    ) -> list[Held]:
        """Hold the most important events, the oldest first. Empty when there is nothing to do.

        Args:
            run: Who holds them.
            most: Most events.
            max_bytes: Most bytes of JSON; at least one event comes in any case.
            without: Categories to leave out.
            after: Per priority, the id after which to look.
        """

        def work(db: sqlite3.Connection) -> list[Held]:
            now = time.time()
            found: list[Held] = []
            size = 0
            for priority in reversed(range(PRIORITIES)):
                # A hold that ends too far ahead was made before the clock was set back.
                rows = db.execute(
                    "SELECT id, event_id, category, priority, body FROM events "
                    "WHERE priority = ? AND id > ? "
                    "AND (holder IS NULL OR held_until NOT BETWEEN ? AND ?) "
                    "AND NOT instr(?, ' ' || category || ' ') ORDER BY id LIMIT ?",
                    (
                        priority,
                        (after or {}).get(priority, 0),
                        now,
                        now + HOLD_SECONDS,
                        f" {' '.join(without)} ",
                        most - len(found),
                    ),
                )
                for row in rows:
                    held = Held(*row)
                    if found and size + len(held.body) > max_bytes:
                        break
                    size += len(held.body)
                    found.append(held)
                if len(found) >= most or size >= max_bytes:
                    break
            db.executemany(
                "UPDATE events SET holder = ?, held_until = ? WHERE id = ?",
                [(run, now + HOLD_SECONDS, held.id) for held in found],
            )
            return found

        return self._do(work)

    def done(self, events: Iterable[Held]) -> None:
        """The server has them."""
        self._do(lambda db: self._delete(db, [(held.id, held.event_id) for held in events]))

    def back(self, run: str, ids: Iterable[int]) -> None:
        """Let go of events that could not be delivered now."""

        def work(db: sqlite3.Connection) -> None:
            db.executemany(
                "UPDATE events SET holder = NULL WHERE id = ? AND holder = ?",
                [(one, run) for one in ids],
            )

        self._do(work)

    def bury(self, verdicts: Sequence[Verdict]) -> list[Loss]:
        """Make dead letters of events that the server will never take.

        Returns:
            Older dead letters that had to go for them.
        """

        def work(db: sqlite3.Connection) -> list[Loss]:
            now = time.time()
            for event, code, reason in verdicts:
                if not self._delete(db, [(event.id, event.event_id)]):
                    continue  # another process did it
                db.execute(
                    "INSERT INTO dead (event_id, category, priority, at, code, reason, body) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (event.event_id, event.category, event.priority, now, code, reason, event.body),
                )
            excess = _one(db, "SELECT count(*) FROM dead") - MAX_DEAD
            if excess <= 0:
                return []
            old = db.execute(
                "SELECT id, category FROM dead ORDER BY id LIMIT ?", (excess,)
            ).fetchall()
            db.executemany("DELETE FROM dead WHERE id = ?", [(one,) for one, _ in old])
            counts = Counter(category for _, category in old)
            return _record(db, [Loss("dead_letters_full", c, n) for c, n in counts.items()])

        return self._do(work)

    # -- what became of it

    def sweep(self) -> list[Loss]:
        """Account for processes that were killed, and free what they held.

        Returns:
            Events that they were given and that never came here.
        """
        found: list[Loss] = []
        for dead in dead_runs(self.folder, self.name):

            def work(db: sqlite3.Connection, run: str = dead.id, given: Any = dead) -> list[Loss]:
                counts = dict(db.execute("SELECT category, count FROM runs WHERE run = ?", (run,)))
                db.execute("UPDATE events SET holder = NULL WHERE holder = ?", (run,))
                losses: list[Loss] = []
                if counts.get("") is None:  # else it was accounted for, and the file was left over
                    losses = [
                        Loss("killed", category, put - counts.get(category, 0))
                        for category, put in given.missing.items()
                        if put > counts.get(category, 0)
                    ]
                    db.execute("DELETE FROM runs WHERE run = ?", (run,))
                    db.execute("INSERT INTO runs VALUES (?, '', 0)", (run,))
                return _record(db, losses)

            found += self._do(work)
            try:
                dead.remove()
            except OSError:
                continue  # it was accounted for; the file is looked at again later
            self.leave(dead.id)
        return found

    def leave(self, run: str) -> None:
        """A run ends in an orderly way: nothing of it is held or missing."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE events SET holder = NULL WHERE holder = ?", (run,))
            db.execute("DELETE FROM runs WHERE run = ?", (run,))

        self._do(work)

    def last(self) -> int:
        """The number of the newest event that waits; 0 when none does."""
        return self._do(lambda db: _one(db, "SELECT coalesce(max(id), 0) FROM events"))

    def is_clear(self, last: int) -> bool:
        """Whether no event up to that number waits any more."""
        return self._do(
            lambda db: not _one(db, f"SELECT EXISTS (SELECT 1 FROM events WHERE id <= {last:d})")  # noqa: S608 - a number
        )

    def figures(self) -> Figures:
        """What is in it."""

        def work(db: sqlite3.Connection) -> Figures:
            counts = {c: (n, b) for c, n, b in db.execute("SELECT * FROM totals")}
            oldest = db.execute("SELECT at FROM events ORDER BY id LIMIT 1").fetchone()
            losses: Counter[str] = Counter()
            for reason, count in db.execute("SELECT reason, count FROM losses"):
                losses[reason] += count
            return Figures(
                depth=sum(n for n, _ in counts.values()),
                bytes=sum(b for _, b in counts.values()),
                oldest_seconds=0.0 if oldest is None else max(0.0, time.time() - oldest[0]),
                dead_letters=_one(db, "SELECT count(*) FROM dead"),
                losses=dict(losses),
                by_category={c: n for c, (n, _) in counts.items() if n},
            )

        return self._do(work)

    def waiting(self) -> list[bytes]:
        """The JSON of every event that waits, the oldest first."""
        return self._do(
            lambda db: [row[0] for row in db.execute("SELECT body FROM events ORDER BY id")]
        )

    def dead_letters(self) -> list[DeadLetter]:
        """Every dead letter, the oldest first."""
        return self._do(
            lambda db: [
                DeadLetter(*row)
                for row in db.execute(
                    "SELECT id, event_id, at, code, reason, body FROM dead ORDER BY id"
                )
            ]
        )

    def revive(self) -> int:
        """Put every dead letter back into the queue; how many there were."""

        def work(db: sqlite3.Connection) -> int:
            rows = [
                Row(*row)
                for row in db.execute("SELECT event_id, category, priority, body FROM dead")
            ]
            db.execute("DELETE FROM dead")
            self._insert(db, rows)
            _record(db, self._evict(db))
            return len(rows)

        return self._do(work)

    def drop_dead_letters(self) -> int:
        """Remove every dead letter; how many there were."""
        return self._do(lambda db: db.execute("DELETE FROM dead").rowcount)

    def close(self) -> None:
        """Close the file; any other call opens it again."""
        self._file.close()

    # -- inside

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        def whole(db: sqlite3.Connection) -> _T:
            before = db.total_changes
            result = work(db)
            if db.total_changes != before:
                counts = dict(db.execute("SELECT category, count FROM totals"))
                self._file.know([counts.get(category, 0) for category in CATEGORIES])
            return result

        return self._file.transaction(whole)

    def _insert(self, db: sqlite3.Connection, rows: Sequence[Row]) -> None:
        now = time.time()
        db.executemany(
            "INSERT INTO events (event_id, category, priority, at, body) VALUES (?, ?, ?, ?, ?)",
            [(row.event_id, row.category, row.priority, now, row.body) for row in rows],
        )
        sizes: Counter[str] = Counter()
        for row in rows:
            sizes[row.category] += len(row.body)
        counts = Counter(row.category for row in rows)
        _total(db, {category: (count, sizes[category]) for category, count in counts.items()})

    def _delete(self, db: sqlite3.Connection, events: Iterable[tuple[int, str]]) -> int:
        """Remove events by number and id: after a damage the numbers begin anew."""
        gone = 0
        change: dict[str, tuple[int, int]] = {}
        for one, event_id in events:
            row = db.execute(
                "SELECT category, length(body) FROM events WHERE id = ? AND event_id = ?",
                (one, event_id),
            ).fetchone()
            if row is None:
                continue  # another process was faster
            db.execute("DELETE FROM events WHERE id = ?", (one,))
            count, size = change.get(row[0], (0, 0))
            change[row[0]] = (count - 1, size - row[1])
            gone += 1
        if gone:
            _total(db, change)
            # Small steps: the pages that a long outage filled are given back while it is made up.
            if _one(db, "PRAGMA freelist_count") > _VACUUM_PAGES:
                db.execute("PRAGMA incremental_vacuum(200)").fetchall()
        return gone

    def _evict(self, db: sqlite3.Connection) -> list[Loss]:
        """Make room."""
        row = db.execute("SELECT sum(count), sum(bytes) FROM totals").fetchone()
        rows, size = row[0] or 0, row[1] or 0
        gone: list[tuple[int, str]] = []
        counts: Counter[str] = Counter()
        for priority in range(PRIORITIES):
            if rows <= self._max_rows and size <= self._max_bytes:
                break
            for one, event_id, category, length in db.execute(
                "SELECT id, event_id, category, length(body) FROM events "
                "WHERE priority = ? AND holder IS NULL ORDER BY id",
                (priority,),
            ):
                if rows <= self._max_rows and size <= self._max_bytes:
                    break
                gone.append((one, event_id))
                counts[category] += 1
                rows -= 1
                size -= length
        self._delete(db, gone)
        return [Loss("spool_full", category, count) for category, count in counts.items()]

    def _salvage(self, aside: Path | None, known: dict[str, int]) -> None:
        """Take over what can be read of a damaged file, and count the rest."""
        found = Remains(aside)
        rows = found.events()
        saved = Counter(row.category for row in rows)
        losses = [
            Loss("spool_lost", category, count - saved[category])
            for category, count in known.items()
            if count > saved[category]
        ]

        def work(db: sqlite3.Connection) -> list[Loss]:
            self._insert(db, rows)
            found.copy_the_rest(db)
            return _record(db, [*losses, *self._evict(db)])

        recorded = self._do(work)
        if self._lost is not None and recorded:
            self._lost(recorded)


def _total(db: sqlite3.Connection, change: Mapping[str, tuple[int, int]]) -> None:
    db.executemany(
        "INSERT INTO totals VALUES (?, ?, ?) ON CONFLICT (category) DO UPDATE SET "
        "count = count + excluded.count, bytes = bytes + excluded.bytes",
        [(category, count, size) for category, (count, size) in change.items()],
    )


def _record(db: sqlite3.Connection, losses: Sequence[Loss]) -> list[Loss]:
    db.executemany(
        "INSERT INTO losses VALUES (?, ?, ?) ON CONFLICT (reason, category) DO UPDATE SET "
        "count = count + excluded.count",
        [(loss.reason, loss.category, loss.count) for loss in losses],
    )
    return list(losses)


def _count_in(db: sqlite3.Connection, run: str, counts: Mapping[str, int]) -> None:
    db.executemany(
        "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (run, category) DO UPDATE SET "
        "count = count + excluded.count",
        [(run, category, count) for category, count in counts.items()],
    )


def _one(db: sqlite3.Connection, query: str) -> int:
    return int(db.execute(query).fetchone()[0])
