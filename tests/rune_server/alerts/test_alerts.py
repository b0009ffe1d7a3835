"""Alert rules over real events: when they fire, whom they tell, and when they keep quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from benchmarks.made_events import made_event

from rune_core.bundle.status import PoliciesEntry, QueueEntry, Status, ToolEntry
from rune_server import alerts
from rune_server.actor import SDK_PERMISSIONS, Actor, Role, member
from rune_server.agents.report import take
from rune_server.alerts import EventMatch, RuleSpec, jobs
from rune_server.alerts.deliveries import send_due
from rune_server.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    UnprocessableError,
)

BLOCKS = EventMatch(actions=("block",))


async def happen(platform, organisation, number: int = 1, **fields) -> None:
    """Some events at this moment of the platform's clock."""
    now = platform.clock.now()
    given = {"agent_id": "billing", "action": "block", "surface": "tool_call", **fields}
    made = [made_event(now - timedelta(seconds=1), seed=n, **given) for n in range(number)]
    await platform.analytics.insert(organisation.id, made, received_at=now)


async def report(platform, organisation, *tools: tuple[str, str], agent: str = "billing") -> None:
    """A status report of a process that runs an agent with these tools and definitions."""
    key = Actor(organisation.id, "key", "k", SDK_PERMISSIONS)
    entries = tuple(
        ToolEntry(agent_id=agent, name=name, risk="low", definition_hash=digest)
        for name, digest in tools
    )
    status = Status(
        instance="i1", sdk_version="1", policies=PoliciesEntry(), tools=entries, queue=QueueEntry()
    )
    await take(platform, key, status)


async def evaluated(platform, owner, clock, **later):
    """Evaluate after some time; the alerts that are not resolved, by group."""
    clock.forward(**(later or {"seconds": 20}))
    await jobs.evaluate_due(platform)
    found = await alerts.alerts(platform, owner, states=("open", "acknowledged"))
    return {alert.group: alert for alert in found.items}


async def test_count_fires_at_its_threshold_and_ends(platform, owner, organisation, clock) -> None:
    spec = RuleSpec(name="blocks", kind="count", match=BLOCKS, threshold=3, window_seconds=300)
    await alerts.create_rule(platform, owner, spec)
    await happen(platform, organisation, 2)
    assert await evaluated(platform, owner, clock) == {}
    await happen(platform, organisation, 1)
    (alert,) = (await evaluated(platform, owner, clock)).values()
    assert (alert.value, alert.threshold, alert.state, alert.times) == (3.0, 3.0, "open", 1)
    assert alert.title == "blocks: 3 events in 5 min"
    (again,) = (await evaluated(platform, owner, clock)).values()
    assert (again.id, again.times) == (alert.id, 2)
    assert await evaluated(platform, owner, clock, minutes=6) == {}
    ended = await alerts.alert(platform, owner, alert.id)
    assert (ended.state, ended.resolved_by) == ("resolved", "system")


async def test_groups_have_alerts_of_their_own(platform, owner, organisation, clock) -> None:
    spec = RuleSpec(name="by agent", kind="count", match=BLOCKS, threshold=2, group_by="agent")
    await alerts.create_rule(platform, owner, spec)
    for agent, number in (("a", 3), ("b", 2), ("c", 1)):
        await happen(platform, organisation, number, agent_id=agent)
    found = await evaluated(platform, owner, clock)
    assert {group: alert.value for group, alert in found.items()} == {"a": 3.0, "b": 2.0}


async def test_rate_and_ratio(platform, owner, organisation, clock) -> None:
    rate = RuleSpec(name="rate", kind="rate", match=BLOCKS, threshold=2, window_seconds=120)
    ratio = RuleSpec(
        name="ratio",
        kind="ratio",
        match=BLOCKS,
        threshold=0.25,
        minimum=10,
        window_seconds=600,
        group_by="agent",
    )
    await alerts.create_rule(platform, owner, rate)
    await alerts.create_rule(platform, owner, ratio)
    await happen(platform, organisation, 4)
    await happen(platform, organisation, 3, action="allow", risk_score=0.0, threat_type=None)
    found = await evaluated(platform, owner, clock)
    assert [alert.rule for alert in found.values()] == ["rate"]
    assert found[""].value == 2.0
    await happen(platform, organisation, 3, action="allow", risk_score=0.0, threat_type=None)
    found = await evaluated(platform, owner, clock, seconds=40)
    assert found["billing"].value == 0.4
    assert found["billing"].details == {"events": 4, "of": 10}


