from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from benchmarks.made_events import made_event, made_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rune_core.event.schema import LayerEntry
from rune_server.analytics import EventFilter, Window
from rune_server.errors import InvalidError

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = Window(NOW - timedelta(hours=1), NOW, timedelta(minutes=5))
DAY = Window(NOW - timedelta(days=1), NOW + timedelta(minutes=1))


@pytest.fixture(scope="module")
def spread(analytics):
    """An organisation with 2,000 events over ten days; some layers skipped or too late."""
    organisation = uuid4()
    since, until = NOON - timedelta(days=8), NOON + timedelta(days=2)
    sent = []
    for number, event in enumerate(made_events(2_000, since=since, until=until, seed=5)):
        status = {0: "skipped", 1: "timeout"}.get(number % 9, "ran")
        layers = (event.layers[0], LayerEntry("l2", status, 1.0))
        sent.append(msgspec.structs.replace(event, layers=layers))
    asyncio.run(analytics.insert(organisation, sent))
    return organisation, sent


def as_sent(row):
    """The fields of event v1 of a row, as the SDK would write them."""
    fields = msgspec.to_builtins(row)
    return {
        name: value
        for name, value in fields.items()
        if name not in ("timestamp", "received_at", "skewed") and value not in (None, [], (), False)
    }


async def test_an_event_comes_back_as_it_was_sent(analytics, organisation):
    sent = made_events(300, until=NOW)
    await analytics.insert(organisation, sent, received_at=NOW)
    page = await analytics.events(organisation, limit=300)
    back = {str(row.event_id): row for row in page.items}
    assert len(back) == 300
    assert page.cursor is None
    for event in sent:
        row = back[event.event_id]
        expected = msgspec.to_builtins(event)
        expected.pop("schema_version", None)
        moment = datetime.fromisoformat(expected.pop("timestamp"))
        found = as_sent(row)
        assert row.timestamp == moment
        assert row.received_at == NOW
        # Defaults are left out of what is sent, and zeros of what is compared.
        zeros = ("risk_score", "sequence", "size", "latency_ms")
        assert {k: v for k, v in found.items() if k not in zeros} == {
            k: v for k, v in expected.items() if k not in zeros
        }
        assert (row.risk_score, row.size) == (event.risk_score, event.size)
        assert row.latency_ms == pytest.approx(event.latency_ms)


async def test_pages_hold_every_event_once_newest_first(analytics, organisation):
    same = [made_event(NOW, seed=n) for n in range(7)]
    await analytics.insert(organisation, [*made_events(40, until=NOW), *same])
    seen, cursor = [], None
    while True:
        page = await analytics.events(organisation, cursor=cursor, limit=6)
        seen += page.items
        cursor = page.cursor
        if cursor is None:
            break
    assert len(seen) == len({row.event_id for row in seen}) == 47
    assert [row.timestamp for row in seen] == sorted((r.timestamp for r in seen), reverse=True)


@pytest.mark.parametrize("cursor", ["", "x", "bm9wZQ", "W251bGwsIjEiXQ", "WzEsICJ4Il0", "é"])
async def test_a_cursor_of_somebody_else_is_refused(analytics, organisation, cursor):
    with pytest.raises(InvalidError):
        await analytics.events(organisation, cursor=cursor)


FILTERS = {
    "agents": lambda e, v: e.agent_id in v,
    "actions": lambda e, v: e.action in v,
    "threats": lambda e, v: e.threat_type in v,
    "surfaces": lambda e, v: e.surface in v,
    "tools": lambda e, v: (e.tool or "") in v,
    "rules": lambda e, v: (e.rule or "") in v,
    "severities": lambda e, v: (e.severity or "") in v,
    "detectors": lambda e, v: set(e.detectors) & set(v),
    "tags": lambda e, v: set(e.agent_tags) & set(v),
    "event_types": lambda e, v: e.event_type in v,
    "session": lambda e, v: e.session_id == v,
    "decision": lambda e, v: e.decision_id == v,
    "min_risk": lambda e, v: e.risk_score >= v,
    "degraded": lambda e, v: e.degraded is v,
}


