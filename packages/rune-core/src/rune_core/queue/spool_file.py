"""The file behind a spool: a SQLite database that processes share and that may be damaged.

SQLite must not be open while a process forks, and must not trust a file that another process has
put something else in the place of. Both are seen to here; what stands in the database is the
business of ``spool``.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from rune_core.forks import around_fork, in_child
from rune_core.queue.front import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_T = TypeVar("_T")
_log = logging.getLogger("rune_core.events")
ENDING = ".v1.db"
"""The number is the layout's: a file of another layout is left alone."""
BUSY_SECONDS = 5.0
"""How long another process may keep the file locked. Waited for on our threads only."""
FORK_WAIT = 1.0
"""How long a fork of the host may have to wait for a transaction of ours."""
KEPT_ASIDE = 3
SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    category TEXT NOT NULL,
    priority INTEGER NOT NULL,
    at REAL NOT NULL,
    holder TEXT,
    held_until REAL,
    body BLOB NOT NULL
);
CREATE INDEX events_by_priority ON events (priority, id);
CREATE TABLE totals (category TEXT PRIMARY KEY, count INTEGER NOT NULL, bytes INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    category TEXT NOT NULL,
    priority INTEGER NOT NULL,
    at REAL NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE losses (
    reason TEXT NOT NULL, category TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (reason, category)
) WITHOUT ROWID;
CREATE TABLE runs (
    run TEXT NOT NULL, category TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (run, category)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_carried_over: list[sqlite3.Connection] = []
"""Connections that a fork copied. Closing one would meddle with the parent's locks."""


class SpoolError(Exception):
    """The spool cannot be used now. The message names the reason, never content.

    Attributes:
        reason: SQLite's or the system's name for it, such as ``SQLITE_FULL`` or ``EROFS``.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class SpoolFile:
    """One database, opened when first used. Any thread may use it; each waits for the others.

    Args:
        path: The file. Its folder is made when it does not exist.
        renewed: Called after a new database took the place of one that had rows: with the damaged
            file that was set aside, None when the file was removed, and with the rows that stood
            there as far as was known. Called outside of any transaction.
    """

    _lock: threading.Lock
    _db: sqlite3.Connection | None

    def __init__(self, path: Path, renewed: Callable[[Path | None, dict[str, int]], None]) -> None:
        self.path = path
        self._renewed = renewed
        self._known_path = path.with_name(path.name + ".count")
        self._known_handle = -1
        self._lost: dict[str, int] | None = None
        self._torn = False
        self._held_for_fork = False
        self._lock = threading.Lock()
        self._db = None
        self._inode: tuple[int, int] | None = None
        around_fork(self._before_fork, self._after_fork_in_parent)
        in_child(self._in_child)

    def transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do ``work`` as a whole or not at all.

        A file that turns out to be damaged is set aside, and the work is done on a new one.

        Raises:
            SpoolError: It could not be done.
        """
        for _ in range(3):
            aside: Path | None = None
            with self._lock:
                try:
                    return self._attempt(work)
                except _DamagedError as error:
                    aside = self._set_aside(error.inode)
                    if aside is None:
                        continue  # another process did: look at what it put there
                    with suppress(_RenewedError):
                        self._attempt(lambda _: None)
                except _RenewedError:
                    pass
                lost, self._lost = self._lost, None
            self._renewed(aside, lost or {})
        raise SpoolError("SQLITE_CORRUPT")

    def know(self, counts: Sequence[int]) -> None:
        """Note beside the database how many rows it has, for when it cannot tell any more.

        Args:
            counts: One number per category of ``CATEGORIES``. Called in a transaction.
        """
        raw = b"".join(count.to_bytes(8, "little") for count in counts)
        with suppress(OSError):
            if self._known_handle < 0:
                self._known_handle = os.open(self._known_path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.lseek(self._known_handle, 0, os.SEEK_SET)
            os.write(self._known_handle, raw)

    def close(self) -> None:
        """Close it; the next transaction opens it again."""
        with self._lock:
            self._close()

    # -- inside

    def _attempt(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            db = self._opened()
            db.execute("BEGIN IMMEDIATE")
            result = work(db)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0)
            inode = self._inode
            if self._db is not None:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            if code & 0xFF in _DAMAGED:
                self._close()
                raise _DamagedError(inode) from None
            if code & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
                self._close()  # whatever is wrong with the handle, a new one may not have it
            name = getattr(error, "sqlite_errorname", "") or type(error).__name__
            raise SpoolError(name) from None
        except OSError as error:
            import errno

            self._close()
            raise SpoolError(errno.errorcode.get(error.errno or 0, "OSError")) from None
        except BaseException:
            self._close()  # whatever it is, no transaction may be left open
            raise
        return result

    def _opened(self) -> sqlite3.Connection:
        if self._torn:
            raise SpoolError("forked while open")
        if self._db is not None:
            if self._inode == _inode(self.path):
                return self._db
            self._close()  # somebody removed it, or set it aside: what is written there is lost
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made by us first: SQLite would make it readable by whoever the umask lets.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(self.path, flags, 0o600)
        try:
            if _is_foreign(os.fstat(handle)):
                raise SpoolError("can be written by others")
        finally:
            os.close(handle)
        inode = _inode(self.path)
        db = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._db, self._inode = db, inode
        for pragma in (
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "journal_size_limit = 4000000",
            "cache_size = -512",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        if not _version(db):
            db.execute("BEGIN IMMEDIATE")
            if not _version(db):  # another process may have been faster
                for statement in SCHEMA.split(";"):
                    db.execute(statement)
                self._lost = self._known()
            db.execute("COMMIT")
            if self._lost is not None:
                raise _RenewedError
        return db

    def _known(self) -> dict[str, int] | None:
        """Rows of the database that was here before; None when there was none, or it was empty."""
        try:
            raw = self._known_path.read_bytes()
        except OSError:
            return None
        counts = {
            category: int.from_bytes(raw[8 * index : 8 * index + 8], "little")
            for index, category in enumerate(CATEGORIES)
        }
        return counts if any(counts.values()) else None

    def _close(self) -> None:
        db, self._db, self._inode = self._db, None, None
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()
        handle, self._known_handle = self._known_handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)

    def _set_aside(self, inode: tuple[int, int] | None) -> Path | None:
        """Move a damaged file out of the way, unless another process did; None then."""
        if inode is not None and inode != _inode(self.path):
            return None
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        try:
            for ending in ("", "-wal", "-shm"):
                source = self.path.with_name(self.path.name + ending)
                with suppress(FileNotFoundError):
                    source.rename(aside.with_name(aside.name + ending))
        except OSError as error:
            raise SpoolError(error.strerror or "OSError") from None
        _log.error("the event spool is damaged and was set aside: %s", aside)
        self._tidy()
        return aside

    def _tidy(self) -> None:
        old = sorted(
            path
            for path in self.path.parent.glob(f"{self.path.name}.damaged-*")
            if not path.name.endswith(("-wal", "-shm"))
        )
        for path in old[:-KEPT_ASIDE]:
            for ending in ("", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)

    def _before_fork(self) -> None:
        """SQLite keeps what it has locked in memory that a child would inherit: close it."""
        self._held_for_fork = self._lock.acquire(timeout=FORK_WAIT)
        if self._held_for_fork:
            self._close()

    def _after_fork_in_parent(self) -> None:
        if self._held_for_fork:
            self._held_for_fork = False
            self._lock.release()

    def _in_child(self) -> None:
        self._lock = threading.Lock()
        self._held_for_fork = False
        if self._db is not None:
            # Forked behind Python's back, or a transaction took too long: hands off this file.
            _carried_over.append(self._db)
            self._db = None
            self._torn = True


class _DamagedError(Exception):
    """The file that was opened, as device and inode, is no database, or no longer."""

    def __init__(self, inode: tuple[int, int] | None) -> None:
        self.inode = inode
        super().__init__()


class _RenewedError(Exception):
    """The file was made anew, where there was one before."""


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of what Path.stat costs, once a transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_foreign(found: os.stat_result) -> bool:
    """Whether others could put events there in our name."""
    if not hasattr(os, "geteuid"):
        return False
    writable = bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return writable or found.st_uid not in (os.geteuid(), 0)
