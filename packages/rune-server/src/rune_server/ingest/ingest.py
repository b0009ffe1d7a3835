"""Taking events in: accepted once they are durable here, written to the store behind that."""

from __future__ import annotations

import asyncio
import ctypes
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import structlog

from rune_server import metrics
from rune_server.analytics import rows
from rune_server.ingest.claims import Claims
from rune_server.ingest.closed import SENT_AGAIN
from rune_server.ingest.recent import Recent
from rune_server.ingest.reseal import reseal
from rune_server.ingest.spool import Spool
from rune_server.ingest.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from rune_core.event.schema import Event
    from rune_server.analytics import Analytics
    from rune_server.bus import Bus
    from rune_server.ingest.closed import Closed, Contents
    from rune_server.settings import Settings
    from rune_server.storage import Vault

_log = structlog.get_logger("rune_server.ingest")
SYNC_SECONDS = 5.0
"""How often what embedded ClickHouse wrote is forced to the disk, after which segments go."""
CLOSE_SECONDS = 1.0
"""How long closing goes on writing. What is left is in the spool, for the next start."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of handing events over: how many are durable now, and how many were before."""

    accepted: int
    duplicates: int


class Ingest:
    """The way of events into the store. Made by ``open_ingest``."""

    def __init__(
        self,
        settings: Settings,
        vault: Vault,
        analytics: Analytics,
        bus: Bus,
    ) -> None:
        folder = settings.data_dir / "spool"
        self._folder = folder
        self._vault = vault
        self._quarantine = settings.data_dir / "quarantine"
        self._bus = bus
        self._analytics = analytics
        self._recent = Recent()
        self._claims = Claims(settings.redis_dsn) if settings.redis_dsn else None
        self._gone: list[Closed] = []
        """Written, but the file still there."""
        self._sync_task: asyncio.Task[None] | None = None
        self.spool = Spool(
            folder, vault, settings.spool_bytes, self._hand_over, self._recent.add, self._is_idle
        )
        self.writers = {
            region: Writer(
                region,
                analytics,
                vault,
                self._quarantine,
                written=self._written,
                released=self.spool.released,
                idle=self.spool.poke,
                tell=self._tell,
                claims=self._claims,
            )
            for region in analytics.stores
        }

    async def accept(
        self,
        organisation_id: UUID,
        region: str,
        retention_days: int,
        events: Sequence[Event],
        received_at: datetime,
        skewed: Collection[str] = (),
    ) -> Accepted:
        """Make events durable. Returns once they are; those that were are counted only.

        Args:
            organisation_id: Whose they are.
            region: Where they are kept.
            retention_days: For how long.
            events: Checked events (see ``edge.decode``), with ids and timestamps in one spelling.
            received_at: When they arrived.
            skewed: Ids of those whose timestamp is ours, since the sender's clock was ahead.

        Raises:
            UnavailableError: The spool is full or the disk refuses; nothing was accepted.
        """
        by_id = {event.event_id: event for event in events}
        ids = by_id.keys()
        known = self._recent.known(organisation_id, ids)
        waiting = self.spool.waiting(organisation_id, set(ids))
        for some, _ in waiting:
            known |= some
        fresh = (
            [event for event in by_id.values() if event.event_id not in known]
            if known
            else (list(by_id.values()))
        )
        if fresh:
            # Nothing may wait between asking for the segment and adding to it.
            segment = self.spool.segment(region)
            before = rows.prefix(organisation_id, retention_days, received_at, segment.id)
            times = [event.timestamp for event in fresh]
            first, last = rows.moment(min(times)), rows.moment(max(times))
            if skewed:
                first -= SENT_AGAIN
            done = self.spool.add(
                segment,
                _lines(before, fresh, skewed),
                organisation_id,
                [event.event_id for event in fresh],
                (first, last),
            )
            waiting.append((set(), done))
        for _, done in waiting:
            # One client that leaves must not cancel what others wait for.
            await asyncio.shield(done)
        return Accepted(len(fresh), len(events) - len(fresh))

    async def settled(self, seconds: float = 30.0) -> bool:
        """Wait until everything that was accepted is in the store; False when it takes longer."""
        try:
            async with asyncio.timeout(seconds):
                while not self.spool.is_empty or self.backlog:  # noqa: ASYNC110 - two queues, rarely
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return False
        return True

    @property
    def backlog(self) -> int:
        """Segments that wait for the store."""
        return sum(writer.waiting for writer in self.writers.values())

    async def start(self) -> None:
        """Take up what an earlier process left, and begin.

        Raises:
            ConfigurationError: The spool folder cannot be used.
        """
        left = self.spool.start()
        try:
            await asyncio.to_thread(reseal, self._quarantine, self._vault)
        except OSError as error:
            _log.warning("the quarantine cannot be sealed again", error=error.strerror)
        if left:
            _log.info("segments of an earlier process are written", segments=len(left))
        for closed in left:
            self._hand_over(closed)
        for writer in self.writers.values():
            writer.start()
        self._sync_task = asyncio.create_task(self._sync(), name="spool sync")
        metrics.watch(self)

    async def close(self) -> None:
        """Make durable what waits, write what can be written quickly, and stop."""
        await self.spool.close()
        await asyncio.gather(*(writer.close(CLOSE_SECONDS) for writer in self.writers.values()))
        if self._sync_task is not None:
            self._sync_task.cancel()
            await asyncio.wait([self._sync_task])
        with suppress(OSError):
            await asyncio.to_thread(self._let_go)
        if self._claims is not None:
            await self._claims.close()
        metrics.unwatch(self)

    # -- inside

    def _is_idle(self, region: str) -> bool:
        writer = self.writers.get(region)
        return writer is None or not writer.waiting

    def _hand_over(self, closed: Closed) -> None:
        writer = self.writers.get(closed.region)
        if writer is None:
            _log.error("no store for the region of a segment", region=closed.region)
            return
        writer.put(closed)

    def _written(self, closed: Closed) -> None:
        self._gone.append(closed)

    async def _tell(self, contents: Contents) -> None:
        for organisation_id, events in contents.events.items():
            news = msgspec.json.encode({"written": events})
            await self._bus.publish(f"events.{organisation_id}", news)

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            if self._gone:
                try:
                    await asyncio.to_thread(self._let_go)
                except OSError as error:
                    _log.error("the disk cannot be synced", error=error.strerror)

    def _let_go(self) -> None:
        """Delete the files of what is in the store, once that is on the disk.

        Embedded ClickHouse syncs its files but not their folders, so a power failure could lose
        what it reported as written. Until the whole file system was synced the segment stays; it
        would be written again, under the same token.
        """
        gone, self._gone = self._gone, []
        if any(store.is_embedded for store in self._analytics.stores.values()):
            _sync_file_system(self._folder)
        for closed in gone:
            with suppress(FileNotFoundError):
                closed.path.unlink()
            self.spool.released(closed)


def _lines(before: bytes, events: Sequence[Event], skewed: Collection[str]) -> bytes:
    if not skewed:
        return rows.lines(before, events)
    right = [event for event in events if event.event_id not in skewed]
    wrong = [event for event in events if event.event_id in skewed]
    found = rows.lines(before, right) if right else b""
    return found + (rows.lines(before + b'"skewed":true,', wrong) if wrong else b"")


def _sync_file_system(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(opened) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(opened)


@asynccontextmanager
async def open_ingest(
    settings: Settings, vault: Vault, analytics: Analytics, bus: Bus
) -> AsyncIterator[Ingest]:
    """Ingest for the length of a block.

    Raises:
        ConfigurationError: The spool folder cannot be used.
    """
    ingest = Ingest(settings, vault, analytics, bus)
    await ingest.start()
    try:
        yield ingest
    finally:
        await ingest.close()
