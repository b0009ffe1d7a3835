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
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from rune_server.dashboard.shared_answers import SharedAnswers
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
_CLOCKS = timedelta(seconds=5)
"""How far the clocks of the server's processes may be apart."""
_REMEMBERED = 4_000
_WAITING = 16


@dataclass(eq=False, slots=True)
class Reader:
    """One open page: first what it missed, then what comes, each row once."""

    feed: Feed
    batches: asyncio.Queue[list[EventRow] | None] = field(
        default_factory=lambda: asyncio.Queue(_WAITING)
    )
    given: set[UUID] = field(default_factory=set)

    async def missed(self, after: datetime) -> list[EventRow]:
        """What arrived since the page's newest row, the newest first.

        Args:
            after: That row's time. A row that the page lacks arrived after its newest one did, and
                that one not before its time.
        """
        found = await self.feed.missed(after)
        self.given = {row.event_id for row in found}
        return found

    async def next(self) -> list[EventRow] | None:
        """The next rows; None when the feed has ended: the page must connect again."""
        while True:
            batch = await self.batches.get()
            if batch is None:
                return None
            # What was written while the missed ones were read is among both.
            if new := [row for row in batch if row.event_id not in self.given]:
                return new

    def put(self, batch: list[EventRow] | None) -> None:
        """Hand rows over; a page that does not read loses its oldest and looks again later."""
        if self.batches.full():
            self.batches.get_nowait()
        self.batches.put_nowait(batch)


class Feed:
    """The new rows of one organisation under one filter, for every page that shows them."""

    def __init__(self, platform: Platform, organisation_id: UUID, chosen: EventFilter) -> None:
        self._platform = platform
        self._organisation_id = organisation_id
        self._chosen = chosen
        self._seen: OrderedDict[UUID, None] = OrderedDict()
        self._readers: set[Reader] = set()
        self._told = 0
        self._missed = SharedAnswers(60)
        self._task: asyncio.Task[None] | None = None
        self._pause = GATHER_SECONDS
        self._listening = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether nobody reads."""
        return not self._readers

    async def join(self) -> Reader:
        """Receive what is written from now on."""
        reader = Reader(self)
        self._readers.add(reader)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dashboard feed")
        await self._listening.wait()
        return reader

    def leave(self, reader: Reader) -> None:
        """Stop receiving; the last one ends the feed."""
        self._readers.discard(reader)
        if not self._readers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def missed(self, after: datetime) -> list[EventRow]:
        """What arrived after a moment; one query for all pages that come back together.

        Pages share an answer until the feed tells more: whoever has joined by then is told.
        """
        found = await self._missed.get((self._told, after), lambda: self._since(after))
        return [row for row in found if row.received_at >= after - _CLOCKS]

    async def _since(self, at: datetime) -> list[EventRow]:
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
                reader.put(None)

    async def _tell(self) -> None:
        new = [row for row in await self._read() if self._is_new(row)]
        if new:
            self._told += 1
            for reader in self._readers:
                reader.put(new)

    async def _read(self) -> list[EventRow]:
        began = time.monotonic()
        try:
            return await self._since(self._platform.clock.now())
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


class Feeds:
    """The feeds of one process."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._feeds: dict[tuple[UUID, EventFilter], Feed] = {}

    @asynccontextmanager
    async def open(self, organisation_id: UUID, chosen: EventFilter) -> AsyncIterator[Reader]:
        """A reader of the feed, for as long as a page is open."""
        key = (organisation_id, chosen)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(self._platform, organisation_id, chosen)
        reader = await feed.join()
        try:
            yield reader
        finally:
            feed.leave(reader)
            if feed.idle and self._feeds.get(key) is feed:
                del self._feeds[key]
