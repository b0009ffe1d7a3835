"""The processes that report, the tools that changed, and how far published policies have come."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from rune_server.actor import Permission
from rune_server.agents.inventory import LIVE_WITHIN
from rune_server.agents.model import Adapter, Gap, Instance, RefusedPolicy, ToolChange
from rune_server.paging import Page, bounded, id_of, page_of, parts_of
from rune_server.policies import Adoption, Refused
from rune_server.policies.bundle import revisions_for
from rune_server.state.tables.agents import AgentInstanceRow, ToolChangeRow

if TYPE_CHECKING:
    from rune_server.actor import Actor
    from rune_server.platform import Platform

KEPT: Final = timedelta(days=30)
"""Processes that said nothing for so long are forgotten."""
_AT_ONCE: Final = 200


async def instances(
    platform: Platform,
    actor: Actor,
    *,
    agent_id: str | None = None,
    live: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Instance]:
    """Processes by id.

    Args:
        platform: The platform.
        actor: Who asks.
        agent_id: Only those that run this agent.
        live: Only those that reported within the last hour.
        cursor: From an earlier page.
        limit: At most so many.
    """
    actor.require(Permission.EVENTS_READ)
    limit = bounded(limit)
    query = select(AgentInstanceRow).where(
        AgentInstanceRow.organisation_id == actor.organisation_id
    )
    if live:
        query = query.where(AgentInstanceRow.reported_at >= platform.clock.now() - LIVE_WITHIN)
    if cursor is not None:
        query = query.where(AgentInstanceRow.instance > parts_of(cursor, 1)[0])
    query = query.order_by(AgentInstanceRow.instance).execution_options(yield_per=_AT_ONCE)
    found: list[Instance] = []
    async with platform.state.read() as session:
        async for row in await session.stream_scalars(query):
            if agent_id is None or agent_id in row.agents:
                found.append(_instance_of(row))
                if len(found) > limit:
                    break
    return page_of(found, limit, lambda each: (each.instance,))


async def changes(
    platform: Platform,
    actor: Actor,
    *,
    agent_id: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ToolChange]:
    """Tools that agents got or whose definition changed, the latest first."""
    actor.require(Permission.EVENTS_READ)
    limit = bounded(limit)
    query = select(ToolChangeRow).where(ToolChangeRow.organisation_id == actor.organisation_id)
    if agent_id is not None:
        query = query.where(ToolChangeRow.agent_id == agent_id)
    if cursor is not None:
        query = query.where(ToolChangeRow.id < id_of(cursor))
    async with platform.state.read() as session:
        rows = (
            await session.scalars(query.order_by(ToolChangeRow.id.desc()).limit(limit + 1))
        ).all()
    page = page_of(rows, limit, lambda row: (str(row.id),))
    return Page(tuple(change_of(row) for row in page.items), page.next_cursor)


async def adoption(platform: Platform, actor: Actor) -> Adoption:
    """How many processes run exactly what they should, and what others refused."""
    actor.require(Permission.POLICIES_READ)
    query = select(AgentInstanceRow).where(
        AgentInstanceRow.organisation_id == actor.organisation_id,
        AgentInstanceRow.reported_at >= platform.clock.now() - LIVE_WITHIN,
    )
    async with platform.state.read() as session:
        rows = (await session.scalars(query)).all()
    wanted = await revisions_for(platform, actor.organisation_id, [row.instance for row in rows])
    current = sum(row.activated == wanted[row.instance] for row in rows)
    refused: Counter[tuple[str, int, int, str, str]] = Counter()
    for row in rows:
        refused.update(
            {
                (each.name, each.revision, each.line, each.key, each.code)
                for each in _instance_of(row).refused
            }
        )
    return Adoption(
        instances=len(rows),
        current=current,
        refusals=tuple(Refused(*what, instances=count) for what, count in refused.most_common(50)),
    )


async def forget_old(platform: Platform) -> None:
    """Drop processes that have said nothing for a month, and changes of a year ago."""
    now = platform.clock.now()
    async with platform.state.begin() as session:
        await session.execute(
            delete(AgentInstanceRow).where(AgentInstanceRow.reported_at < now - KEPT)
        )
        await session.execute(
            delete(ToolChangeRow).where(ToolChangeRow.at < now - timedelta(days=365))
        )


def change_of(row: ToolChangeRow) -> ToolChange:
    """The row as its callers see it."""
    return ToolChange(
        row.agent_id,
        row.tool,
        row.what,  # type: ignore[arg-type]
        row.before,
        row.after,
        row.at,
    )


def _instance_of(row: AgentInstanceRow) -> Instance:
    said: dict[str, Any] = row.status
    queue, policies = said["queue"], said["policies"]
    return Instance(
        instance=row.instance,
        sdk_version=row.sdk_version,
        agents=tuple(row.agents),
        adapters=tuple(
            Adapter(
                each["name"],
                each["version"],
                each.get("framework", ""),
                each.get("framework_version", ""),
            )
            for each in said.get("adapters", ())
        ),
        fetched=row.fetched,
        activated=row.activated,
        refused=tuple(
            RefusedPolicy(
                each["name"],
                each.get("revision", 0),
                each.get("line", 0),
                each.get("key", ""),
                each["code"],
            )
            for each in policies.get("refused", ())
        ),
        gaps=tuple(
            Gap(each["surface"], each["what"], each["guarded"], each["reason"])
            for each in said.get("coverage", ())
        ),
        queue_depth=queue.get("depth", 0),
        queue_oldest_seconds=queue.get("oldest_seconds", 0.0),
        dropped=queue.get("dropped", {}),
        first_at=row.first_at,
        reported_at=row.reported_at,
    )
