"""POST /v1/events: what is taken, what is not, and what is said about it."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import zstandard
from benchmarks.made_events import made_event, made_events

from rune_core.ids import uuid7
from rune_server.analytics import EventFilter, Window
from rune_server.auth import keys

JSON = {"content-type": "application/json"}
LINES = {"content-type": "application/x-ndjson"}


def document(events):
    return b'{"events":[' + b",".join(map(msgspec.json.encode, events)) + b"]}"


def lines(events):
    return b"\n".join(map(msgspec.json.encode, events)) + b"\n"


async def stored(platform, organisation, **chosen):
    assert await platform.ingest.settled()
    return (
        await platform.analytics.events(organisation.id, EventFilter(**chosen), limit=1000)
    ).items


@pytest.mark.parametrize("form", ["json", "ndjson"])
@pytest.mark.parametrize("encoding", ["", "gzip", "zstd", "zstd-stream", "identity"])
async def test_every_form_and_encoding_ends_in_the_store(
    platform, organisation, client, form, encoding
):
    events = made_events(30)
    body, headers = (document(events), JSON) if form == "json" else (lines(events), LINES)
    if encoding == "gzip":
        body = gzip.compress(body)
    elif encoding == "zstd":
        body = zstandard.compress(body)
    elif encoding == "zstd-stream":
        compressor = zstandard.ZstdCompressor().compressobj()
        body = compressor.compress(body) + compressor.flush()
    if encoding:
        headers = {**headers, "content-encoding": encoding.removesuffix("-stream")}
    answer = await client("POST", "/v1/events", body, headers)
    assert answer.status == 202
    assert answer.json == {"accepted": 30, "duplicates": 0, "rejected": []}
    rows = await stored(platform, organisation)
    assert {str(row.event_id) for row in rows} == {event.event_id for event in events}


async def test_an_event_that_comes_again_is_counted_once(platform, organisation, client):
    events = made_events(20)
    again = [*events[:10], events[3], made_event()]
    assert (await client.send_events(*events)).json["accepted"] == 20
    first = (await client.send_events(*again)).json
    assert (first["accepted"], first["duplicates"]) == (1, 11)
    assert len(await stored(platform, organisation)) == 21
    window = Window.last(timedelta(days=1), until=datetime.now(UTC) + timedelta(minutes=1))
    assert (await platform.analytics.totals(organisation.id, window)).events == 21


async def test_one_organisations_ids_do_not_hinder_anothers(
    platform, organisation, client, new_organisation
):
    from rune_server.actor import Role, member

    other = await new_organisation("Other")
    made = await keys.create(platform, member(other.id, "o", Role.OWNER), name="k")
    events = made_events(5)
    assert (await client.send_events(*events)).json["accepted"] == 5
    body = document(events)
    answer = await client("POST", "/v1/events", body, JSON, key=made.key)
    assert answer.json["accepted"] == 5
    assert len(await stored(platform, organisation)) == 5
    assert len(await stored(platform, other)) == 5


async def test_a_wrong_event_is_named_and_the_others_are_taken(platform, organisation, client):
    good = made_event()
    raw = json.loads(msgspec.json.encode(good))
    secret = "the-users-own-words"
    wrong = [
        {**raw, "action": secret},
        {key: value for key, value in raw.items() if key != "decision_id"},
        {**raw, "tool": f"{secret} (yes)"},
        {**raw, "agent_id": "x" * 129},
        {**raw, "event_id": "not-a-uuid"},
        {**raw, "event_id": f"<{secret}>"},
        {**raw, "timestamp": "2026-01-01T00:00:00"},
        {**raw, "timestamp": secret},
        {**raw, "timestamp": "2001-01-01T00:00:00.000Z"},
        {**raw, "risk_score": 1.5},
        {**raw, "size": 2**64},
        {**raw, "sequence": -1},
        {**raw, "latency_ms": 1e300},
        {**raw, "layers": [{"layer": secret, "status": "unheard"}]},
        {**raw, "detectors": ["d"] * 1000},
        {**raw, "hash_key_id": "XYZ"},
        {**raw, "hash_key_id": "0123456789abcdeg"},
        "a text",
        7,
        None,
        [],
    ]
    answer = await client.send_events(*[json.dumps(each).encode() for each in wrong], good)
    assert answer.status == 202
    assert answer.json["accepted"] == 1
    rejected = answer.json["rejected"]
    assert [each["index"] for each in rejected] == list(range(len(wrong)))
    assert all(each["code"] and each["reason"] for each in rejected)
    assert rejected[0]["event_id"] == good.event_id
    assert rejected[0]["reason"].startswith("action:")
    assert rejected[1]["reason"] == "decision_id: is missing"
    assert {each["code"] for each in rejected} == {
        "schema",
        "event_id_invalid",
        "timestamp_invalid",
        "expired",
    }
    assert secret.encode() not in answer.body
    assert len(await stored(platform, organisation)) == 1


async def test_fields_of_a_newer_sdk_are_dropped(platform, organisation, client):
    event = made_event(surface="tool_call", tool="send_email")
    raw = json.loads(msgspec.json.encode(event))
    raw["prompt"] = "must not be stored"
    raw["layers"] = [{**layer, "text": "must not be stored"} for layer in raw["layers"]]
    assert (await client.send_events(json.dumps(raw).encode())).json["accepted"] == 1
    assert len(await stored(platform, organisation)) == 1


async def test_a_clock_that_is_ahead_is_set_right(platform, organisation, client, clock):
    ahead = made_event(clock.now() + timedelta(days=400))
    slightly = made_event(clock.now() + timedelta(minutes=5))
    assert (await client.send_events(ahead, slightly)).json["accepted"] == 2
    by_id = {str(row.event_id): row for row in await stored(platform, organisation)}
    assert by_id[ahead.event_id].skewed
    assert abs(by_id[ahead.event_id].timestamp - clock.now()) < timedelta(seconds=1)
    assert not by_id[slightly.event_id].skewed


async def test_the_server_s_own_clock_jumps(platform, organisation, client, clock):
    """To and fro by hours: every event is taken, known again, and there once."""
    events = made_events(40)
    for number, hours in enumerate((0, 3, -6, 27)):
        clock.forward(hours=hours)
        some = events[number * 10 : number * 10 + 10]
        assert (await client.send_events(*some)).json["accepted"] == 10
        assert (await client.send_events(*some)).json["duplicates"] == 10
    rows = await stored(platform, organisation)
    assert sorted(str(row.event_id) for row in rows) == sorted(event.event_id for event in events)


async def test_other_spellings_of_ids_and_times_are_made_one(platform, organisation, client, clock):
    identity = uuid7()
    at = clock.now().replace(microsecond=0)
    spelled = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    event = made_event(at, event_id=str(identity).upper(), timestamp=spelled)
    for _ in range(2):
        await client.send_events(event)
    rows = await stored(platform, organisation)
    assert [(row.event_id, row.timestamp) for row in rows] == [(identity, at)]


async def test_the_organisations_region_decides_where(platform, client, new_organisation):
    from rune_server.actor import Role, member
    from rune_server.state.tables.organisations import Organisation

    other = await new_organisation("Europeans")
    async with platform.state.begin() as session:
        (await session.get(Organisation, other.id)).region = "eu"
    made = await keys.create(platform, member(other.id, "o", Role.OWNER), name="k")
    answer = await client("POST", "/v1/events", document(made_events(3)), JSON, key=made.key)
    assert answer.json["accepted"] == 3
    assert await platform.ingest.settled()
    counted = {}
    for region in ("us", "eu"):
        store = platform.analytics.store_of(region)
        rows = await store.query(
            f"SELECT count() FROM {store.database}.events WHERE organisation_id = {{o:UUID}}",
            {"o": other.id},
        )
        counted[region] = rows[0][0]
    assert counted == {"us": 0, "eu": 3}


async def test_watchers_are_told(platform, organisation, client):
    async with platform.bus.subscribe(f"events.{organisation.id}") as messages:
        await client.send_events(*made_events(4))
        _topic, message = await messages.next(20)
    assert json.loads(message) == {"written": 4}


async def test_nothing_to_send_is_fine(client):
    assert (await client.send_events()).json == {"accepted": 0, "duplicates": 0, "rejected": []}
    answer = await client("POST", "/v1/events", b"\n\n", LINES)
    assert answer.json["accepted"] == 0