async def test_first_seen_tells_once(platform, owner, organisation, clock) -> None:
    await happen(platform, organisation, agent_id="old", tool="search")
    clock.forward(seconds=30)
    for what in ("agent", "tool", "tool_definition"):
        spec = RuleSpec(name=what, kind="first_seen", first_seen=what, window_seconds=3600)
        await alerts.create_rule(platform, owner, spec)
    assert await evaluated(platform, owner, clock, minutes=4) == {}
    clock.forward(seconds=1)
    await happen(platform, organisation, agent_id="new", tool="search")
    await happen(platform, organisation, agent_id="old", tool="wire_money")
    found = await evaluated(platform, owner, clock, minutes=4)
    assert set(found) == {"new", "new / search", "old / wire_money"}
    resolved = await alerts.resolve(platform, owner, found["new"].id)
    assert resolved.resolved_by == "owner"
    assert set(await evaluated(platform, owner, clock, minutes=4)) == {
        "new / search",
        "old / wire_money",
    }
    # It does not end by itself: it was new once.
    assert set(await evaluated(platform, owner, clock, hours=2)) == {
        "new / search",
        "old / wire_money",
    }


async def test_a_changed_definition_is_seen_in_reports(
    platform, owner, organisation, clock
) -> None:
    await report(platform, organisation, ("search", "aa" * 16))
    clock.forward(seconds=30)
    spec = RuleSpec(name="drift", kind="first_seen", first_seen="tool_definition")
    await alerts.create_rule(platform, owner, spec)
    assert await evaluated(platform, owner, clock) == {}
    await report(platform, organisation, ("search", "bb" * 16))
    found = await evaluated(platform, owner, clock)
    (alert,) = found.values()
    assert alert.details["before"] == "aa" * 16
    assert alert.details["after"] == "bb" * 16
    assert "another definition of the tool search of billing" in alert.title


async def test_silence(platform, owner, organisation, clock) -> None:
    spec = RuleSpec(name="quiet", kind="silence", window_seconds=1800)
    await alerts.create_rule(platform, owner, spec)
    await happen(platform, organisation, agent_id="billing")
    await report(platform, organisation, ("search", ""), agent="support")
    assert await evaluated(platform, owner, clock, minutes=20) == {}
    await report(platform, organisation, ("search", ""), agent="support")
    found = await evaluated(platform, owner, clock, minutes=15)
    assert set(found) == {"billing"}
    assert found["billing"].title == "quiet: nothing heard of billing for 35 min"
    await happen(platform, organisation, agent_id="billing")
    found = await evaluated(platform, owner, clock, minutes=20)
    assert set(found) == {"support"}


async def test_risk_trend(platform, owner, organisation, clock) -> None:
    spec = RuleSpec(name="riskier", kind="risk_trend", threshold=10, window_seconds=3600)
    await alerts.create_rule(platform, owner, spec)
    calm = {"action": "allow", "risk_score": 0.0, "threat_type": None, "severity": None}
    await happen(platform, organisation, 20, **calm)
    clock.forward(minutes=61)
    await happen(platform, organisation, 20, risk_score=0.95, severity="critical")
    found = await evaluated(platform, owner, clock)
    assert found["billing"].value >= 10


