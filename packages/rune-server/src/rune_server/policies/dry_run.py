"""Hold a policy against what happened before it is published."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rune_core.errors import PolicyLoadError
from rune_core.policy.load import load_text
from rune_server.actor import Permission
from rune_server.analytics import EventFilter
from rune_server.errors import UnprocessableError
from rune_server.policies import store
from rune_server.policies.forecast import forecast, seen_of
from rune_server.policies.model import DryRun
from rune_server.policies.validate import faults_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from rune_server.actor import Actor
    from rune_server.platform import Platform
    from rune_server.policies.forecast import Seen

MAX_DAYS: Final = 90
MAX_EVENTS: Final = 50_000
_MAX_STEPS: Final = 5_000_000
"""Rules times events: bounds the time that one dry run takes."""
_PAGE: Final = 1_000
_AT_ONCE = asyncio.Semaphore(2)


async def dry_run(
    platform: Platform,
    actor: Actor,
    yaml: str,
    *,
    days: int = 7,
    agents: tuple[str, ...] = (),
) -> DryRun:
    """How often each rule of a text would have matched.

    Args:
        platform: The platform.
        actor: Who asks; needs ``policies:read`` and ``events:read``.
        yaml: The policy's text.
        days: How far back, at most 90. Of more than 50,000 decisions the latest are looked at.
        agents: Only these agents; empty for all.

    Raises:
        UnprocessableError: ``days`` is out of bounds. A text with faults is no error: the answer
            holds them.
    """
    actor.require(Permission.POLICIES_READ)
    actor.require(Permission.EVENTS_READ)
    if not 1 <= days <= MAX_DAYS:
        raise UnprocessableError(f"days: must be 1 to {MAX_DAYS}")
    now = platform.clock.now()
    since = now - timedelta(days=days)
    try:
        policy = await asyncio.to_thread(load_text, yaml, path="policy", name="policy")
    except PolicyLoadError as error:
        return DryRun(since, now, 0, complete=True, rules=(), faults=faults_of(error))
    most = max(_PAGE, min(MAX_EVENTS, _MAX_STEPS // max(1, len(policy.rules))))
    async with _AT_ONCE:
        history, complete = await _history(platform, actor, since, now, agents, most)
        rules = await asyncio.to_thread(forecast, policy, history)
    return DryRun(
        since=since if complete or not history else history[0].at,
        until=now,
        events=len(history),
        complete=complete,
        rules=rules,
    )


async def dry_run_revision(
    platform: Platform, actor: Actor, policy_id: UUID, number: int, *, days: int = 7
) -> DryRun:
    """``dry_run`` of a revision that is stored.

    Raises:
        NotFoundError: There is no such policy or revision.
    """
    actor.require(Permission.POLICIES_READ)
    async with platform.state.read() as session:
        row = await store.policy_row(session, actor.organisation_id, policy_id)
        text = (await store.revision_row(session, row, number)).yaml
    return await dry_run(platform, actor, text, days=days)


async def _history(
    platform: Platform,
    actor: Actor,
    since: datetime,
    until: datetime,
    agents: tuple[str, ...],
    most: int,
) -> tuple[list[Seen], bool]:
    """The latest decisions, the earliest first; and whether they are all."""
    chosen = EventFilter(agents=agents, event_types=("scan", "tool_call"), since=since, until=until)
    found: list[Seen] = []
    cursor: str | None = None
    while len(found) < most:
        page = await platform.analytics.events(
            actor.organisation_id, chosen, cursor, min(_PAGE, most - len(found))
        )
        found += map(seen_of, page.items)
        cursor = page.cursor
        if cursor is None:
            break
    found.sort(key=lambda seen: (seen.at, seen.sequence))
    return found, cursor is None
