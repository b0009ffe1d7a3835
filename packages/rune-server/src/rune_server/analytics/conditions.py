"""From a filter to SQL. Values are always bound, never written into the statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from rune_server.analytics.model import EventFilter

_COLUMNS = {
    "agents": "agent_id",
    "actions": "action",
    "threats": "threat_type",
    "surfaces": "surface",
    "tools": "tool",
    "rules": "rule",
    "policies": "policy",
    "severities": "severity",
    "frameworks": "framework",
    "event_types": "event_type",
}
_ARRAYS = {"detectors": "detectors", "tags": "agent_tags"}
_SEARCHED = ("agent_id", "tool", "rule", "policy")

EXPRESSIONS = {
    "action": "action",
    "agent": "agent_id",
    "detector": "arrayJoin(detectors)",
    "event_type": "event_type",
    "framework": "framework",
    "matched_rule": "arrayJoin(rules.rule)",
    "monitored_action": "monitored_action",
    "policy": "policy",
    "rule": "rule",
    "severity": "severity",
    "surface": "surface",
    "tag": "arrayJoin(agent_tags)",
    "threat": "threat_type",
    "tool": "tool",
}
"""What each dimension reads. The names are a closed set: they go into statements as they are."""
_ROLLED_UP = frozenset(EXPRESSIONS) - {"detector", "matched_rule", "tag"}


@dataclass(slots=True)
class Conditions:
    """A WHERE clause that grows, with its bound values."""

    parts: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)

    def add(self, part: str, **parameters: Any) -> None:
        """One more condition."""
        self.parts.append(part)
        self.parameters.update(parameters)

    @property
    def sql(self) -> str:
        """The clause, without the word WHERE."""
        return " AND ".join(self.parts) or "1"


def of(
    organisation_id: UUID,
    chosen: EventFilter,
    *,
    decisions: bool = False,
) -> Conditions:
    """The conditions of a filter.

    Args:
        organisation_id: The only organisation that is read.
        chosen: The filter.
        decisions: Leave alert events out, unless the filter asks for types.
    """
    found = Conditions()
    found.add("organisation_id = {organisation:UUID}", organisation=organisation_id)
    for name, moment, sign in (("begin", chosen.since, ">="), ("end", chosen.until, "<")):
        if moment is not None:
            bound = f"{{{name}:DateTime64(3, 'UTC')}}"
            found.add(f"timestamp {sign} {bound}", **{name: stamp(moment)})
    for attribute, column in _COLUMNS.items():
        values = getattr(chosen, attribute)
        if values:
            found.add(f"{column} IN {{{attribute}:Array(String)}}", **{attribute: list(values)})
    if decisions and not chosen.event_types:
        found.add("event_type != 'alert'")
    if chosen.degraded is not None:
        found.add("degraded" if chosen.degraded else "NOT degraded")
    _beyond_the_rollup(found, chosen)
    return found


def _beyond_the_rollup(found: Conditions, chosen: EventFilter) -> None:
    for attribute, column in _ARRAYS.items():
        values = getattr(chosen, attribute)
        if values:
            bound = f"{{{attribute}:Array(String)}}"
            found.add(f"hasAny({column}, {bound})", **{attribute: list(values)})
    if chosen.session is not None:
        found.add("session_id = {session:String}", session=chosen.session)
    if chosen.decision is not None:
        found.add("decision_id = {decision:String}", decision=chosen.decision)
    if chosen.min_risk is not None:
        found.add("risk_score >= {min_risk:Float32}", min_risk=chosen.min_risk)
    if chosen.search:
        _search(found, chosen.search.strip())


def _search(found: Conditions, text: str) -> None:
    named = [f"positionCaseInsensitive({column}, {{text:String}}) > 0" for column in _SEARCHED]
    named.append("arrayExists(each -> positionCaseInsensitive(each, {text:String}) > 0, detectors)")
    named += ["session_id = {text:String}", "decision_id = {text:String}"]
    try:
        found.parameters["text_id"] = UUID(text)
        named.append("event_id = {text_id:UUID}")
    except ValueError:
        pass
    found.add(f"({' OR '.join(named)})", text=text)


def fits_rollup(chosen: EventFilter, *dimensions: str) -> bool:
    """Whether the rollups can answer: they keep apart all that is asked for.

    Their points are whole minutes, so a window's begin counts from its minute's begin.
    """
    return (
        not (chosen.detectors or chosen.tags or chosen.session or chosen.decision or chosen.search)
        and chosen.min_risk is None
        and all(each in _ROLLED_UP for each in dimensions)
    )


def stamp(moment: datetime) -> str:
    """A moment as ClickHouse reads it, in UTC with milliseconds."""
    at = moment.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