async def test_every_filter_takes_what_it_says(analytics, organisation):
    sent = [*made_events(600, until=NOW), *made_events(20, until=NOW, seed=1, degraded=True)]
    await analytics.insert(organisation, sent)
    one = next(event for event in sent if event.threat_type)
    asked = {
        "agents": (one.agent_id, "agent-01"),
        "actions": ("block", "ask"),
        "threats": (one.threat_type,),
        "surfaces": ("tool_call",),
        "tools": ("send_email", ""),
        "rules": (one.rule,),
        "severities": ("critical",),
        "detectors": one.detectors,
        "tags": ("production",),
        "event_types": ("tool_call",),
        "session": one.session_id,
        "decision": one.decision_id,
        "min_risk": 0.5,
        "degraded": True,
    }
    assert asked.keys() == FILTERS.keys()
    for name, value in asked.items():
        expected = sum(1 for event in sent if FILTERS[name](event, value))
        chosen = EventFilter(**{name: value})
        page = await analytics.events(organisation, chosen, limit=1000)
        assert (name, len(page.items)) == (name, expected)
        assert expected > 0
        for window in (HOUR, DAY):  # from the events, and where it fits from the rollup
            totals = await analytics.totals(organisation, window, chosen)
            assert (name, totals.events) == (name, expected)


async def test_search_finds_parts_of_names_and_whole_ids(analytics, organisation):
    event = made_event(NOW, tool="Payments.Refund", session_id="run-77", agent_id="Billing Bot")
    await analytics.insert(organisation, [event, *made_events(10, until=NOW)])
    for text in ("payments.ref", "billing", "run-77", event.event_id, event.event_id.upper()):
        page = await analytics.events(organisation, EventFilter(search=text))
        assert [str(row.event_id) for row in page.items] == [event.event_id], text
    for text in ("run-7", "%", "'; DROP TABLE events; --", "\\"):
        assert not (await analytics.events(organisation, EventFilter(search=text))).items


@pytest.mark.parametrize("days", [0, 1, 5], ids=["events", "minutes", "hours and minutes"])
async def test_figures_of_a_search_count_what_its_list_shows(analytics, organisation, days):
    """Names come from the rollups and ids from the events; what is both counts once."""
    since, until = NOW - (timedelta(days=days) or timedelta(hours=1)), NOW
    sent = made_events(400, since=since + timedelta(seconds=1), until=until, seed=days)
    at = NOW - timedelta(minutes=20)
    sent += [
        made_event(at, seed=1, agent_id="billing", session_id="billing", decision_id="billing"),
        made_event(at, seed=2, agent_id="crm", session_id="Billing"),
        made_event(at, seed=3, agent_id="crm", session_id="billing"),
        made_event(at, seed=4, agent_id="crm", decision_id="billing"),
        made_event(at, seed=5, agent_id="crm", session_id="billing", decision_id="billing"),
        made_event(at, seed=6, agent_id="crm", detectors=("a", "BILLING-card", "billing-iban")),
        made_event(at, seed=7, agent_id="crm", event_type="alert", tool="billing"),
        made_event(since - timedelta(hours=3), seed=8, agent_id="billing", session_id="billing"),
    ]
    sent.append(msgspec.structs.replace(sent[0], event_id=str(uuid4()), tool=sent[0].event_id))
    await analytics.insert(organisation, sent)
    window = Window(since, until + timedelta(seconds=1), timedelta(hours=1))
    one = next(event for event in sent if event.detectors)
    for text, least in (
        ("billing", 5),
        (" PAYMENTS", 2),
        (one.detectors[0][:-1], 1),
        (one.session_id, 1),
        (sent[0].event_id, 2),
        ("nowhere", 0),
    ):
        chosen = EventFilter(search=text, since=window.since, until=window.until)
        page = await analytics.events(organisation, chosen, limit=1000)
        assert len(page.items) == len({row.event_id for row in page.items})
        decided = [row for row in page.items if row.event_type != "alert"]
        assert len(decided) >= least, text
        totals = await analytics.totals(organisation, window, chosen)
        assert totals.events == len(decided), text
        assert totals.alerts == len(page.items) - len(decided), text
        series = await analytics.series(organisation, window, "action", chosen)
        counted = {name: sum(line) for name, line in series.lines.items() if sum(line)}
        assert counted == Counter(row.action for row in decided), text
        tops = await analytics.top(organisation, "detector", window, chosen, 1000)
        named = Counter(each for row in decided for each in row.detectors)
        assert {row.name: row.events for row in tops} == named, text
        narrowed = replace(chosen, actions=("allow",), tools=("payments.transfer", "send_email"))
        fewer = await analytics.events(organisation, narrowed, limit=1000)
        assert (await analytics.totals(organisation, window, narrowed)).events == len(
            [row for row in fewer.items if row.event_type != "alert"]
        ), text


