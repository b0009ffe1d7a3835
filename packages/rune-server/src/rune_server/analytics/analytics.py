"""The door to analytics: every question takes the organisation first, and reads nothing else."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from rune_server.analytics import figures, inventory, keeping, lists
from rune_server.analytics.connect import Store
from rune_server.analytics.embedded import only_current
from rune_server.analytics.model import EVERYTHING
from rune_server.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from rune_core.event.schema import Event
    from rune_server.analytics.connect import Target
    from rune_server.analytics.model import (
        AgentRow,
        CountRow,
        CoverageRow,
        Dimension,
        EventFilter,
        EventRow,
        LatencyRow,
        Page,
        SeenKind,
        SeenRow,
        Series,
        SessionRow,
        ToolRow,
        TopRow,
        Totals,
        UsageRow,
        Window,
    )

DEFAULT_REGION = "us"
_log = structlog.get_logger("rune_server.analytics")


async def _one_region(organisation_id: UUID) -> str:  # noqa: ARG001
    return DEFAULT_REGION


class Analytics:
    """Events and their figures, per organisation, each in the database of its region.

    Every method raises ``UnavailableError`` (503) while ClickHouse does not answer.

    Args:
        stores: A store per region.
        region_of: Tells an organisation's region; without it everything is in ``us``.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        region_of: Callable[[UUID], Awaitable[str]] = _one_region,
    ) -> None:
        self.stores = dict(stores)
        self._region_of = region_of

    async def store(self, organisation_id: UUID) -> Store:
        """The store that holds an organisation's events.

        Raises:
            ConfigurationError: No store was configured for its region.
        """
        return self.store_of(await self._region_of(organisation_id))

    def store_of(self, region: str) -> Store:
        """The store of a region.

        Raises:
            ConfigurationError: There is none.
        """
        try:
            return self.stores[region]
        except KeyError:
            raise ConfigurationError(f"no analytics database for the region {region!r}") from None

    @property
    def is_encrypted(self) -> bool | None:
        """Whether all that is stored is encrypted; None when only a server's operator knows."""
        found = {store.is_encrypted for store in self.stores.values()}
        return False if False in found else None if None in found else True

    @property
    def is_reachable(self) -> bool:
        """Whether every store answered the last call."""
        return all(store.is_reachable for store in self.stores.values())

    # -- lists

    async def events(
        self,
        organisation_id: UUID,
        chosen: EventFilter = EVERYTHING,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[EventRow]:
        """Events, the newest first; at most 1,000 a page.

        Raises:
            InvalidError: The cursor is not one of ours.
        """
        return await lists.events(
            await self.store(organisation_id), organisation_id, chosen, cursor, limit
        )

    async def event(self, organisation_id: UUID, event_id: UUID) -> EventRow | None:
        """One event; None when the organisation has none of this id."""
        return await lists.event(await self.store(organisation_id), organisation_id, event_id)

    async def session(self, organisation_id: UUID, session_id: str) -> list[EventRow]:
        """The events of one session in the order in which they happened, at most 5,000."""
        return await lists.session(await self.store(organisation_id), organisation_id, session_id)

    async def sessions(
        self,
        organisation_id: UUID,
        chosen: EventFilter = EVERYTHING,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[SessionRow]:
        """Sessions, the last active first. Give the filter a ``since``: it reads all it takes."""
        return await lists.sessions(
            await self.store(organisation_id), organisation_id, chosen, cursor, limit
        )

    # -- figures

    async def series(
        self,
        organisation_id: UUID,
        window: Window,
        by: Dimension | None = None,
        chosen: EventFilter = EVERYTHING,
    ) -> Series:
        """Counts over time, a line per value of ``by``, at most twelve lines."""
        return await figures.series(
            await self.store(organisation_id), organisation_id, window, by, chosen
        )

    async def totals(
        self, organisation_id: UUID, window: Window, chosen: EventFilter = EVERYTHING
    ) -> Totals:
        """Sums over a window."""
        return await figures.totals(
            await self.store(organisation_id), organisation_id, window, chosen
        )

    async def top(
        self,
        organisation_id: UUID,
        by: Dimension,
        window: Window,
        chosen: EventFilter = EVERYTHING,
        limit: int = 10,
    ) -> list[TopRow]:
        """The most frequent values of a dimension."""
        return await figures.top(
            await self.store(organisation_id), organisation_id, by, window, chosen, limit
        )

    async def latency(
        self,
        organisation_id: UUID,
        window: Window,
        chosen: EventFilter = EVERYTHING,
        *,
        failures: bool = True,
    ) -> list[LatencyRow]:
        """Quantiles per layer, and of the whole scan as ``total``.

        Args:
            organisation_id: Whose.
            window: When.
            chosen: Which events.
            failures: Whether to ask how often layers failed too; without, ``failed`` is 0 and
                layers that never ran are left out.
        """
        return await figures.latency(
            await self.store(organisation_id), organisation_id, window, chosen, failures=failures
        )

    async def count(
        self,
        organisation_id: UUID,
        chosen: EventFilter,
        window: Window,
        group_by: Sequence[Dimension] = (),
    ) -> list[CountRow]:
        """Events per group, for alert rules."""
        return await figures.count(
            await self.store(organisation_id), organisation_id, chosen, window, group_by
        )

    # -- inventory

    async def agents(self, organisation_id: UUID, window: Window) -> list[AgentRow]:
        """Every known agent with its risk score and trend, the riskiest first."""
        return await inventory.agents(await self.store(organisation_id), organisation_id, window)

    async def agent(self, organisation_id: UUID, agent_id: str, window: Window) -> AgentRow | None:
        """One agent; None when nothing of it is known."""
        found = await inventory.agents(
            await self.store(organisation_id), organisation_id, window, agent_id
        )
        return found[0] if found else None

    async def tools(
        self, organisation_id: UUID, agent_id: str | None, window: Window
    ) -> list[ToolRow]:
        """Every known tool of an agent, or of all, with its calls in the window."""
        return await inventory.tools(
            await self.store(organisation_id), organisation_id, agent_id, window
        )

    async def coverage(
        self, organisation_id: UUID, window: Window, *, failures: bool = True
    ) -> list[CoverageRow]:
        """Per agent and surface: how much was looked at, and which layers did not run.

        Args:
            organisation_id: Whose.
            window: When.
            failures: Whether to ask which layers those were; without, ``failed`` is empty.
        """
        return await inventory.coverage(
            await self.store(organisation_id), organisation_id, window, failures=failures
        )

    async def first_seen(
        self, organisation_id: UUID, kind: SeenKind, since: datetime
    ) -> list[SeenRow]:
        """New agents, new tools, or tools whose definition changed, since a moment."""
        return await inventory.first_seen(
            await self.store(organisation_id), organisation_id, kind, since
        )

    # -- keeping

    async def insert(
        self,
        organisation_id: UUID,
        events: Iterable[Event],
        *,
        retention_days: int = 30,
        received_at: datetime | None = None,
        batch: UUID | None = None,
    ) -> int:
        """Write events directly, past the spool: for imports and tests. How many."""
        return await keeping.insert(
            await self.store(organisation_id),
            organisation_id,
            events,
            retention_days=retention_days,
            received_at=received_at,
            batch=batch,
        )

    async def purge(self, organisation_id: UUID, before: datetime) -> int:
        """Remove what happened before a moment. How many events that were."""
        return await keeping.purge(await self.store(organisation_id), organisation_id, before)

    async def erase(self, organisation_id: UUID, agent_id: str | None = None) -> int:
        """Remove everything about an agent or the organisation, from the disk too. How many."""
        return await keeping.erase(await self.store(organisation_id), organisation_id, agent_id)

    async def retain(self, organisation_id: UUID, days: int) -> None:
        """Keep what is stored for ``days`` from now on: for a change of plan."""
        await keeping.retain(await self.store(organisation_id), organisation_id, days)

    async def reseal(self) -> None:
        """Write everything embedded anew under the current key: after a key rotation.

        Raises:
            UnavailableError: Files under an older key are still in use; it goes on needing the key.
        """
        embedded = [store for store in self.stores.values() if store.is_embedded]
        for store in embedded:
            await keeping.reseal(store)
        for store in embedded:
            if store.target.path is not None:
                await asyncio.to_thread(only_current, store.target.path, store.target.keys)

    async def usage(self, organisation_id: UUID, month: datetime) -> list[UsageRow]:
        """Events per day of a month."""
        return await keeping.usage(await self.store(organisation_id), organisation_id, month)


@asynccontextmanager
async def open_analytics(
    targets: Mapping[str, Target],
    region_of: Callable[[UUID], Awaitable[str]] = _one_region,
) -> AsyncIterator[Analytics]:
    """Open the store of every region, and close them at the end.

    Regions with the same ``path`` are databases of one embedded ClickHouse. A server that does not
    answer stops nothing: events wait in the spool, and questions are answered once it is back.

    Raises:
        ConfigurationError: A store cannot be opened, or two embedded ones lie apart.
    """
    folders = {target.path for target in targets.values() if target.url is None}
    if len(folders) > 1:
        raise ConfigurationError("one process can hold one embedded analytics folder, not two")
    stores = {region: Store(replace(target)) for region, target in targets.items()}
    try:
        for region, store in stores.items():
            try:
                await store.open()
            except UnavailableError:
                _log.warning("analytics does not answer yet", region=region)
        yield Analytics(stores, region_of)
    finally:
        await asyncio.gather(*(store.close() for store in stores.values()))
