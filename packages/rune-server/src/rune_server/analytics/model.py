"""What analytics answers with, and what it is asked by. Every figure counts decisions.

A decision is an event of type ``scan`` or ``tool_call``. Events of type ``alert`` accompany the
decision that raised them; lists show them, figures leave them out unless ``event_types`` asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from rune_core.event.schema import ArgumentEntry, LayerEntry, RuleEntry

T = TypeVar("T")

Dimension = Literal[
    "action",
    "agent",
    "detector",
    "event_type",
    "framework",
    "matched_rule",
    "monitored_action",
    "policy",
    "rule",
    "severity",
    "surface",
    "tag",
    "threat",
    "tool",
]
"""What figures can be split by. ``rule`` is the one that decided, ``matched_rule`` every one."""

SeenKind = Literal["agent", "tool", "tool_definition"]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events. Empty means all; values within a field are alternatives, fields add up.

    Attributes:
        agents: Agent ids; ``""`` stands for events without one. So it does in the other fields.
        actions: What was decided.
        threats: The threat that decided (``threat_type``).
        surfaces: Where the text was met.
        tools: Names of tools.
        rules: Policy rules that decided.
        policies: Policies of the rules that decided.
        detectors: Ids of detector rules, any of which found something.
        severities: Severity of the verdict.
        frameworks: The agent's framework.
        tags: Agent tags, any of which is there.
        event_types: ``scan``, ``tool_call``, ``alert``.
        session: One session's id.
        decision: One decision's id.
        min_risk: Smallest risk score, 0 to 1.
        degraded: Only events in which a layer did not run, or only the others.
        search: Part of an agent's, tool's, rule's, policy's or detector's name, in any case, or a
            whole id of a session, decision or event.
        since: First moment, inclusive.
        until: End, exclusive.
    """

    agents: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    threats: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    session: str | None = None
    decision: str | None = None
    min_risk: float | None = None
    degraded: bool | None = None
    search: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = EventFilter()
