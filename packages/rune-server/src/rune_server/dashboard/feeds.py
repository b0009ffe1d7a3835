"""Live rows: what the writer tells over the bus, looked up once for all pages that want the same.

The bus says that events were written, not what is in them. A feed waits a moment for more, then
reads the new rows with its filter, so that a live list and a loaded one can never disagree about
what a filter means. All pages of one organisation with one filter share a feed: two hundred open
pages cost one query.

Rows are read with some overlap and told apart by their id: an event that was written late is shown
late, not lost; none is shown twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from rune_server.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from uuid import UUID

    from rune_server.analytics import EventFilter, EventRow
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.dashboard")

GATHER_SECONDS = 0.15
"""How long a feed waits for more after the first word of something new."""
OVERLAP = timedelta(minutes=10)
"""How far back a feed reads again: agents send in batches, and clocks differ."""
ROWS = 60
"""The most rows sent at once. More cannot be read; the newest are sent."""
_REMEMBERED = 4_000
_WAITING = 16


@dataclass(eq=False, slots=True)
class _Reader:
    """One open page."""

    batches: asyncio.Queue[list[EventRow] | None]


class Feed:
    """The new rows of one organisation under one filter, for every page that shows them."""

    def __init__(self, platform: Platform, organisation_id: UUID, chosen: EventFilter) -> None:
        self._platform = platform
        self._organisation_id = organisation_id
        self._chosen = chosen
        self._seen: OrderedDict[UUID, None] = OrderedDict()
        self._readers: set[_Reader] = set()
        self._task: asyncio.Task[None] | None = None
        self._pause = GATHER_SECONDS
        self._listening = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether nobody reads."""
        return not self._readers

    async def join(self) -> _Reader:
        """Receive what is written from now on."""
        reader = _Reader(asyncio.Queue(_WAITING))
        self._readers.add(reader)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dashboard feed")
        await self._listening.wait()
        return reader

    def leave(self, reader: _Reader) -> None:
        """Stop receiving; the last one ends the feed."""
        self._readers.discard(reader)
        if not self._readers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def since(self, at: datetime) -> list[EventRow]:
        """Rows a page may have missed since ``at``, the newest first."""
        found = await self._platform.analytics.events(
            self._organisation_id, replace(self._chosen, since=at - OVERLAP), None, ROWS
        )
        return list(found.items)

    async def _run(self) -> None:
        try:
            async with self._platform.bus.subscribe(f"events.{self._organisation_id}") as messages:
                # What is there already is on the pages; they ask for what they lack themselves.
                for row in await self._read():
                    self._is_new(row)
                self._listening.set()
                while (await messages.next()) is not None:
                    await asyncio.sleep(self._pause)
                    while (await messages.next(0)) is not None:
                        pass
                    await self._tell()
        finally:
            self._listening.set()
            for reader in self._readers:
                _put(reader, None)

    async def _tell(self) -> None:
        new = [row for row in await self._read() if self._is_new(row)]
        if new:
            for reader in self._readers:
                _put(reader, new)

    async def _read(self) -> list[EventRow]:
        began = time.monotonic()
        try:
            return await self.since(self._platform.clock.now())
        except ServerError as error:
            _log.warning("live rows could not be read", kind=type(error).__name__)
            return []
        finally:
            # A slow store is asked less often: feeds take at most a quarter of its time.
            self._pause = max(GATHER_SECONDS, 3 * (time.monotonic() - began))

    def _is_new(self, row: EventRow) -> bool:
        if row.event_id in self._seen:
            return False
        self._seen[row.event_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True


def _put(reader: _Reader, batch: list[EventRow] | None) -> None:
    """Hand a batch over; a page that does not read loses its oldest one and looks again later."""
    if reader.batches.full():
        reader.batches.get_nowait()
    reader.batches.put_nowait(batch)


class Feeds:
    """The feeds of one process."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._feeds: dict[tuple[UUID, EventFilter], Feed] = {}

    @asynccontextmanager
    async def open(
        self, organisation_id: UUID, chosen: EventFilter
    ) -> AsyncIterator[tuple[Feed, asyncio.Queue[list[EventRow] | None]]]:
        """A feed, for as long as a page is open, and the batches for that page.

        A batch of None says that the feed has ended: the page must connect again.
        """
        key = (organisation_id, chosen)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(self._platform, organisation_id, chosen)
        reader = await feed.join()
        try:
            yield feed, reader.batches
        finally:
            feed.leave(reader)
            if feed.idle and self._feeds.get(key) is feed:
                del self._feeds[key]
