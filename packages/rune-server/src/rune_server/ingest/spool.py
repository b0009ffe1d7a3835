"""The spool: events are acknowledged once they are here, on disk and sealed.

Requests that arrive while the disk is busy are written together (group commit), so that one sync
serves many. A segment takes records until it is full or old; then it goes to the writer.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from rune_core.ids import uuid7
from rune_server.errors import ConfigurationError, UnavailableError
from rune_server.ingest.closed import Closed, Contents, found_at, name_of
from rune_server.ingest.reseal import reseal
from rune_server.ingest.segment import SUFFIX, SegmentFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from rune_server.storage import Vault

_log = structlog.get_logger("rune_server.ingest")
MAX_ROWS = 80_000
MAX_BYTES = 80 * 1024 * 1024
"""Segments get so large only while the writer is behind; a large one costs it less per event."""
MAX_AGE = 0.25
"""Seconds after which a segment goes to the writer, when that has nothing else to do."""
MANY_ROWS, MAX_AGE_OF_MANY = 5_000, 0.75
"""With so many rows it waits longer: to write many at once costs far less for each."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Most that waits in memory for the disk."""


class OpenSegment:
    """A segment that still takes events. Used on the event loop, but for ``file``."""

    __slots__ = (
        "contents",
        "file",
        "first_at",
        "id",
        "lines",
        "region",
        "retired",
        "size",
        "waiting",
    )

    def __init__(self, region: str) -> None:
        self.id: UUID = uuid7()
        self.region = region
        self.file: SegmentFile | None = None
        self.contents = Contents()
        self.lines: list[bytes] = []
        self.size = 0
        self.waiting = 0
        """Pieces that were added and are not on the disk yet."""
        self.first_at = 0.0
        self.retired = False
        """Takes no more."""


