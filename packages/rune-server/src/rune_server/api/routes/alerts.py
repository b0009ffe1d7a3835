"""Alerts, the rules that raise them, the channels they go to, and the log of deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from rune_server import alerts
from rune_server.actor import Permission
from rune_server.alerts.model import (
    Alert,
    AlertRule,
    Channel,
    ChannelKind,
    ChannelSpec,
    Delivery,
    EventMatch,
    Finding,
    FirstSeen,
    GroupBy,
    RuleKind,
    RuleSpec,
    Severity,
)
from rune_server.api.shapes import (
    PAGE,
    Body,
    Cursor,
    IfMatch,
    Limit,
    Listed,
    Moment,
    Name,
    Text,
    listed,
    tagged,
    version_in,
)
from rune_server.api.who import CHANGED, DELETED, ITEM, MADE, Caller, operation

router = APIRouter(prefix="/v1", tags=["alerts"])
READ, WRITE = Permission.ALERTS_READ, Permission.ALERTS_WRITE
Names = Annotated[list[Name], Field(max_length=50)]
State = Literal["open", "acknowledged", "resolved"]


class Match(Body):
    """Which events count: those that fit every list that is not empty."""

    agents: Names = []
    actions: Annotated[
        list[Literal["allow", "flag", "redact", "ask", "block"]], Field(max_length=50)
    ] = []
    threats: Names = []
    surfaces: Annotated[
        list[
            Literal[
                "input",
                "output",
                "tool_call",
                "tool_result",
                "document",
                "tool_definition",
                "handoff",
            ]
        ],
        Field(max_length=50),
    ] = []
    tools: Names = []
    rules: Names = []
    policies: Names = []
    detectors: Names = []
    severities: Annotated[list[Severity], Field(max_length=50)] = []
    frameworks: Names = []
    min_risk: Annotated[float | None, Field(ge=0, le=1)] = None
    degraded: bool | None = None

    def value(self) -> EventMatch:
        """As the service takes it."""
        return EventMatch(
            agents=tuple(self.agents),
            actions=tuple(self.actions),
            threats=tuple(self.threats),
            surfaces=tuple(self.surfaces),
            tools=tuple(self.tools),
            rules=tuple(self.rules),
            policies=tuple(self.policies),
            detectors=tuple(self.detectors),
            severities=tuple(self.severities),
            frameworks=tuple(self.frameworks),
            min_risk=self.min_risk,
            degraded=self.degraded,
        )


class RuleBody(Body):
    """When to raise an alert, and whom to tell."""

    name: Name
    kind: RuleKind
    severity: Severity = "medium"
    match: Match = Match()
    of: Annotated[Match, Field(description="For `ratio`: what it is a share of.")] = Match()
    window_seconds: Annotated[int, Field(ge=60, le=30 * 24 * 3600)] = 300
    threshold: Annotated[
        float,
        Field(
            gt=0,
            le=1e12,
            description="Events, events a minute, a share (0 to 1) or points of risk (0 to 100).",
        ),
    ] = 1.0
    minimum: Annotated[int, Field(ge=1, le=10**9)] = 1
    group_by: Annotated[GroupBy, Field(description="For `count`, `rate` and `ratio`.")] = ""
    first_seen: FirstSeen = "agent"
    cooldown_seconds: Annotated[int, Field(ge=0, le=30 * 24 * 3600)] = 3600
    channels: Annotated[list[UUID], Field(max_length=50)] = []
    enabled: bool = True

    def value(self) -> RuleSpec:
        """As the service takes it."""
        return RuleSpec(
            name=self.name,
            kind=self.kind,
            severity=self.severity,
            match=self.match.value(),
            of=self.of.value(),
            window_seconds=self.window_seconds,
            threshold=self.threshold,
            minimum=self.minimum,
            group_by=self.group_by,
            first_seen=self.first_seen,
            cooldown_seconds=self.cooldown_seconds,
            channels=tuple(self.channels),
            enabled=self.enabled,
        )


class Mute(Body):
    """How long nobody is told."""

    until: Annotated[Moment | None, Field(description="null ends the silence.")]


class ChannelBody(Body):
    """Where notices go."""

    name: Name
    kind: ChannelKind
    url: Annotated[
        Text, Field(max_length=2000, description="For Slack and webhooks; never shown again.")
    ] = ""
    addresses: Annotated[
        list[Annotated[Text, Field(max_length=250)]],
        Field(max_length=20, description="For e-mail."),
    ] = []
    enabled: bool = True

    def value(self) -> ChannelSpec:
        """As the service takes it."""
        return ChannelSpec(
            name=self.name,
            kind=self.kind,
            url=self.url,
            addresses=tuple(self.addresses),
            enabled=self.enabled,
        )


class ChannelEdit(ChannelBody):
    """Where notices go from now on. Without `url` or `addresses` the target stays."""

    new_secret: Annotated[bool, Field(description="Give a webhook a new signing secret.")] = False


class AlertCounts(Body):
    """How many alerts are not resolved."""

    open: int
    acknowledged: int


@router.get("/alerts", **operation("list_alerts", READ))
async def list_alerts(
    caller: Caller,
    state: Annotated[list[State], Query(max_length=3)] = [],
    severity: Annotated[list[Severity], Query(max_length=4)] = [],
    rule_id: UUID | None = None,
    group: Annotated[Text | None, Query(max_length=400)] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Listed[Alert]:
    """The alerts, those that began last first."""
    return listed(
        await alerts.alerts(
            caller.platform,
            caller.actor,
            states=state,
            severities=severity,
            rule_id=rule_id,
            group=group,
            cursor=cursor,
            limit=limit,
        )
    )


@router.get("/alert-counts", **operation("count_alerts", READ))
async def count_alerts(caller: Caller) -> AlertCounts:
    """How many alerts are open, and how many somebody has taken on."""
    found = await alerts.counts(caller.platform, caller.actor)
    return AlertCounts(open=found["open"], acknowledged=found["acknowledged"])


@router.get("/alerts/{alert_id}", **operation("get_alert", READ, problems=ITEM))
async def get_alert(caller: Caller, alert_id: UUID, response: Response) -> Alert:
    """One alert."""
    found = await alerts.alert(caller.platform, caller.actor, alert_id)
    tagged(response, found.version)
    return found


@router.post(
    "/alerts/{alert_id}/acknowledge", **operation("acknowledge_alert", WRITE, problems=(404, 409))
)
async def acknowledge_alert(caller: Caller, alert_id: UUID) -> Alert:
    """Take it on: it is not told again until it is resolved."""
    return await alerts.acknowledge(caller.platform, caller.actor, alert_id)


@router.post("/alerts/{alert_id}/resolve", **operation("resolve_alert", WRITE, problems=(404, 409)))
async def resolve_alert(caller: Caller, alert_id: UUID) -> Alert:
    """End it."""
    return await alerts.resolve(caller.platform, caller.actor, alert_id)


@router.get("/alert-rules", **operation("list_alert_rules", READ))
async def list_alert_rules(
    caller: Caller, cursor: Cursor = None, limit: Limit = PAGE
) -> Listed[AlertRule]:
    """The rules, in the order they were made."""
    return listed(await alerts.rules(caller.platform, caller.actor, cursor=cursor, limit=limit))


@router.post(
    "/alert-rules", **operation("create_alert_rule", WRITE, problems=MADE, status_code=201)
)
async def create_alert_rule(caller: Caller, body: RuleBody, response: Response) -> AlertRule:
    """Make a rule; it is evaluated from now on."""
    found = await alerts.create_rule(caller.platform, caller.actor, body.value())
    tagged(response, found.version)
    response.headers["Location"] = f"/v1/alert-rules/{found.id}"
    return found


@router.get("/alert-rules/{rule_id}", **operation("get_alert_rule", READ, problems=ITEM))
async def get_alert_rule(caller: Caller, rule_id: UUID, response: Response) -> AlertRule:
    """One rule."""
    found = await alerts.rule(caller.platform, caller.actor, rule_id)
    tagged(response, found.version)
    return found


@router.put("/alert-rules/{rule_id}", **operation("edit_alert_rule", WRITE, problems=CHANGED))
async def edit_alert_rule(
    caller: Caller, rule_id: UUID, body: RuleBody, if_match: IfMatch, response: Response
) -> AlertRule:
    """Give a rule another content."""
    found = await alerts.edit_rule(
        caller.platform, caller.actor, rule_id, body.value(), version=version_in(if_match)
    )
    tagged(response, found.version)
    return found


@router.delete(
    "/alert-rules/{rule_id}",
    **operation("delete_alert_rule", WRITE, problems=DELETED, status_code=204),
)
async def delete_alert_rule(caller: Caller, rule_id: UUID, if_match: IfMatch) -> None:
    """Remove a rule and its alerts."""
    await alerts.delete_rule(caller.platform, caller.actor, rule_id, version=version_in(if_match))


@router.post("/alert-rules/{rule_id}/mute", **operation("mute_alert_rule", WRITE, problems=CHANGED))
async def mute_alert_rule(
    caller: Caller, rule_id: UUID, body: Mute, if_match: IfMatch, response: Response
) -> AlertRule:
    """Tell nobody of a rule's alerts until a time."""
    until: datetime | None = body.until
    found = await alerts.mute_rule(
        caller.platform, caller.actor, rule_id, until, version=version_in(if_match)
    )
    tagged(response, found.version)
    return found


