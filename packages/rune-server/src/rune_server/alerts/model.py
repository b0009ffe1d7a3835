"""What alerting is to its callers: rules, alerts, channels and deliveries as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - the API makes schemas of these types
from typing import Any, Final, Literal
from uuid import UUID  # noqa: TC003 - as above

RuleKind = Literal["count", "rate", "ratio", "first_seen", "risk_trend", "silence"]
Severity = Literal["low", "medium", "high", "critical"]
GroupBy = Literal["", "agent", "tool", "threat", "rule", "surface"]
FirstSeen = Literal["agent", "tool", "tool_definition"]
AlertState = Literal["open", "acknowledged", "resolved"]
ChannelKind = Literal["slack", "webhook", "email"]
DeliveryState = Literal["pending", "sent", "failed"]
DeliveryKind = Literal["raised", "again", "resolved", "test"]

RULE_KINDS: Final[dict[str, str]] = {
    "count": "at least so many events within the window",
    "rate": "at least so many events a minute over the window",
    "ratio": "at least this share of the events within the window",
    "first_seen": "an agent, a tool or a tool definition that was never seen before",
    "risk_trend": "an agent's risk score rose by this much from one window to the next",
    "silence": "an agent that reported before has said nothing for the window",
}
"""The kinds of rules, and when each fires."""


@dataclass(frozen=True, slots=True)
class EventMatch:
    """Which events count: those that fit every list that is not empty.

    Attributes:
        agents: Agent ids.
        actions: ``allow``, ``flag``, ``redact``, ``ask`` or ``block``.
        threats: Threats found.
        surfaces: Where the text was met.
        tools: Tool names.
        rules: Policy rules that decided.
        policies: Policies they are in.
        detectors: Detector rules that found something.
        severities: Severities of what was found.
        frameworks: Frameworks of the agents.
        min_risk: Least risk score, 0 to 1; None for any.
        degraded: Only events where a layer that should have looked did not (True), or did (False).
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
    min_risk: float | None = None
    degraded: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSpec:
    """When to raise an alert, and whom to tell.

    Attributes:
        name: Unique in the organisation.
        kind: See ``RULE_KINDS``.
        severity: Of the alerts it raises.
        match: Which events count. For ``first_seen``, ``risk_trend`` and ``silence`` only
            ``agents`` and ``tools`` narrow it.
        of: For ``ratio``: the events that they are a share of; by default all.
        window_seconds: How far back it looks.
        threshold: Events, events a minute, a share (0 to 1) or points of risk score (0 to 100).
            Not used by ``first_seen`` and ``silence``.
        minimum: For ``ratio``: it says nothing below so many events in all.
        group_by: One alert for each of these; empty for one alert in all.
        first_seen: For ``first_seen``: what.
        cooldown_seconds: After a notice, the same alert is told again only after this time.
        channels: Ids of the channels that are told.
        enabled: Whether it is evaluated.
    """

    name: str
    kind: RuleKind
    severity: Severity = "medium"
    match: EventMatch = field(default_factory=EventMatch)
    of: EventMatch = field(default_factory=EventMatch)
    window_seconds: int = 300
    threshold: float = 1.0
    minimum: int = 1
    group_by: GroupBy = ""
    first_seen: FirstSeen = "agent"
    cooldown_seconds: int = 3600
    channels: tuple[UUID, ...] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A rule as it stands.

    Attributes:
        id: Its id.
        spec: What it says.
        version: Counts up with every change; an edit names the one it is based on.
        muted_until: Until then it raises alerts but tells nobody; None when it is not muted.
        created_at: When it was made.
        updated_at: When it last changed.
        updated_by: Who changed it.
        evaluated_at: When it was last evaluated; None before the first time.
        fault: Why the last evaluation failed; empty when it did not.
    """

    id: UUID
    spec: RuleSpec
    version: int
    muted_until: datetime | None
    created_at: datetime
    updated_at: datetime
    updated_by: str
    evaluated_at: datetime | None
    fault: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule and group, from when it began until it is resolved.

    Attributes:
        id: Its id.
        rule_id: The rule that raised it.
        rule: That rule's name.
        group: What it is about within the rule, such as an agent; empty without grouping.
        severity: As the rule said when it began.
        title: One line for a person.
        value: What was last measured.
        threshold: What it was held against.
        details: More of what was measured: metadata.
        state: ``open``, ``acknowledged`` or ``resolved``.
        times: How many evaluations found it.
        version: Counts up with every change.
        began_at: When it was first found.
        last_at: When it was last found.
        acknowledged_at: When somebody took it on.
        acknowledged_by: Who.
        resolved_at: When it ended.
        resolved_by: Who ended it; ``system`` when the condition no longer held.
    """

    id: UUID
    rule_id: UUID
    rule: str
    group: str
    severity: Severity
    title: str
    value: float
    threshold: float
    details: dict[str, Any]
    state: AlertState
    times: int
    version: int
    began_at: datetime
    last_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str
    resolved_at: datetime | None
    resolved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSpec:
    """Where notices go.

    Attributes:
        name: Unique in the organisation.
        kind: ``slack``, ``webhook`` or ``email``.
        url: For Slack and webhooks: an https address. Secret, so it is not shown again.
        addresses: For e-mail: 1 to 20.
        enabled: Whether anything is sent.
    """

    name: str
    kind: ChannelKind
    url: str = ""
    addresses: tuple[str, ...] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it stands, without its secrets.

    Attributes:
        id: Its id.
        name: Unique in the organisation.
        kind: ``slack``, ``webhook`` or ``email``.
        target: Host of the address, or the mail addresses.
        enabled: Whether anything is sent.
        version: Counts up with every change.
        created_at: When it was made.
        updated_at: When it last changed.
        signing_secret: For a webhook, only in the answer to its creation or to a new secret:
            ``whsec_…``, with which the receiver checks signatures. Empty otherwise.
    """

    id: UUID
    name: str
    kind: ChannelKind
    target: str
    enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime
    signing_secret: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice to one channel.

    Attributes:
        id: Its id; sent as ``webhook-id``, so that receivers can drop a repetition.
        channel_id: Where it goes.
        channel: That channel's name.
        alert_id: What it is about; None for a test.
        what: ``raised``, ``again``, ``resolved`` or ``test``.
        state: ``pending``, ``sent`` or ``failed``.
        attempts: How often it was tried.
        due_at: When it is tried next, while pending.
        created_at: When it was made.
        finished_at: When it was sent or given up.
        answer: What came of the last attempt.
    """

    id: UUID
    channel_id: UUID
    channel: str
    alert_id: UUID | None
    what: DeliveryKind
    state: DeliveryState
    attempts: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None
    answer: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What an evaluation found of one group.

    Attributes:
        group: The group; empty without grouping.
        value: What was measured.
        threshold: What it was held against.
        title: One line for a person.
        details: More of what was measured: metadata.
    """

    group: str
    value: float
    threshold: float
    title: str
    details: dict[str, Any] = field(default_factory=dict)
