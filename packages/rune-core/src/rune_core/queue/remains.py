"""What can still be read of a spool that was damaged."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

from rune_core.event.decode import decode
from rune_core.queue.rows import Row

if TYPE_CHECKING:
    from pathlib import Path

_COLUMNS = {
    "events": "event_id, category, priority, body",
    "dead": "event_id, category, priority, at, code, reason, body",
    "losses": "reason, category, count",
    "runs": "run, category, count",
}


class Remains:
    """The tables of a damaged file, each up to the damage in it.

    Args:
        path: The file; None where it is gone.
    """

    def __init__(self, path: Path | None) -> None:
        self._found = {
            table: [] if path is None else _rows_of(path, f"SELECT {columns} FROM {table}")  # noqa: S608 - ours
            for table, columns in _COLUMNS.items()
        }

    def events(self) -> list[Row]:
        """The events that waited."""
        return [Row(*row) for row in self._found["events"] if _is_event(row[3])]

    def copy_the_rest(self, db: sqlite3.Connection) -> None:
        """Put dead letters, counts of losses and of runs into a new spool."""
        for table in ("dead", "losses", "runs"):
            columns = _COLUMNS[table]
            marks = ", ".join("?" * len(columns.split(",")))
            db.executemany(
                f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 - ours
                [row for row in self._found[table] if table != "dead" or _is_event(row[-1])],
            )


def _is_event(body: object) -> bool:
    """Whether what was read is an event, and so may leave."""
    try:
        decode(body)  # type: ignore[arg-type]
    except (msgspec.MsgspecError, TypeError, ValueError):
        return False
    return True


def _rows_of(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What can still be read of a table of a damaged file, up to the damage."""
    found: list[tuple[Any, ...]] = []
    try:
        db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
    except sqlite3.Error:
        return found
    try:
        for row in db.execute(query):
            found.append(row)  # noqa: PERF402 - what was read before the damage is kept
    except sqlite3.Error:
        pass  # that is where the damage begins
    finally:
        db.close()
    return found