@router.get(
    "/alert-rules/{rule_id}/preview", **operation("preview_alert_rule", READ, problems=ITEM)
)
async def preview_alert_rule(caller: Caller, rule_id: UUID) -> Listed[Finding]:
    """What a rule finds now, without raising anything."""
    return Listed(items=await alerts.preview(caller.platform, caller.actor, rule_id))


@router.get("/alert-channels", **operation("list_alert_channels", READ))
async def list_alert_channels(
    caller: Caller, cursor: Cursor = None, limit: Limit = PAGE
) -> Listed[Channel]:
    """The channels, without their secrets."""
    return listed(await alerts.channels(caller.platform, caller.actor, cursor=cursor, limit=limit))


@router.post(
    "/alert-channels", **operation("create_alert_channel", WRITE, problems=MADE, status_code=201)
)
async def create_alert_channel(caller: Caller, body: ChannelBody, response: Response) -> Channel:
    """Make a channel. A webhook's signing secret is in this answer and never again."""
    found = await alerts.create_channel(caller.platform, caller.actor, body.value())
    tagged(response, found.version)
    response.headers["Location"] = f"/v1/alert-channels/{found.id}"
    return found


@router.get("/alert-channels/{channel_id}", **operation("get_alert_channel", READ, problems=ITEM))
async def get_alert_channel(caller: Caller, channel_id: UUID, response: Response) -> Channel:
    """One channel, without its secrets."""
    found = await alerts.channel(caller.platform, caller.actor, channel_id)
    tagged(response, found.version)
    return found