async def test_pages_of_a_search_hold_every_event_once(analytics, organisation):
    both = [made_event(NOW, seed=n, agent_id="billing", session_id="billing") for n in range(7)]
    ids = [made_event(NOW, seed=n, agent_id="crm", session_id="billing") for n in range(7)]
    await analytics.insert(organisation, [*both, *ids, *made_events(20, until=NOW)])
    seen, cursor = [], None
    while True:
        page = await analytics.events(organisation, EventFilter(search="billing"), cursor, 3)
        seen += [str(row.event_id) for row in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(seen) == 14
    assert set(seen) == {event.event_id for event in (*both, *ids)}


async def test_nothing_of_another_organisation_is_read(analytics, organisation):
    other = uuid4()
    events = made_events(50, until=NOW)
    await analytics.insert(other, events)
    session = events[0].session_id
    assert not (await analytics.events(organisation)).items
    assert await analytics.event(organisation, uuid4()) is None
    assert await analytics.session(organisation, session) == []
    assert not (await analytics.sessions(organisation)).items
    assert (await analytics.totals(organisation, DAY)).events == 0
    assert (await analytics.series(organisation, DAY, "action")).lines == {}
    assert await analytics.top(organisation, "agent", DAY) == []
    assert await analytics.latency(organisation, DAY) == []
    assert await analytics.agents(organisation, DAY) == []
    assert await analytics.tools(organisation, None, DAY) == []
    assert await analytics.coverage(organisation, DAY) == []
    assert await analytics.first_seen(organisation, "agent", NOW - timedelta(days=9)) == []
    assert await analytics.usage(organisation, NOW) == []
    assert [row.events for row in await analytics.count(organisation, EventFilter(), DAY)] == [0]
    assert await analytics.erase(organisation) == 0
    assert (await analytics.totals(other, DAY)).events == 50
    found = await analytics.event(other, (await analytics.events(other)).items[0].event_id)
    assert found is not None


async def test_series_counts_every_event_once_and_leaves_no_point_out(analytics, organisation):
    sent = made_events(400, since=HOUR.since, until=NOW)
    await analytics.insert(organisation, sent)
    for by, value in (("action", "allow"), ("surface", "document"), ("tag", "staging")):
        for window in (HOUR, DAY):
            found = await analytics.series(organisation, window, by)
            assert found.times == tuple(sorted(found.times))
            assert len(set(found.times)) == len(found.times)
            assert all(len(line) == len(found.times) for line in found.lines.values())
            counted = sum(map(sum, found.lines.values()))
            assert counted == 400, (by, window)
            named = sum(value in msgspec.to_builtins(event).values() for event in sent)
            if by != "tag":
                assert sum(found.lines[value]) == named
    plain = await analytics.series(organisation, HOUR)
    assert list(plain.lines) == ["events"]
    assert len(plain.times) >= 12


@pytest.mark.parametrize("chosen", [EventFilter(decision=""), EventFilter(session="")])
async def test_an_empty_id_is_an_id_that_nothing_has(analytics, organisation, chosen):
    await analytics.insert(organisation, made_events(20, until=NOW), received_at=NOW)
    for window in (HOUR, DAY):
        series = await analytics.series(organisation, window, "action", chosen)
        assert not any(any(line) for line in series.lines.values())
        assert (await analytics.totals(organisation, window, chosen)).events == 0


async def test_many_values_are_counted_together_as_other(analytics, organisation):
    events = [made_event(NOW - timedelta(seconds=n), seed=n, tool=f"t{n}") for n in range(1, 40)]
    await analytics.insert(organisation, events)
    found = await analytics.series(organisation, HOUR, "tool")
    assert len(found.lines) == 12
    assert sum(map(sum, found.lines.values())) == 39
    assert sum(found.lines["other"]) == 28


async def test_totals_and_top_agree_with_the_events(analytics, organisation):
    sent = made_events(500, since=HOUR.since, until=NOW)
    alert = made_event(NOW - timedelta(minutes=3), event_type="alert", action="block")
    await analytics.insert(organisation, [*sent, alert])
    for window in (HOUR, DAY):
        totals = await analytics.totals(organisation, window)
        assert totals.events == 500
        assert totals.alerts == 1
        assert totals.blocked == sum(event.action == "block" for event in sent)
        assert totals.threats == sum(event.threat_type is not None for event in sent)
        assert totals.tool_calls == sum(event.event_type == "tool_call" for event in sent)
        assert totals.agents == len({event.agent_id for event in sent})
        assert totals.max_risk == max(event.risk_score for event in sent)
        mean = sum(event.risk_score for event in sent) / 500
        assert totals.mean_risk == pytest.approx(mean, abs=1e-3)
        best = (await analytics.top(organisation, "threat", window))[0]
        threats = [event.threat_type for event in sent if event.threat_type]
        assert best.events == max(threats.count(each) for each in set(threats))
        for by in ("detector", "matched_rule", "rule", "tool", "framework", "tag", "agent"):
            rows = await analytics.top(organisation, by, window, limit=3)
            assert 0 < len(rows) <= 3, by
            assert all(row.name for row in rows)
    with pytest.raises(InvalidError, match="dimension"):
        await analytics.top(organisation, "1; DROP TABLE events", DAY)


async def test_latency_per_layer(analytics, organisation):
    sent = made_events(400, since=HOUR.since, until=NOW)
    await analytics.insert(organisation, sent)
    for chosen in (EventFilter(), EventFilter(frameworks=("langchain",))):
        rows = await analytics.latency(organisation, HOUR, chosen)
        assert [row.layer for row in rows] == ["total", "l1", "l2"]
        times = sorted(event.latency_ms for event in sent)
        assert rows[0].events == 400
        assert rows[0].p50 == pytest.approx(times[200], rel=0.1)
        assert rows[0].p50 < rows[0].p95 < rows[0].p99 <= times[-1]


NOON = NOW.replace(hour=12, minute=0, second=0) - timedelta(days=1)


@given(
    ago=st.integers(0, 4 * 86_400_000), length=st.integers(1, 6 * 86_400_000), narrow=st.booleans()
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_window_counts_what_lies_in_it(analytics, spread, ago, length, narrow):
    """From the events, the minutes, or the hours with minutes at both ends."""
    organisation, sent = spread
    until = NOON - timedelta(milliseconds=ago)
    since = until - timedelta(milliseconds=length)
    window, chosen = Window(since, until, timedelta(hours=6)), EventFilter()
    if narrow:  # the same moments, as the ends of a filter
        chosen = EventFilter(since=since, until=until)
        window = Window(since - timedelta(days=3), until + timedelta(days=3), timedelta(hours=6))
    if length > 2 * 3_600_000:  # longer ones begin with a whole minute
        since = since.replace(second=0, microsecond=0)
    inside = [e for e in sent if since <= datetime.fromisoformat(e.timestamp) < until]

    async def ask():
        totals = await analytics.totals(organisation, window, chosen)
        series = await analytics.series(organisation, window, "surface", chosen)
        tops = await analytics.top(organisation, "agent", window, chosen, 1000)
        found_by = await analytics.top(organisation, "detector", window, chosen, 1000)
        return totals, series, tops, found_by

    totals, series, tops, found_by = asyncio.run(ask())
    assert totals.events == len(inside)
    assert totals.tool_calls == sum(e.event_type == "tool_call" for e in inside)
    assert totals.max_risk == pytest.approx(
        max((e.risk_score for e in inside), default=0), abs=1e-4
    )
    assert {name: sum(line) for name, line in series.lines.items() if sum(line)} == Counter(
        e.surface for e in inside
    )
    assert {row.name: row.events for row in tops} == Counter(e.agent_id for e in inside)
    assert {row.name: (row.events, row.max_risk) for row in found_by} == {
        name: (number, max(e.risk_score for e in inside if name in e.detectors))
        for name, number in Counter(each for e in inside for each in e.detectors).items()
    }


async def test_long_windows_know_layers_and_tools(analytics, spread):
    organisation, sent = spread
    window = Window(NOON - timedelta(hours=100, minutes=7), NOON - timedelta(seconds=11))
    inside = [e for e in sent if window.since <= datetime.fromisoformat(e.timestamp) < window.until]
    assert 100 < len(inside) < len(sent)
    rows = {row.layer: row for row in await analytics.latency(organisation, window)}
    times = sorted(e.latency_ms for e in inside)
    assert rows["total"].events == len(inside)
    for part, found in ((0.5, rows["total"].p50), (0.95, rows["total"].p95)):
        assert found == pytest.approx(times[int(part * len(times))], rel=0.03)
    skipped = [e for e in inside if e.layers[1].status == "skipped"]
    failed = [e for e in inside if e.layers[1].status == "timeout"]
    assert skipped
    assert failed
    assert (rows["l1"].failed, rows["l2"].failed) == (0, len(failed))
    assert rows["l2"].events == len(inside) - len(skipped) - len(failed)
    cover = await analytics.coverage(organisation, window)
    assert sum(row.failed.get("l2", 0) for row in cover) == len(skipped) + len(failed)
    assert sum(row.events for row in cover) == len(inside)
    tools = await analytics.tools(organisation, None, window)
    calls = [e for e in inside if e.event_type == "tool_call"]
    assert sum(row.calls for row in tools) == len(calls)
    assert sum(row.untrusted for row in tools) == sum(
        any("untrusted" in each.origins for each in e.arguments) for e in calls
    )


async def test_sessions_and_what_happened_in_one(analytics, organisation):
    first = [
        made_event(NOW - timedelta(minutes=9 - n), seed=n, session_id="s-1", sequence=n + 1)
        for n in range(4)
    ]
    second = [made_event(NOW, session_id="s-2", action="block", threat_type="jailbreak")]
    await analytics.insert(organisation, [*reversed(first), *second])
    page = await analytics.sessions(organisation, limit=1)
    assert [row.session_id for row in page.items] == ["s-2"]
    assert page.items[0].stopped == 1
    assert page.items[0].threats == ("jailbreak",)
    rest = await analytics.sessions(organisation, cursor=page.cursor, limit=5)
    assert [(row.session_id, row.events) for row in rest.items] == [("s-1", 4)]
    assert rest.cursor is None
    steps = await analytics.session(organisation, "s-1")
    assert [row.sequence for row in steps] == [1, 2, 3, 4]


async def test_count_by_groups(analytics, organisation):
    sent = made_events(300, since=HOUR.since, until=NOW)
    await analytics.insert(organisation, sent)
    rows = await analytics.count(organisation, EventFilter(), HOUR, ("agent", "action"))
    assert sum(row.events for row in rows) == 300
    keys = {(event.agent_id, event.action) for event in sent}
    assert {row.key for row in rows} == keys
    alone = await analytics.count(organisation, EventFilter(actions=("block",)), HOUR)
    assert [row.key for row in alone] == [()]


def test_a_window_that_makes_no_sense_is_refused():
    naive = NOW.replace(tzinfo=None)
    for since, until, step in (
        (naive, NOW, timedelta(hours=1)),
        (NOW, NOW, timedelta(hours=1)),
        (NOW - timedelta(days=365), NOW, timedelta(seconds=1)),
        (NOW - timedelta(days=1), NOW, timedelta(seconds=0.5)),
    ):
        with pytest.raises(ValueError, match=r"window|points|step"):
            Window(since, until, step)
    for length in (timedelta(minutes=1), timedelta(days=1), timedelta(days=365)):
        window = Window.last(length)
        assert 5 <= length / window.step <= 61
