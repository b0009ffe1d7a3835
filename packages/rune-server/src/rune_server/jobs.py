"""What runs in the background, and in which roles. Each job is a coroutine that never returns.

A job that fails is logged without content and started again, later each time; the others go on.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from rune_server.failure import described
from rune_server.platform import Platform, Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_log = structlog.get_logger("rune_server.jobs")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_SETTLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        name: For logs and metrics.
        target: ``module:coroutine function``; called with the platform.
        roles: Where it runs, besides ``rune up``.
    """

    name: str
    target: str
    roles: frozenset[Role]

    def load(self) -> Callable[[Platform], Awaitable[None]]:
        """The coroutine function."""
        module, _, function = self.target.partition(":")
        found: Callable[[Platform], Awaitable[None]] = getattr(
            importlib.import_module(module), function
        )
        return found


EDGE, WORKER = frozenset((Role.EDGE,)), frozenset((Role.WORKER,))
JOBS: tuple[Job, ...] = (
    Job("signing keys", "rune_server.auth.signing:run", WORKER),
    Job("key use", "rune_server.auth.key_use:run", frozenset((Role.EDGE, Role.WEB))),
    Job("alert evaluation", "rune_server.alerts.jobs:evaluate", WORKER),
    Job("alert delivery", "rune_server.alerts.jobs:deliver", WORKER),
    Job("alert cleaning", "rune_server.alerts.jobs:clean", WORKER),
    Job("erasures", "rune_server.rights.erasure:run", WORKER),
    Job("retention", "rune_server.rights.retention:run", WORKER),
    Job("back-ups", "rune_server.backup.creation:run_scheduled", WORKER),
    Job("operator", "rune_server.control:serve", WORKER),
)


@asynccontextmanager
async def running(platform: Platform) -> AsyncIterator[None]:
    """Run this role's jobs for the length of the block."""
    tasks = [
        asyncio.create_task(_keep(job, platform), name=job.name)
        for job in JOBS
        if platform.role is Role.ALL or platform.role in job.roles
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _keep(job: Job, platform: Platform) -> None:
    pause = _FIRST_PAUSE
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await job.load()(platform)
            _log.error("job ended by itself", job=job.name)
        except Exception as error:  # noqa: BLE001 - the rim: one job takes no other down
            _log.error("job failed", job=job.name, error=described(error))
        if loop.time() - started > _SETTLED_SECONDS:
            pause = _FIRST_PAUSE
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 2)
