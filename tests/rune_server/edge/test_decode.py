"""Checked in bulk or one by one: the same events are taken as by the schema itself."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from benchmarks.made_events import made_event
from hypothesis import given, settings
from hypothesis import strategies as st

from rune_core.event.decode import decode_lenient
from rune_server.edge.decode import decoded
from rune_server.errors import InvalidError

NOW = datetime.now(UTC)
PLAIN = json.loads(
    msgspec.json.encode(
        made_event(NOW, seed=3, surface="tool_call", action="block", threat_type="jailbreak")
    )
)
TEXTS = st.one_of(
    st.text(max_size=140),
    st.text("abcXYZ019_.:/@- ", max_size=140),
    st.text("0123456789abcdef", min_size=10, max_size=70),
    st.sampled_from(
        ["", "None", "a\n", "\u0000", "é", "a'b", 'a"b', "a\\b", "a{b}", "a,b", "a[0]"]
    ),
)
OTHERS = st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.booleans(), st.just([]))
NAMES = sorted(
    {
        *(name for name in PLAIN if name not in ("event_id", "timestamp", "schema_version")),
        *("agent_id", "parent_id", "policy", "rule", "adapter", "hash_key_id", "approval"),
    }
)


def mutated(draw):
    event = json.loads(json.dumps(PLAIN))
    value = draw(st.one_of(TEXTS, OTHERS))
    where = draw(st.sampled_from(["field", "tag", "detector", "layer", "rule", "argument"]))
    if where == "field":
        event[draw(st.sampled_from(NAMES))] = value
    elif where == "tag":
        event["agent_tags"] = [value]
    elif where == "detector":
        event["detectors"] = ["ok", value]
    elif where == "layer":
        event["layers"] = [{"layer": value, "status": "ran"}]
    elif where == "rule":
        entry = {"rule": "x", "policy": "x", "kind": "x", "action": "flag", "severity": "low"}
        event["rules"] = [entry | {draw(st.sampled_from(["rule", "policy", "kind"])): value}]
    else:
        entry = {"name": "x", "hash": "0" * 16, "size": 1}
        event["arguments"] = [entry | {draw(st.sampled_from(["name", "hash", "size"])): value}]
    return event


EVENTS = st.composite(mutated)()


def by_the_schema(event) -> bool:
    """Whether the schema takes it, and the columns' bounds."""
    numbers = [event.get(name) for name in ("size", "sequence", "latency_ms")]
    numbers += [each.get("size") for each in event.get("arguments") or [] if isinstance(each, dict)]
    large = any(
        isinstance(n, int | float) and (n > 2**63 - 1 if isinstance(n, int) else n > 1e12)
        for n in numbers
    )
    try:
        decode_lenient(json.dumps(event))
    except msgspec.DecodeError:
        return False
    return not large


@settings(deadline=None)
@given(EVENTS, st.booleans())
def test_what_is_taken_is_what_the_schema_takes(event, lines):
    good = json.dumps(PLAIN)
    pieces = [good, json.dumps(event), good]
    body = "\n".join(pieces) if lines else '{"events":[' + ",".join(pieces) + "]}"
    found = decoded(body.encode(), lines=lines, most=10, now=NOW, retention_days=30)
    expected = by_the_schema(event)
    assert len(found.events) == 2 + expected
    assert [each["index"] for each in found.rejected] == ([] if expected else [1])
    for each in found.events:
        # Nothing of it is lost on the way to a line.
        assert msgspec.json.encode(each) in (
            msgspec.json.encode(decode_lenient(good)),
            *([msgspec.json.encode(decode_lenient(json.dumps(event)))] if expected else []),
        )


@pytest.mark.parametrize("value", [b"\xed\xa0\x80", b'"\\ud800"', b'"\\u0000"', b"1e400", b"-0"])
def test_odd_texts_and_numbers(value):
    raw = json.dumps({**PLAIN, "tool": "MARK"}).encode().replace(b'"MARK"', value)
    with suppress(InvalidError):  # no JSON at all
        found = decoded(raw, lines=True, most=10, now=NOW, retention_days=30)
        assert not found.events
