"""A run: one process's life with a spool, and the counters that outlive it.

Each process keeps a file beside the spool, locked for as long as it lives, whose first bytes are
mapped into memory. In it stands how many events the process was ever given. When the process is
killed the lock is free and the count is still there: whoever finds it knows that the process is
gone, which of its events never reached the spool, and that what it had claimed is free again.

No clock takes part in it, so a clock that jumps changes nothing.
"""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from rune_core.queue.front import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = ".run"
_COUNTS = 8 * len(CATEGORIES)
_BYTES = 4096
"""Written whole, so that storing a number later can never find the disk full."""


class RunFile:
    """The file of this process's run.

    Args:
        folder: Where the spool is.
        stem: The spool's name without its ending.

    Attributes:
        id: Random; tells runs apart.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self.id = uuid4().hex
        self.path = folder / f"{stem}.{self.id}{SUFFIX}"
        draft = folder / f".{self.path.name}"
        first = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(first, bytes(_BYTES))
            self._map = mmap.mmap(first, _BYTES)
        finally:
            os.close(first)
        # Opened twice: a mapping keeps a copy of its handle, and would keep the lock with it.
        self._handle = os.open(draft, os.O_RDWR)
        try:
            _lock(self._handle)  # nobody else can have it: it was made a moment ago
            # Under its own name only now: whoever sees it sees it locked.
            draft.rename(self.path)
        except BaseException:
            os.close(self._handle)
            draft.unlink(missing_ok=True)
            raise
        numbers = memoryview(self._map)
        self.put = numbers[:_COUNTS].cast("Q")
        """Events that the process was given, per category of ``CATEGORIES``."""
        self.settled = numbers[_COUNTS : 2 * _COUNTS].cast("Q")
        """Those of them that never were in the spool and are accounted for all the same."""

    def settle(self, category: str, count: int = 1) -> None:
        """Account for events that went past the spool."""
        self.settled[CATEGORIES.index(category)] += count

    def remove(self) -> None:
        """The process ends in an orderly way, or has nothing to account for."""
        self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the lock and leave the file, as a forked child does with its parent's.

        The mapping stays for as long as somebody counts in it.
        """
        with suppress(OSError):
            os.close(self._handle)
        self._handle = -1


class DeadRun:
    """The file of a process that is gone, locked so that nobody else accounts for it too.

    Attributes:
        id: The run.
        missing: Events given to the process less those settled, per category.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.id = path.name.removesuffix(SUFFIX).rpartition(".")[2]
        self._handle = handle
        raw = os.pread(handle, 2 * _COUNTS, 0) if hasattr(os, "pread") else path.read_bytes()
        numbers = memoryview(raw.ljust(2 * _COUNTS, b"\0")[: 2 * _COUNTS]).cast("Q")
        self.missing = {
            category: max(0, numbers[index] - numbers[len(CATEGORIES) + index])
            for index, category in enumerate(CATEGORIES)
        }

    def remove(self) -> None:
        """It is accounted for."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._handle)


def dead_runs(folder: Path, stem: str) -> Iterator[DeadRun]:
    """Runs whose process is gone. Each is closed when the next one is asked for."""
    for path in sorted(folder.glob(f"{stem}.*{SUFFIX}")):
        try:
            handle = os.open(path, os.O_RDWR)
        except OSError:
            continue  # somebody else was faster, or may not be looked at by us
        if not _lock(handle):
            os.close(handle)
            continue
        try:
            run = DeadRun(path, handle)
        except OSError:
            os.close(handle)
            continue
        try:
            if path.exists():  # it was not accounted for between opening and locking
                yield run
        finally:
            run.close()


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30

    def _lock(handle: int) -> bool:
        """Take the lock of a file until its handle is closed; False when somebody has it."""
        os.lseek(handle, _FAR, os.SEEK_SET)  # a lock keeps others from reading what it covers
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(handle: int) -> bool:
        """Take the lock of a file until its handle is closed; False when somebody has it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # A file system without locks: nobody can be told to be dead.
            raise OSError(error.errno, "cannot be locked") from None
        return True