class _Group:
    """What is written and synced together."""

    __slots__ = ("done", "ids", "pieces", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        # Clients may all be gone by the time it fails.
        self.done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.pieces: list[tuple[OpenSegment, bytes, Contents]] = []
        self.ids: dict[UUID, set[str]] = {}
        self.size = 0


class Spool:
    """The spool of one process.

    Args:
        folder: Where; locked, so that no two processes share it.
        vault: Seals what is written.
        most: Most bytes on disk; beyond it nothing is accepted.
        hand_over: Called with each segment that is closed, on the event loop.
        accepted: Called with the ids of each group that became durable.
        hurry: Tells whether the writer waits for work.
    """

    def __init__(
        self,
        folder: Path,
        vault: Vault,
        most: int,
        hand_over: Callable[[Closed], None],
        accepted: Callable[[dict[UUID, set[str]]], None],
        hurry: Callable[[str], bool],
    ) -> None:
        self._folder = folder
        self._vault = vault
        self._most = most
        self._hand_over = hand_over
        self._accepted = accepted
        self._hurry = hurry
        self._thread = ThreadPoolExecutor(1, "spool")
        self._open: dict[str, OpenSegment] = {}
        self._retired: list[OpenSegment] = []
        self._filling: _Group | None = None
        self._committing: _Group | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._lock_file = -1
        self.size = 0
        """Bytes on disk."""
        self.failing_since: float | None = None
        """When the disk began to refuse, on the monotonic clock."""

    # -- accepting

    def segment(self, region: str) -> OpenSegment:
        """Where the next piece of a region belongs. Call ``add`` with it before anything else.

        Raises:
            UnavailableError: The spool is full, or the disk cannot keep up.
        """
        if self._closing:
            raise UnavailableError("the server is stopping", code="stopping", retry_after=5)
        if self.is_full:
            raise UnavailableError(
                "events are not written away fast enough: the spool is full",
                code="spool_full",
                retry_after=10,
            )
        waiting = 0 if self._filling is None else self._filling.size
        if waiting > MAX_WAITING_BYTES:
            raise UnavailableError("the disk is too slow", code="busy", retry_after=1)
        found = self._open.get(region)
        if found is None:
            found = self._open[region] = OpenSegment(region)
        return found

    def add(
        self,
        segment: OpenSegment,
        lines: bytes,
        organisation_id: UUID,
        ids: list[str],
        span: tuple[datetime, datetime],
    ) -> asyncio.Future[None]:
        """Add lines, each with its line break. The future is done once they are on the disk."""
        loop = asyncio.get_running_loop()
        group = self._filling
        if group is None:
            group = self._filling = _Group(loop)
        contents = Contents()
        contents.add(organisation_id, ids, *span)
        group.pieces.append((segment, lines, contents))
        group.ids.setdefault(organisation_id, set()).update(ids)
        group.size += len(lines)
        segment.waiting += 1
        if not segment.first_at:
            segment.first_at = loop.time()
        self._wake.set()
        return group.done

    def waiting(
        self, organisation_id: UUID, ids: set[str]
    ) -> list[tuple[set[str], asyncio.Future[None]]]:
        """Those of ``ids`` that are on their way to the disk, and when they will be there."""
        found = []
        for group in (self._committing, self._filling):
            mine = None if group is None else group.ids.get(organisation_id)
            if group is not None and mine is not None and not mine.isdisjoint(ids):
                found.append((mine & ids, group.done))
        return found

    @property
    def is_full(self) -> bool:
        """Whether nothing is accepted because too much waits."""
        return self.size >= self._most

    @property
    def is_empty(self) -> bool:
        """Whether everything was handed over."""
        return not (self._filling or self._committing or self._open or self._retired)

    def poke(self) -> None:
        """The writer has nothing to do."""
        self._wake.set()

    def released(self, closed: Closed) -> None:
        """A segment's file is gone."""
        self.size -= closed.size

    # -- life

    def start(self) -> list[Closed]:
        """Lock the folder and begin to accept. What an earlier process left, the oldest first.

        Raises:
            ConfigurationError: Another process has the folder, or it cannot be written.
        """
        self._lock_file = lock(self._folder)
        try:
            reseal(self._folder, self._vault)
        except OSError as error:
            # A full disk, say: under the older key, which was given, everything still opens.
            _log.warning("the spool cannot be sealed again", error=error.strerror)
        left = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            found = found_at(path)
            if found is not None:
                left.append(found)
                self.size += found.size
        self._task = asyncio.create_task(self._run(), name="spool")
        return left

    async def close(self) -> None:
        """Write what waits, hand over what is open, and stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await asyncio.to_thread(self._thread.shutdown)
        if self._lock_file >= 0:
            os.close(self._lock_file)

    # -- inside

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._until_due(loop.time())):
                    await self._wake.wait()
            self._wake.clear()
            group, self._filling = self._filling, None
            if group is not None:
                await self._commit(group)
            self._retire(loop.time(), everything=self._closing and not self._filling)
            await self._close_retired()
            if self._closing and self.is_empty:
                return

    def _until_due(self, now: float) -> float | None:
        if self._closing:
            return 0.0
        left = [
            _max_age(each) - (now - each.first_at) for each in self._open.values() if each.first_at
        ]
        # One that is old already waits for the writer, which pokes.
        return min((each for each in left if each > 0), default=None)

    async def _commit(self, group: _Group) -> None:
        self._committing = group
        loop = asyncio.get_running_loop()
        by_segment: dict[OpenSegment, list[bytes]] = {}
        for segment, lines, _ in group.pieces:
            by_segment.setdefault(segment, []).append(lines)
        failed: OSError | None = None
        for segment, pieces in by_segment.items():
            try:
                if failed is None:
                    grown = await loop.run_in_executor(self._thread, self._write, segment, pieces)
                    segment.size += grown
                    self.size += grown
            except OSError as error:
                failed = error
            if failed is not None:
                self._retire_one(segment)
        for segment, lines, contents in group.pieces:
            segment.waiting -= 1
            if failed is None:
                segment.lines.append(lines)
                _merge(segment.contents, contents)
        self._committing = None
        if failed is None:
            self.failing_since = None
            self._accepted(group.ids)
            group.done.set_result(None)
            return
        if self.failing_since is None:
            self.failing_since = time.monotonic()
        full = failed.errno in (errno.ENOSPC, errno.EDQUOT)
        _log.error("spool cannot be written", error=errno.errorcode.get(failed.errno or 0, "?"))
        group.done.set_exception(
            UnavailableError(
                "the disk is full" if full else "the disk cannot be written",
                code="disk_full" if full else "disk_failed",
                retry_after=10,
            )
        )

    def _write(self, segment: OpenSegment, pieces: list[bytes]) -> int:
        """On the spool's thread: write and sync. How many bytes the file grew."""
        before = 0
        if segment.file is None:
            segment.file = SegmentFile(
                self._folder / name_of(segment.id, segment.region), self._vault
            )
        else:
            before = segment.file.size
        segment.file.append(b"".join(pieces))
        return segment.file.size - before

    def _retire(self, now: float, *, everything: bool) -> None:
        for segment in list(self._open.values()):
            is_old = bool(segment.first_at) and now - segment.first_at >= _max_age(segment)
            if (
                everything
                or segment.contents.rows >= MAX_ROWS
                or segment.size >= MAX_BYTES
                or (is_old and self._hurry(segment.region))
            ):
                self._retire_one(segment)

    def _retire_one(self, segment: OpenSegment) -> None:
        if self._open.get(segment.region) is segment:
            del self._open[segment.region]
        if not segment.retired:
            segment.retired = True
            self._retired.append(segment)

    async def _close_retired(self) -> None:
        """Hand over retired segments that nothing waits for any more."""
        loop = asyncio.get_running_loop()
        for segment in [each for each in self._retired if not each.waiting]:
            file = segment.file
            if file is not None:
                await loop.run_in_executor(self._thread, file.close)
                if segment.contents.rows:
                    self._hand_over(
                        Closed(
                            segment.id,
                            segment.region,
                            file.path,
                            segment.size,
                            segment.lines,
                            segment.contents,
                        )
                    )
                else:
                    await loop.run_in_executor(self._thread, _remove, file.path)
                    self.size -= segment.size
            self._retired.remove(segment)


def lock(folder: Path) -> int:
    """Keep a spool's folder for this process, until the file that is returned is closed.

    Raises:
        ConfigurationError: Another process has it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}") from None
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        return opened
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        raise ConfigurationError(
            f"{folder} is in use by another process: give each its own data_dir"
        ) from None
    return opened


def _max_age(segment: OpenSegment) -> float:
    return MAX_AGE_OF_MANY if segment.contents.rows >= MANY_ROWS else MAX_AGE


def _merge(into: Contents, new: Contents) -> None:
    for organisation_id, number in new.events.items():
        into.events[organisation_id] = into.events.get(organisation_id, 0) + number
    into.ids += new.ids
    for span in new.spans:
        into.widen(span.since, span.until)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