async def test_notices_cool_down_and_stop_when_taken_on(
    platform, owner, organisation, clock, inbox
) -> None:
    channel = await alerts.create_channel(
        platform, owner, alerts.ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    spec = RuleSpec(
        name="blocks",
        kind="count",
        match=BLOCKS,
        window_seconds=86_400,
        cooldown_seconds=600,
        channels=(channel.id,),
    )
    await alerts.create_rule(platform, owner, spec)
    await happen(platform, organisation)

    async def told(**later) -> list[str]:
        inbox.got.clear()
        await evaluated(platform, owner, clock, **later)
        await send_due(platform)
        return [message["type"] for message in inbox.messages]

    assert await told(seconds=1) == ["alert.raised"]
    assert await told(minutes=6) == []
    assert await told(minutes=6) == ["alert.again"]
    (alert,) = (await alerts.alerts(platform, owner)).items
    await alerts.acknowledge(platform, owner, alert.id)
    assert await told(minutes=30) == []
    await alerts.resolve(platform, owner, alert.id)
    # It still holds, so a new one begins; the last notice is half an hour old.
    assert await told(minutes=6) == ["alert.raised"]
    assert await told(hours=25) == ["alert.resolved"]


async def test_flapping_is_told_once_in_a_while(
    platform, owner, organisation, clock, inbox
) -> None:
    channel = await alerts.create_channel(
        platform, owner, alerts.ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    spec = RuleSpec(
        name="blocks", kind="count", match=BLOCKS, window_seconds=60, channels=(channel.id,)
    )
    await alerts.create_rule(platform, owner, spec)
    for _ in range(4):
        await happen(platform, organisation)
        await evaluated(platform, owner, clock, seconds=20)
        await evaluated(platform, owner, clock, seconds=90)
    while await send_due(platform):
        pass
    assert [message["type"] for message in inbox.messages] == ["alert.raised", "alert.resolved"]
    assert len((await alerts.alerts(platform, owner)).items) == 4


async def test_a_muted_rule_raises_and_tells_nobody(
    platform, owner, organisation, clock, inbox
) -> None:
    channel = await alerts.create_channel(
        platform, owner, alerts.ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    spec = RuleSpec(
        name="blocks", kind="count", match=BLOCKS, window_seconds=86_400, channels=(channel.id,)
    )
    rule = await alerts.create_rule(platform, owner, spec)
    with pytest.raises(UnprocessableError):
        await alerts.mute_rule(platform, owner, rule.id, clock.now() - timedelta(seconds=1))
    await alerts.mute_rule(platform, owner, rule.id, clock.now() + timedelta(hours=1))
    await happen(platform, organisation)
    assert len(await evaluated(platform, owner, clock)) == 1
    assert await send_due(platform) == 0
    await evaluated(platform, owner, clock, hours=2)
    assert await send_due(platform) == 1
    assert inbox.messages[0]["type"] == "alert.raised"


async def test_a_preview_raises_nothing(platform, owner, organisation) -> None:
    spec = RuleSpec(name="blocks", kind="count", match=BLOCKS)
    rule = await alerts.create_rule(platform, owner, spec)
    await happen(platform, organisation, 2)
    (finding,) = await alerts.preview(platform, owner, rule.id)
    assert finding.value == 2.0
    assert (await alerts.alerts(platform, owner)).items == ()


async def test_every_fault_of_a_rule_is_named(platform, owner) -> None:
    spec = RuleSpec(
        name="",
        kind="silence",
        group_by="agent",
        window_seconds=5,
        threshold=float("nan"),
        match=EventMatch(actions=("explode",), min_risk=2.0),
    )
    with pytest.raises(UnprocessableError) as caught:
        await alerts.create_rule(platform, owner, spec)
    assert {each["where"] for each in caught.value.errors} == {
        "name",
        "window_seconds",
        "threshold",
        "group_by",
        "match.actions",
        "match.min_risk",
    }


async def test_rules_are_edited_by_version(platform, owner) -> None:
    spec = RuleSpec(name="blocks", kind="count", match=BLOCKS)
    rule = await alerts.create_rule(platform, owner, spec)
    assert rule.spec == spec
    other = replace(spec, threshold=9.0, of=EventMatch(agents=("a",)))
    edited = await alerts.edit_rule(platform, owner, rule.id, other, version=1)
    assert (edited.version, edited.spec) == (2, other)
    with pytest.raises(PreconditionFailedError):
        await alerts.edit_rule(platform, owner, rule.id, spec, version=1)
    with pytest.raises(ConflictError):
        await alerts.create_rule(platform, owner, spec)
    await alerts.delete_rule(platform, owner, rule.id, version=2)
    with pytest.raises(NotFoundError):
        await alerts.rule(platform, owner, rule.id)


async def test_others_see_and_change_nothing(
    platform, owner, viewer, organisation, new_organisation, clock, inbox
) -> None:
    channel = await alerts.create_channel(
        platform, owner, alerts.ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    spec = RuleSpec(name="blocks", kind="count", match=BLOCKS, channels=(channel.id,))
    rule = await alerts.create_rule(platform, owner, spec)
    await happen(platform, organisation)
    (alert,) = (await evaluated(platform, owner, clock)).values()
    other = await new_organisation("Other")
    stranger = member(other.id, "stranger", Role.OWNER)
    for attempt in (
        alerts.rule(platform, stranger, rule.id),
        alerts.edit_rule(platform, stranger, rule.id, replace(spec, channels=())),
        alerts.delete_rule(platform, stranger, rule.id),
        alerts.mute_rule(platform, stranger, rule.id, None),
        alerts.preview(platform, stranger, rule.id),
        alerts.alert(platform, stranger, alert.id),
        alerts.acknowledge(platform, stranger, alert.id),
        alerts.resolve(platform, stranger, alert.id),
        alerts.channel(platform, stranger, channel.id),
        alerts.delete_channel(platform, stranger, channel.id),
        alerts.test_channel(platform, stranger, channel.id),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    with pytest.raises(UnprocessableError, match="cannot be used"):
        await alerts.create_rule(platform, stranger, spec)  # with a channel of others
    for listing in (alerts.rules, alerts.alerts, alerts.channels, alerts.deliveries):
        assert (await listing(platform, stranger)).items == ()
    for attempt in (
        alerts.create_rule(platform, viewer, replace(spec, name="mine")),
        alerts.acknowledge(platform, viewer, alert.id),
        alerts.test_channel(platform, viewer, channel.id),
    ):
        with pytest.raises(ForbiddenError):
            await attempt
    assert inbox.got == []
