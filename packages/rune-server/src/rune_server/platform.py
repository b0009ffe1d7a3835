"""What one process of the server holds, opened and closed in order."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rune_server.analytics import Analytics, open_analytics
from rune_server.analytics.targets import region_of, targets
from rune_server.clock import Clock, SystemClock
from rune_server.ingest import Ingest, open_ingest
from rune_server.limits import Limits
from rune_server.mailer import Mailer
from rune_server.state import migrations, open_state
from rune_server.storage.master import open_vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rune_server.auth.attempts import Attempts
    from rune_server.auth.keys import KeyDirectory
    from rune_server.auth.sessions import SessionDirectory
    from rune_server.auth.signing import SigningKeys
    from rune_server.bus import Bus
    from rune_server.settings import Settings
    from rune_server.state import State
    from rune_server.storage import Vault


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    """Everything: ``rune up``."""
    EDGE = "edge"
    WEB = "web"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything that services need. Made by ``open_platform``; tests may replace parts.

    Attributes:
        settings: The settings.
        role: What this process does.
        state: Organisations, people, keys, policies, alerts, audit.
        analytics: Events.
        bus: Messages to other parts and processes.
        limits: Rates and open requests.
        vault: Seals what is stored.
        clock: The time.
        mailer: Sends mail.
        keys: Tells what API keys allow.
        sessions: Tells whether people's sessions still stand.
        signing: Signs and verifies sessions' tokens.
        attempts: Counts sign-ins and the like.
        ingest: Takes events in; None in roles that do not.
        stopping: Set when the process begins to shut down: streams end then.
    """

    settings: Settings
    role: Role
    state: State
    analytics: Analytics
    bus: Bus
    limits: Limits
    vault: Vault
    clock: Clock
    mailer: Mailer
    keys: KeyDirectory
    sessions: SessionDirectory
    signing: SigningKeys
    attempts: Attempts
    ingest: Ingest | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def open_platform(
    settings: Settings,
    role: Role = Role.ALL,
    *,
    clock: Clock | None = None,
    analytics: Analytics | None = None,
) -> AsyncIterator[Platform]:
    """Open what the settings name, in order; close it in the opposite order.

    Args:
        settings: The settings.
        role: What this process will do.
        clock: For tests.
        analytics: For tests: one that is open already, which stays open. Embedded ClickHouse
            takes one folder per process.

    Raises:
        ConfigurationError: A setting cannot be used, or the state database needs ``rune migrate``.
        UnavailableError: A store does not answer.
    """
    from rune_server.auth.attempts import Attempts
    from rune_server.auth.keys import KeyDirectory
    from rune_server.auth.sessions import SessionDirectory
    from rune_server.auth.signing import SigningKeys
    from rune_server.bus import open_bus

    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        vault = open_vault(settings)
        state = open_state(settings, vault, clock)
        stack.push_async_callback(state.close)
        await migrations.require_current(state)
        bus = await open_bus(settings.redis_dsn or None)
        stack.push_async_callback(bus.close)
        if analytics is None:
            analytics = await stack.enter_async_context(open_analytics(targets(settings, vault)))
        analytics = Analytics(analytics.stores, region_of(state))
        limits = Limits(settings.redis_dsn or None)
        stack.push_async_callback(limits.close)
        ingest = None
        if role in (Role.ALL, Role.EDGE):
            ingest = await stack.enter_async_context(open_ingest(settings, vault, analytics, bus))
        keys = KeyDirectory(state, bus, clock)
        sessions = SessionDirectory(state, bus, clock)
        attempts = Attempts(settings)
        stack.push_async_callback(attempts.close)
        for directory in (keys, sessions):
            stack.push_async_callback(_end, asyncio.create_task(directory.watch()))
        yield Platform(
            settings=settings,
            role=role,
            state=state,
            analytics=analytics,
            bus=bus,
            limits=limits,
            vault=vault,
            clock=clock,
            mailer=Mailer(settings),
            keys=keys,
            sessions=sessions,
            signing=SigningKeys(state, vault, clock),
            attempts=attempts,
            ingest=ingest,
        )


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
