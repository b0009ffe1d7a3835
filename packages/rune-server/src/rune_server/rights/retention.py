"""Removes what is older than its organisation keeps things.

ClickHouse's own TTL does this too, when it merges, by what the plan said as an event was written.
The job is what makes another retention, shorter or longer, hold for what is there already.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from rune_server.accounts import plans
from rune_server.analytics import keeping
from rune_server.auth import sessions
from rune_server.errors import ProblemError
from rune_server.state.tables.organisations import Organisation

if TYPE_CHECKING:
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.rights")
EVERY_SECONDS = 3600.0


async def run(platform: Platform) -> None:
    """The job: purges once an hour. Never returns."""
    while True:
        await purge(platform)
        await sessions.purge(platform)
        await asyncio.sleep(EVERY_SECONDS)


async def purge(platform: Platform) -> int:
    """Purge every organisation's events. How many were removed.

    One whose store does not answer is left for the next time.
    """
    async with platform.state.read() as session:
        rows = list((await session.execute(select(Organisation))).scalars())
    removed = 0
    for row in rows:
        days = plans.retention_days(row)
        before = platform.clock.now() - timedelta(days=days)
        try:
            removed += await platform.analytics.purge(row.id, before)
            store = platform.analytics.store_of(row.region)
            if await keeping.kept_otherwise(store, row.id, days):
                await keeping.retain(store, row.id, days)
        except ProblemError as error:
            _log.warning("purge put off", organisation=str(row.id), code=error.code)
    return removed
