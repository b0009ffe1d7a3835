"""Agents, their risk, their tools, and what was seen for the first time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from benchmarks.made_events import made_event, made_events
from hypothesis import given
from hypothesis import strategies as st

from rune_core.event.schema import ArgumentEntry, LayerEntry
from rune_server.analytics import Window
from rune_server.analytics.risk import ACTION_WEIGHT, SEVERITY_WEIGHT, Harm, risk
from rune_server.errors import InvalidError

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = Window(NOW - timedelta(hours=1), NOW)
DAY = Window(NOW - timedelta(days=1), NOW)


def at(**ago):
    return NOW - timedelta(**ago)


async def test_agents_with_their_risk_and_trend(analytics, organisation):
    quiet = [
        made_event(at(minutes=n + 1), seed=n, agent_id="quiet", action="allow", severity=None)
        for n in range(20)
    ]
    attacked = [
        made_event(
            at(minutes=n + 1),
            seed=n,
            agent_id="attacked",
            action="block",
            severity="critical",
            threat_type="jailbreak" if n else "pii_exposure",
            sdk_version="0.9.0" if n == 0 else "0.1.0",
        )
        for n in range(10)
    ]
    watched = [
        made_event(
            at(minutes=5),
            agent_id="watched",
            action="allow",
            monitored_action="block",
            severity="high",
        )
    ]
    # It was worse a window before.
    better = [
        made_event(at(minutes=70), seed=n, agent_id="better", action="block", severity="critical")
        for n in range(10)
    ] + [made_event(at(minutes=2), agent_id="better", action="allow", severity=None)]
    silent = [made_event(at(hours=20), agent_id="silent", action="allow", severity=None)]
    await analytics.insert(organisation, [*quiet, *attacked, *watched, *better, *silent])
    for window in (HOUR, DAY):
        rows = {row.agent_id: row for row in await analytics.agents(organisation, window)}
        assert set(rows) == {"quiet", "attacked", "watched", "better", "silent"}
        assert rows["quiet"].risk == 0
        # Ten blocks of ten, smoothed with twenty: a third does harm, and the worst is 1.
        assert rows["attacked"].risk == risk(Harm(10, 10.0, 1.0)) == 100
        assert rows["watched"].risk == risk(Harm(1, 0.8, 0.8))
        assert rows["attacked"].top_threat == "jailbreak"
        assert rows["attacked"].totals.blocked == 10
        assert rows["attacked"].sdk_version == "0.9.0"
        assert rows["watched"].totals.monitored == 1
    rows = {row.agent_id: row for row in await analytics.agents(organisation, HOUR)}
    assert rows["better"].risk == 0
    assert rows["better"].trend < -50
    assert rows["attacked"].trend == 100
    assert rows["silent"].totals.events == 0
    assert rows["silent"].last_seen == at(hours=20)
    assert next(row.agent_id for row in await analytics.agents(organisation, HOUR)) == "attacked"
    one = await analytics.agent(organisation, "better", HOUR)
    assert one == rows["better"]
    assert await analytics.agent(organisation, "nobody", HOUR) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(list(SEVERITY_WEIGHT)), st.sampled_from(list(ACTION_WEIGHT))),
        max_size=200,
    )
)
def test_the_score_stays_in_its_bounds_and_grows_with_harm(decisions):
    harms = [SEVERITY_WEIGHT[severity] * ACTION_WEIGHT[action] for severity, action in decisions]
    harm = Harm(len(harms), sum(harms), max(harms, default=0.0))
    score = risk(harm)
    assert 0 <= score <= 100
    assert (score == 0) == (harm.total * harm.worst < 0.001) or score <= 1
    worse = [*harms, 1.0]
    assert risk(Harm(len(worse), sum(worse), 1.0)) >= score or harm.total / max(1, len(harms)) > 0.5


async def test_tools_and_changed_definitions(analytics, organisation):
    def call(ago, tool, definition, **fields):
        return made_event(
            at(minutes=ago),
            seed=f"{ago}{tool}",
            event_type="tool_call",
            surface="tool_call",
            agent_id="agent",
            tool=tool,
            tool_definition_hash=definition,
            **{"arguments": (), **fields},
        )

    told = (ArgumentEntry("to", "0" * 32, 3, ("untrusted",)),)
    first = [
        call(50, "send", "aaaa", action="allow", arguments=told, tool_risk="high"),
        call(45, "send", "aaaa", action="ask"),
        call(40, "read", "cccc", action="allow"),
    ]
    await analytics.insert(organisation, first, received_at=at(minutes=40))
    await analytics.insert(
        organisation,
        [call(5, "send", "bbbb", action="allow", tool_risk="high"), call(4, "new", "dddd")],
        received_at=at(minutes=3),
    )
    rows = {row.tool: row for row in await analytics.tools(organisation, "agent", HOUR)}
    assert set(rows) == {"send", "read", "new"}
    assert rows["send"].definitions == ("bbbb", "aaaa")
    assert (rows["send"].calls, rows["send"].stopped, rows["send"].untrusted) == (3, 1, 1)
    assert rows["send"].risk == "high"
    assert await analytics.tools(organisation, "another", HOUR) == []
    since = at(minutes=10)
    assert await analytics.first_seen(organisation, "agent", since) == []
    assert [row.name for row in await analytics.first_seen(organisation, "agent", at(days=1))] == [
        "agent"
    ]
    assert [row.name for row in await analytics.first_seen(organisation, "tool", since)] == ["new"]
    (changed,) = await analytics.first_seen(organisation, "tool_definition", since)
    assert (changed.name, changed.previous, changed.definition) == ("send", "aaaa", "bbbb")
    assert changed.seen_at == at(minutes=3)
    # What comes again is not new, however late it is looked for.
    await analytics.insert(organisation, [call(1, "send", "aaaa")], received_at=NOW)
    assert len(await analytics.first_seen(organisation, "tool_definition", since)) == 1
    with pytest.raises(InvalidError):
        await analytics.first_seen(organisation, "prompt", since)


async def test_coverage_says_what_did_not_run(analytics, organisation):
    broken = (LayerEntry("l1", "ran", 0.1), LayerEntry("l2", "timeout", 250.0))
    skipped = (LayerEntry("l1", "ran", 0.1), LayerEntry("l2", "skipped"))
    events = [
        *(
            made_event(
                at(minutes=n + 1),
                seed=n,
                agent_id="a",
                surface="document",
                degraded=True,
                layers=broken,
            )
            for n in range(3)
        ),
        *(
            made_event(at(minutes=n + 1), seed=n, agent_id="a", surface="input", layers=skipped)
            for n in range(2)
        ),
        made_event(at(minutes=1), agent_id="b", surface="input"),
    ]
    await analytics.insert(organisation, events)
    for window in (HOUR, DAY):
        rows = {(r.agent_id, r.surface): r for r in await analytics.coverage(organisation, window)}
        assert rows["a", "document"].degraded == 3
        assert rows["a", "document"].failed == {"l2": 3}
        assert rows["a", "input"].failed == {"l2": 2}
        assert rows["b", "input"].failed == {}
        assert ("b", "document") not in rows
        for row in await analytics.coverage(organisation, window, failures=False):
            asked = rows[row.agent_id, row.surface]
            assert (row.events, row.degraded) == (asked.events, asked.degraded)
            assert row.failed == {}
    layers = {row.layer: row for row in await analytics.latency(organisation, HOUR)}
    assert layers["l2"].failed == 3
    assert layers["l2"].events == 1
    alone = {row.layer: row for row in await analytics.latency(organisation, HOUR, failures=False)}
    assert alone["l2"].failed == 0
    assert (alone["l2"].events, alone["l2"].p95) == (1, layers["l2"].p95)


async def test_many_agents_in_a_hurry(analytics, organisation):
    events = made_events(800, since=HOUR.since, until=NOW)
    await analytics.insert(organisation, events)
    rows = await analytics.agents(organisation, HOUR)
    assert sum(row.totals.events for row in rows) == 800
    assert all(0 <= row.risk <= 100 for row in rows)
