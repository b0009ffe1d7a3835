"""Hold one rule against what happened: what it finds, group by group. Reads, never writes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from rune_server.agents.inventory import inventory
from rune_server.alerts.model import Finding
from rune_server.analytics import EventFilter, Window
from rune_server.state.tables.agents import ToolChangeRow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from uuid import UUID

    from rune_server.alerts.model import AlertRule, EventMatch, RuleSpec
    from rune_server.analytics import CountRow, Dimension
    from rune_server.platform import Platform

MAX_FINDINGS: Final = 100
"""Alerts that one rule may hold open; the worst are kept."""
_FORGOTTEN: Final = timedelta(days=30)
"""An agent that has been silent for longer is no longer expected."""


async def findings(
    platform: Platform, organisation_id: UUID, rule: AlertRule
) -> tuple[list[Finding], int]:
    """What a rule finds now.

    Returns:
        The findings, the worst first, at most ``MAX_FINDINGS``; and how many there were.

    Raises:
        UnavailableError: Analytics does not answer.
    """
    found = await _KINDS[rule.spec.kind](platform, organisation_id, rule)
    found.sort(key=lambda finding: (-finding.value, finding.group))
    return found[:MAX_FINDINGS], len(found)


async def _counted(
    platform: Platform, organisation_id: UUID, spec: RuleSpec, match: EventMatch
) -> dict[str, CountRow]:
    """Events within the window, by group; the group is empty without grouping."""
    dimensions: list[Dimension] = [spec.group_by] if spec.group_by else []
    rows = await platform.analytics.count(
        organisation_id, filter_of(match), _window(platform, spec), dimensions
    )
    return {(row.key[0] if row.key else ""): row for row in rows}


async def _count(platform: Platform, organisation_id: UUID, rule: AlertRule) -> list[Finding]:
    spec = rule.spec
    rows = await _counted(platform, organisation_id, spec, spec.match)
    return [
        Finding(
            group,
            float(row.events),
            spec.threshold,
            f"{spec.name}: {row.events:,} events in {span(spec.window_seconds)}{_about(group)}",
            {"events": row.events, "max_risk": row.max_risk},
        )
        for group, row in rows.items()
        if row.events >= spec.threshold
    ]


async def _rate(platform: Platform, organisation_id: UUID, rule: AlertRule) -> list[Finding]:
    spec = rule.spec
    rows = await _counted(platform, organisation_id, spec, spec.match)
    minutes = spec.window_seconds / 60
    return [
        Finding(
            group,
            row.events / minutes,
            spec.threshold,
            f"{spec.name}: {row.events / minutes:,.1f} events a minute over "
            f"{span(spec.window_seconds)}{_about(group)}",
            {"events": row.events, "max_risk": row.max_risk},
        )
        for group, row in rows.items()
        if row.events / minutes >= spec.threshold
    ]


async def _ratio(platform: Platform, organisation_id: UUID, rule: AlertRule) -> list[Finding]:
    spec = rule.spec
    some = await _counted(platform, organisation_id, spec, spec.match)
    of = await _counted(platform, organisation_id, spec, spec.of)
    found = []
    for group, row in some.items():
        whole = of[group].events if group in of else 0
        if whole < spec.minimum or not whole:
            continue
        share = row.events / whole
        if share >= spec.threshold:
            title = (
                f"{spec.name}: {share:.1%} of {whole:,} events in "
                f"{span(spec.window_seconds)}{_about(group)}"
            )
            details = {"events": row.events, "of": whole}
            found.append(Finding(group, share, spec.threshold, title, details))
    return found


async def _first_seen(platform: Platform, organisation_id: UUID, rule: AlertRule) -> list[Finding]:
    spec = rule.spec
    now = platform.clock.now()
    # What was there when the rule was made is not new.
    since = max(now - timedelta(seconds=spec.window_seconds), rule.created_at)
    seen: dict[str, Finding] = {}
    for row in await platform.analytics.first_seen(organisation_id, spec.first_seen, since):
        agent, tool = row.agent_id, "" if spec.first_seen == "agent" else row.name
        if _concerns(spec, agent, tool):
            _add_seen(seen, spec, agent, tool, row.previous or "", row.definition, row.seen_at)
    if spec.first_seen != "agent":
        for change in await _reported(platform, organisation_id, since):
            wanted = "added" if spec.first_seen == "tool" else "changed"
            if change.what == wanted and _concerns(spec, change.agent_id, change.tool):
                definition = change.after if wanted == "changed" else ""
                _add_seen(
                    seen, spec, change.agent_id, change.tool, change.before, definition, change.at
                )
    return list(seen.values())


async def _reported(
    platform: Platform, organisation_id: UUID, since: datetime
) -> list[ToolChangeRow]:
    """Changes that processes reported: a tool may be offered before it is called."""
    async with platform.state.read() as session:
        rows = await session.scalars(
            select(ToolChangeRow)
            .where(ToolChangeRow.organisation_id == organisation_id, ToolChangeRow.at >= since)
            .limit(10 * MAX_FINDINGS)
        )
        return list(rows)


def _add_seen(
    seen: dict[str, Finding],
    spec: RuleSpec,
    agent: str,
    tool: str,
    before: str,
    definition: str,
    at: datetime,
) -> None:
    kind = spec.first_seen
    parts = {"agent": (agent,), "tool": (agent, tool), "tool_definition": (agent, tool, definition)}
    group = " / ".join(part or "(none)" for part in parts[kind])
    what = {
        "agent": f"a new agent, {agent}",
        "tool": f"a new tool, {tool}, of {agent or 'an agent without id'}",
        "tool_definition": f"another definition of the tool {tool} of "
        f"{agent or 'an agent without id'}",
    }[kind]
    details = {"agent": agent, "seen_at": at.isoformat()}
    if tool:
        details["tool"] = tool
    if definition:
        details |= {"before": before, "after": definition}
    if group not in seen:
        seen[group] = Finding(group, 1.0, 1.0, f"{spec.name}: {what}", details)


async def _risk_trend(platform: Platform, organisation_id: UUID, rule: AlertRule) -> list[Finding]:
    spec = rule.spec
    rows = await platform.analytics.agents(organisation_id, _window(platform, spec))
    return [
        Finding(
            row.agent_id,
            float(row.trend),
            spec.threshold,
            f"{spec.name}: the risk score of {row.agent_id} rose by {row.trend} to {row.risk} in "
            f"{span(spec.window_seconds)}",
            {"risk": row.risk, "trend": row.trend, "top_threat": row.top_threat or ""},
        )
        for row in rows
        if row.agent_id and row.trend >= spec.threshold and _concerns(spec, row.agent_id)
    ]


async def _silence(platform: Platform, organisation_id: UUID, rule: AlertRule) -> list[Finding]:
    spec = rule.spec
    now = platform.clock.now()
    window = timedelta(seconds=spec.window_seconds)
    found = []
    for agent in await inventory(platform, organisation_id, window):
        if agent.last_seen is None or not _concerns(spec, agent.agent_id):
            continue
        silent = now - agent.last_seen
        if window <= silent < max(_FORGOTTEN, 2 * window):
            found.append(
                Finding(
                    agent.agent_id,
                    silent.total_seconds(),
                    float(spec.window_seconds),
                    f"{spec.name}: nothing heard of {agent.agent_id} for "
                    f"{span(int(silent.total_seconds()))}",
                    {"last_seen": agent.last_seen.isoformat()},
                )
            )
    return found


_KINDS: Final[dict[str, Callable[[Platform, UUID, AlertRule], Awaitable[list[Finding]]]]] = {
    "count": _count,
    "rate": _rate,
    "ratio": _ratio,
    "first_seen": _first_seen,
    "risk_trend": _risk_trend,
    "silence": _silence,
}


def filter_of(match: EventMatch) -> EventFilter:
    """The analytics filter of a rule's match."""
    return EventFilter(
        agents=match.agents,
        actions=match.actions,
        threats=match.threats,
        surfaces=match.surfaces,
        tools=match.tools,
        rules=match.rules,
        policies=match.policies,
        detectors=match.detectors,
        severities=match.severities,
        frameworks=match.frameworks,
        min_risk=match.min_risk,
        degraded=match.degraded,
    )


def span(seconds: int) -> str:
    """A span of time for people: ``5 min``, ``2 h``, ``3 days``."""
    for unit, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit or (seconds >= unit and seconds % unit == 0):
            count = seconds // unit
            return f"{count} {name}" if (count, name) != (1, "days") else "1 day"
    return f"{seconds} s"


def _window(platform: Platform, spec: RuleSpec) -> Window:
    return Window.last(timedelta(seconds=spec.window_seconds), until=platform.clock.now())


def _concerns(spec: RuleSpec, agent: str, tool: str | None = None) -> bool:
    if spec.match.agents and agent not in spec.match.agents:
        return False
    return not tool or not spec.match.tools or tool in spec.match.tools


def _about(group: str) -> str:
    return f" ({group})" if group else ""