@router.put(
    "/alert-channels/{channel_id}", **operation("edit_alert_channel", WRITE, problems=CHANGED)
)
async def edit_alert_channel(
    caller: Caller, channel_id: UUID, body: ChannelEdit, if_match: IfMatch, response: Response
) -> Channel:
    """Change a channel; its kind stays."""
    found = await alerts.edit_channel(
        caller.platform,
        caller.actor,
        channel_id,
        body.value(),
        new_secret=body.new_secret,
        version=version_in(if_match),
    )
    tagged(response, found.version)
    return found


@router.delete(
    "/alert-channels/{channel_id}",
    **operation("delete_alert_channel", WRITE, problems=DELETED, status_code=204),
)
async def delete_alert_channel(caller: Caller, channel_id: UUID, if_match: IfMatch) -> None:
    """Remove a channel; rules forget it."""
    await alerts.delete_channel(
        caller.platform, caller.actor, channel_id, version=version_in(if_match)
    )


@router.post(
    "/alert-channels/{channel_id}/test", **operation("test_alert_channel", WRITE, problems=ITEM)
)
async def test_alert_channel(caller: Caller, channel_id: UUID) -> Delivery:
    """Send a test notice now, and say what came of it."""
    return await alerts.test_channel(caller.platform, caller.actor, channel_id)


@router.get("/alert-deliveries", **operation("list_alert_deliveries", READ))
async def list_alert_deliveries(
    caller: Caller,
    channel_id: UUID | None = None,
    alert_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Listed[Delivery]:
    """What was sent to whom over the last 30 days, and how it fared."""
    return listed(
        await alerts.deliveries(
            caller.platform,
            caller.actor,
            channel_id=channel_id,
            alert_id=alert_id,
            cursor=cursor,
            limit=limit,
        )
    )
