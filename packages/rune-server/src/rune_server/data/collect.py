"""Everything that is stored of an organisation or an agent, as lines of JSON. No secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from rune_server import agents, alerts, audit, policies
from rune_server.accounts import members, organisations
from rune_server.analytics import EventFilter
from rune_server.auth import keys
from rune_server.state.tables.agents import AgentInstanceRow, AgentToolRow, ToolChangeRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rune_server.actor import Actor
    from rune_server.platform import Platform

_encode = msgspec.json.Encoder().encode
_EVENTS = 1_000
_LISTED = 200


async def lines(
    platform: Platform, actor: Actor, agent_id: str | None
) -> AsyncIterator[tuple[str, bytes]]:
    """Kind and line of each thing, events last.

    Args:
        platform: The platform.
        actor: One that may read everything in the organisation.
        agent_id: Only what is about this agent; None for everything.
    """
    if agent_id is None:
        async for line in _organisation(platform, actor):
            yield line
    async for line in _agents(platform, actor, agent_id):
        yield line
    async for line in _alerts(platform, actor, agent_id):
        yield line
    chosen = EventFilter(agents=() if agent_id is None else (agent_id,))
    cursor: str | None = None
    while True:
        page = await platform.analytics.events(actor.organisation_id, chosen, cursor, _EVENTS)
        for event in page.items:
            yield _line("event", event)
        cursor = page.cursor
        if cursor is None:
            return


async def _organisation(platform: Platform, actor: Actor) -> AsyncIterator[tuple[str, bytes]]:
    yield _line("organisation", await organisations.get(platform, actor))
    for member in await members.listed(platform, actor):
        yield _line("member", member)
    for key in await keys.listed(platform, actor):
        yield _line("key", key)
    async for policy in _paged(policies.policies, platform, actor, archived=True):
        yield _line("policy", policy)
        for number in range(1, policy.latest_revision + 1):
            revision = await policies.revision(platform, actor, policy.id, number)
            yield _line("policy_revision", revision)
    async for rule in _paged(alerts.rules, platform, actor):
        yield _line("alert_rule", rule)
    async for channel in _paged(alerts.channels, platform, actor):
        yield _line("alert_channel", channel)
    before: int | None = None
    while entries := await audit.entries(platform, actor, before=before, limit=500):
        for entry in entries:
            yield _line("audit_entry", entry)
        before = entries[-1].number


async def _agents(
    platform: Platform, actor: Actor, agent_id: str | None
) -> AsyncIterator[tuple[str, bytes]]:
    async for agent in _paged(agents.agents, platform, actor):
        if agent_id is None or agent.agent_id == agent_id:
            yield _line("agent", agent)
    for table, kind in ((AgentToolRow, "tool"), (ToolChangeRow, "tool_change")):
        query = select(table).where(table.organisation_id == actor.organisation_id)
        if agent_id is not None:
            query = query.where(table.agent_id == agent_id)
        async with platform.state.read() as session:
            for row in await session.scalars(query):
                yield _line(kind, _columns(row))
    instances = select(AgentInstanceRow).where(
        AgentInstanceRow.organisation_id == actor.organisation_id
    )
    async with platform.state.read() as session:
        for instance in await session.scalars(instances):
            if agent_id is None or agent_id in instance.agents:
                yield _line("instance", _columns(instance))


async def _alerts(
    platform: Platform, actor: Actor, agent_id: str | None
) -> AsyncIterator[tuple[str, bytes]]:
    async for alert in _paged(alerts.alerts, platform, actor):
        if agent_id is None or about(alert.group, agent_id):
            yield _line("alert", alert)


async def _paged(
    listing: Callable[..., Awaitable[Any]], platform: Platform, actor: Actor, **more: Any
) -> AsyncIterator[Any]:
    cursor: str | None = None
    while True:
        page = await listing(platform, actor, cursor=cursor, limit=_LISTED, **more)
        for item in page.items:
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return


def about(group: str, agent_id: str) -> bool:
    """Whether an alert's group is this agent, or one of its tools."""
    return group == agent_id or group.startswith(f"{agent_id} / ")


def _columns(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


def _line(kind: str, value: object) -> tuple[str, bytes]:
    return kind, _encode({"kind": kind, "value": value}) + b"\n"
