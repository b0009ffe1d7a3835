"""What a forecast needs of an event, and the three answers there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from rune_core.event.schema import ArgumentEntry
    from rune_server.analytics import EventRow


class Answer(Enum):
    """Whether a rule would have matched."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """One decision of the past.

    Attributes:
        at: When it was made.
        surface: Where the text was met.
        agent: The agent; empty without one.
        tags: The agent's tags.
        session: The session; empty without one.
        sequence: Position in the session.
        tool: The tool called or that answered; empty without one.
        tool_risk: ``low``, ``medium`` or ``high``; empty when unknown.
        threats: Threats found.
        top_threat: The one with the highest risk; empty without one.
        risk: The verdict's risk score.
        severity: The highest severity found; empty without findings.
        detectors: What found something.
        passed: Whether the call was let through.
        arguments: The call's arguments: names, keyed hashes, sizes and kinds of origins.
        hash_key: Which key they were hashed with.
    """

    at: datetime
    surface: str
    agent: str
    tags: frozenset[str]
    session: str
    sequence: int
    tool: str
    tool_risk: str
    threats: frozenset[str]
    top_threat: str
    risk: float
    severity: str
    detectors: tuple[str, ...]
    passed: bool
    arguments: tuple[ArgumentEntry, ...]
    hash_key: str


def seen_of(row: EventRow) -> Seen:
    """What a forecast needs of a stored event."""
    return Seen(
        at=row.timestamp,
        surface=row.surface,
        agent=row.agent_id or "",
        tags=frozenset(row.agent_tags),
        session=row.session_id or "",
        sequence=row.sequence,
        tool=row.tool or "",
        tool_risk=row.tool_risk or "",
        threats=frozenset(row.threats),
        # Not ``threat_type``, which is the one that decided.
        top_threat=row.threats[0] if row.threats else row.threat_type or "",
        risk=row.risk_score,
        severity=row.severity or "",
        detectors=row.detectors,
        passed=row.action not in ("ask", "block") or row.approval == "approved",
        arguments=row.arguments,
        hash_key=row.hash_key_id or "",
    )
