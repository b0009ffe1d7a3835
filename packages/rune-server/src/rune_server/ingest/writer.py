"""The writer: closed segments into the store, in order, until each is there exactly once."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from rune_server import metrics
from rune_server.analytics.batches import Batch, write_batch
from rune_server.errors import ConfigurationError, UnavailableError
from rune_server.ingest.closed import contents_of
from rune_server.ingest.segment import SegmentFile
from rune_server.storage.vault import SealError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from rune_server.analytics import Analytics
    from rune_server.ingest.claims import Claims
    from rune_server.ingest.closed import Closed, Contents
    from rune_server.storage import Vault

_log = structlog.get_logger("rune_server.ingest")
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
MAX_IN_MEMORY = 160 * 1024 * 1024
"""Lines of segments that wait, kept in memory; beyond it they are read again from the files."""

_TRANSIENT = frozenset((3, 60, 81, 159, 164, 202, 209, 210, 241, 242, 252, 253, 285, 319, 425, 999))
"""ClickHouse's codes for what passes: too many parts or queries, memory, timeouts, replicas."""


class Writer:
    """Writes the segments of one region.

    Args:
        region: The region.
        analytics: The stores.
        vault: Opens segments.
        quarantine: Where segments go that cannot be written.
        written: Called with each segment that is in the store.
        released: Called with each that left the spool for the quarantine.
        idle: Called when there is nothing left to write.
        tell: Called with what was written, for whoever watches.
        claims: Keeps several writers from bringing the same event; None for one writer.
    """

    def __init__(
        self,
        region: str,
        analytics: Analytics,
        vault: Vault,
        quarantine: Path,
        *,
        written: Callable[[Closed], None],
        released: Callable[[Closed], None],
        idle: Callable[[], None],
        tell: Callable[[Contents], Awaitable[None]],
        claims: Claims | None = None,
    ) -> None:
        self.region = region
        self._analytics = analytics
        self._vault = vault
        self._quarantine = quarantine
        self._written = written
        self._released = released
        self._idle = idle
        self._tell = tell
        self._claims = claims
        self._queue: deque[Closed] = deque()
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_memory = 0
        self.busy = False
        self.failing = False

    @property
    def waiting(self) -> int:
        """Segments that are not in the store yet."""
        return len(self._queue) + self.busy

    def put(self, closed: Closed) -> None:
        """Queue a segment."""
        if closed.lines is not None:
            size = sum(map(len, closed.lines))
            if self._in_memory + size > MAX_IN_MEMORY:
                closed.lines = None
            else:
                self._in_memory += size
        self._queue.append(closed)
        self._some.set()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name=f"writer {self.region}")

    async def close(self, seconds: float) -> None:
        """Write what is queued, for at most so long; what is left stays in its files."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(seconds):
                while self.waiting and not self.failing:  # noqa: ASYNC110 - once, at the end
                    await asyncio.sleep(0.01)
        except TimeoutError:
            _log.info("segments are left for the next start", segments=self.waiting)
        self._task.cancel()
        await asyncio.wait([self._task])

    # -- inside

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._some.clear()
                self._idle()
                await self._some.wait()
            closed = self._queue.popleft()
            self.busy = True
            try:
                await self._until_written(closed)
            finally:
                self.busy = False

    async def _until_written(self, closed: Closed) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                contents = await self._write(closed)
            except (UnavailableError, OSError) as error:
                reason = getattr(error, "code", None) or type(error).__name__
            except ClickHouseError as error:
                if not is_transient(error):
                    await self._apart(closed, f"clickhouse {code_of(error)}")
                    return
                reason = f"clickhouse {code_of(error)}"
            except (SealError, ValueError, ConfigurationError) as error:
                await self._quarantine_file(closed, type(error).__name__)
                return
            else:
                self.failing = False
                self._forget(closed)
                self._written(closed)
                await self._tell(contents)
                return
            if not self.failing:
                _log.warning("store cannot be written to", region=self.region, reason=reason)
            self.failing = True
            metrics.write_failures.labels(self.region).inc()
            self._forget(closed)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _write(self, closed: Closed) -> Contents:
        lines, contents = await asyncio.to_thread(closed.read, self._vault)
        if not contents.rows:
            return contents
        store = self._analytics.store_of(closed.region)
        if self._claims is not None:
            lines = await self._claims.without_others(closed.id, lines)
        batch = _batch(closed.id, lines, contents, closed.id)
        with metrics.write_seconds.labels(self.region).time():
            known = await store.write(
                partial(
                    write_batch, database=store.database, batch=batch, embedded=store.is_embedded
                )
            )
        metrics.events_written.labels(self.region).inc(contents.rows - known)
        return contents

    def _forget(self, closed: Closed) -> None:
        """Let the lines go from memory."""
        if closed.lines is not None:
            self._in_memory = max(0, self._in_memory - sum(map(len, closed.lines)))
            closed.lines = None

    async def _apart(self, closed: Closed, reason: str) -> None:
        """Write all lines but those that the store refuses; these go into quarantine."""
        lines, contents = await asyncio.to_thread(closed.read, self._vault)
        refused: list[bytes] = []
        parts = deque([lines.splitlines(keepends=True)])
        store = self._analytics.store_of(closed.region)
        while parts:
            part = parts.popleft()
            data = b"".join(part)
            # The same part gets the same token each time, so that this too can be repeated.
            token = uuid5(closed.id, hashlib.blake2b(data, digest_size=16).hexdigest())
            held = contents_of(data)
            batch = _batch(token, data, held, closed.id)
            try:
                await store.write(
                    partial(
                        write_batch,
                        database=store.database,
                        batch=batch,
                        embedded=store.is_embedded,
                    )
                )
            except UnavailableError:
                parts.appendleft(part)
                await asyncio.sleep(LONGEST_PAUSE)
            except ClickHouseError as error:
                if is_transient(error):
                    parts.appendleft(part)
                    await asyncio.sleep(FIRST_PAUSE)
                elif len(part) == 1:
                    refused += part
                else:
                    middle = len(part) // 2
                    parts.extendleft((part[middle:], part[:middle]))
        if refused:
            await asyncio.to_thread(self._keep, closed, refused)
            metrics.events_quarantined.labels(self.region).inc(len(refused))
            _log.error(
                "the store refuses events; they are kept in quarantine",
                segment=str(closed.id),
                region=self.region,
                events=len(refused),
                reason=reason,
            )
        self._forget(closed)
        self._written(closed)
        await self._tell(contents)

    def _keep(self, closed: Closed, lines: list[bytes]) -> None:
        self._quarantine.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._quarantine / closed.path.name
        path.unlink(missing_ok=True)  # from an attempt that was cut short
        file = SegmentFile(path, self._vault)
        try:
            file.append(b"".join(lines))
        finally:
            file.close()

    async def _quarantine_file(self, closed: Closed, reason: str) -> None:
        """Move a file that cannot be read out of the way of the others."""
        self._forget(closed)

        def move() -> None:
            self._quarantine.mkdir(parents=True, exist_ok=True, mode=0o700)
            closed.path.rename(self._quarantine / closed.path.name)

        try:
            await asyncio.to_thread(move)
        except OSError as error:
            _log.error("segment cannot be moved", segment=str(closed.id), error=error.strerror)
        rows = None if closed.contents is None else closed.contents.rows
        metrics.events_quarantined.labels(self.region).inc(rows or 0)
        _log.error(
            "segment cannot be read and is kept in quarantine",
            segment=str(closed.id),
            region=self.region,
            events=rows,
            reason=reason,
        )
        self._released(closed)


def is_transient(error: ClickHouseError) -> bool:
    """Whether trying again makes sense. Without a code nobody can tell, so it does."""
    code = code_of(error)
    return code is None or code in _TRANSIENT


def code_of(error: ClickHouseError) -> int | None:
    """ClickHouse's number for what went wrong."""
    found = getattr(error, "code", None)
    return found if isinstance(found, int) else None


def _batch(token: UUID, lines: bytes, contents: Contents, segment: UUID) -> Batch:
    spans = [(span.since, span.until) for span in contents.spans]
    return Batch(token, segment, lines, contents.ids, list(contents.events), spans)