MAX_POINTS = 2_000


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, and the width of a point in it.

    Attributes:
        since: First moment, inclusive, with its time zone.
        until: End, exclusive, with its time zone.
        step: Width of a point of a series; whole seconds.

    Raises:
        ValueError: No time zone, an empty span, or more points than ``MAX_POINTS``.
    """

    since: datetime
    until: datetime
    step: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("a window's ends need a time zone")
        if self.since >= self.until:
            raise ValueError("a window ends after it begins")
        if self.step < timedelta(seconds=1) or self.step.microseconds:
            raise ValueError("a window's step is a whole number of seconds")
        if self.length / self.step > MAX_POINTS:
            raise ValueError(f"a series has at most {MAX_POINTS} points: take a longer step")

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.since

    @property
    def before(self) -> Window:
        """The window of the same length that ends where this one begins."""
        return Window(self.since - self.length, self.since, self.step)

    @staticmethod
    def last(length: timedelta, *, until: datetime | None = None, points: int = 60) -> Window:
        """The window that ends at ``until`` (now), cut into about ``points`` round steps."""
        end = datetime.now(UTC) if until is None else until
        wanted = length.total_seconds() / points
        step = next((step for step in _ROUND_STEPS if step >= wanted), _ROUND_STEPS[-1])
        return Window(end - length, end, timedelta(seconds=step))


_ROUND_STEPS = (
    1,
    5,
    10,
    30,
    60,
    300,
    600,
    900,
    1800,
    3600,
    10_800,
    21_600,
    43_200,
    86_400,
    604_800,
)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. ``cursor`` asks for the next part; None at the end."""

    items: tuple[T, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event as it was stored: the fields of event v1, and when it arrived."""

    event_id: UUID
    timestamp: datetime
    received_at: datetime
    event_type: str
    surface: str
    action: str
    monitored_action: str | None
    agent_id: str | None
    agent_tags: tuple[str, ...]
    session_id: str | None
    sequence: int
    parent_id: str | None
    risk_score: float
    threat_type: str | None
    threats: tuple[str, ...]
    severity: str | None
    detectors: tuple[str, ...]
    decision_id: str
    policy: str | None
    policy_revision: str
    rule: str | None
    rules: tuple[RuleEntry, ...]
    layers: tuple[LayerEntry, ...]
    latency_ms: float
    degraded: bool
    cached: bool
    redacted: bool
    approval: str | None
    tool: str | None
    tool_risk: str | None
    tool_definition_hash: str | None
    arguments: tuple[ArgumentEntry, ...]
    hash_key_id: str | None
    size: int
    framework: str | None
    adapter: str | None
    sdk_version: str
    skewed: bool
    """The sender's clock was ahead; ``timestamp`` is when it arrived."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One run of an agent."""

    session_id: str
    agent_id: str | None
    began: datetime
    ended: datetime
    events: int
    tool_calls: int
    stopped: int
    """Asked or blocked."""
    max_risk: float
    threats: tuple[str, ...]
    framework: str | None


@dataclass(frozen=True, slots=True)
class Series:
    """Counts over time, one line per value.

    Attributes:
        times: Begin of each point, oldest first, none left out.
        lines: Counts by name, the largest sum first; as many values as there are ``times``.
    """

    times: tuple[datetime, ...]
    lines: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a window."""

    events: int = 0
    tool_calls: int = 0
    allowed: int = 0
    flagged: int = 0
    redacted: int = 0
    asked: int = 0
    blocked: int = 0
    monitored: int = 0
    """Would have been redacted, asked or blocked, had the policy not been in monitor mode."""
    threats: int = 0
    """With a threat, whatever was decided."""
    degraded: int = 0
    alerts: int = 0
    agents: int = 0
    mean_risk: float = 0.0
    max_risk: float = 0.0


@dataclass(frozen=True, slots=True)
class TopRow:
    """One value of a dimension, by how often it came."""

    name: str
    events: int
    stopped: int
    """Asked or blocked."""
    max_risk: float
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """How long a layer took, in milliseconds; ``layer`` is ``total`` for the whole scan."""

    layer: str
    events: int
    p50: float
    p95: float
    p99: float
    failed: int
    """Ended in a timeout or an error."""


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent, with what it did in a window.

    Attributes:
        risk: 0 to 100, see ``analytics.risk``.
        trend: ``risk`` less that of the window before; positive is worse.
    """

    agent_id: str
    tags: tuple[str, ...]
    framework: str | None
    sdk_version: str
    policy_revision: str
    first_seen: datetime
    last_seen: datetime
    totals: Totals
    top_threat: str | None
    tools: int
    risk: int
    trend: int


@dataclass(frozen=True, slots=True)
class ToolRow:
    """One tool of one agent, with its calls in a window."""

    agent_id: str
    tool: str
    risk: str | None
    definitions: tuple[str, ...]
    """Hashes of its definition, the newest first. More than one: the definition changed."""
    first_seen: datetime
    last_seen: datetime
    calls: int
    stopped: int
    untrusted: int
    """Calls with an argument from an untrusted text."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """How well one surface of one agent was looked at.

    Attributes:
        failed: Scans by layer in which it ended in a timeout or an error, or was skipped.
    """

    agent_id: str
    surface: str
    events: int
    degraded: int
    failed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CountRow:
    """A count, and the values that it was grouped by, in the order asked for."""

    key: tuple[str, ...]
    events: int
    max_risk: float


@dataclass(frozen=True, slots=True)
class SeenRow:
    """Something that was met for the first time.

    Attributes:
        name: The agent's id or the tool's name.
        previous: The definition's hash before, for a definition that changed.
        seen_at: When the first event with it arrived.
    """

    kind: SeenKind
    agent_id: str
    name: str
    definition: str
    previous: str | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Events that an organisation sent on one day."""

    day: date
    events: int
    characters: int
    """Of the texts that were scanned; the texts themselves never arrive here."""
