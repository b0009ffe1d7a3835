"""From a filter to SQL. Values are always bound, never written into the statement."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_ROLLED_UP = frozenset(EXPRESSIONS) - {"matched_rule", "tag"}


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
        search = Search.of(chosen.search)
        found.add(search.either, **search.parameters)


@dataclass(frozen=True, slots=True)
class Search:
    """What a searched text means: a part of a name, or a whole id.

    Each condition has an index or a rollup of its own. All in one have none, and every event is
    read.

    Attributes:
        by_name: The text is part of a name. ``events`` can be asked that, and the rollups.
        by_id: The text is an id: a condition for each kind that an index of ``events`` finds.
        parameters: What the conditions name.
    """

    by_name: str
    by_id: tuple[str, ...]
    parameters: Mapping[str, Any]

    @staticmethod
    def of(text: str) -> Search:
        """The meaning of a text, of which spaces at its ends are no part."""
        text = text.strip()
        parameters: dict[str, Any] = {"text": text}
        names = [f"positionCaseInsensitive({column}, {{text:String}}) > 0" for column in _SEARCHED]
        names.append(
            "arrayExists(each -> positionCaseInsensitive(each, {text:String}) > 0, detectors)"
        )
        ids = ["session_id = {text:String}", "decision_id = {text:String}"]
        with suppress(ValueError):
            parameters["text_id"] = UUID(text)
            ids.append("event_id = {text_id:UUID}")
        return Search(f"({' OR '.join(names)})", tuple(ids), parameters)

    @property
    def either(self) -> str:
        """All in one condition, for few events."""
        return f"({' OR '.join((self.by_name, *self.by_id))})"

    @property
    def by_id_alone(self) -> list[str]:
        """``by_id``, each without the events that another condition takes."""
        return [
            " AND NOT ".join((condition, *self.by_id[:number], self.by_name))
            for number, condition in enumerate(self.by_id)
        ]


def fits_rollup(chosen: EventFilter, *dimensions: str) -> bool:
    """Whether the rollups can answer: they keep apart all that is asked for, but for searched ids.

    Their points are whole minutes, so a window's begin counts from its minute's begin.
    """
    return (
        not chosen.tags
        and chosen.session is None
        and chosen.decision is None
        and chosen.min_risk is None
        and all(each in _ROLLED_UP for each in dimensions)
    )


def stamp(moment: datetime) -> str:
    """A moment as ClickHouse reads it, in UTC with milliseconds."""
    at = moment.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
