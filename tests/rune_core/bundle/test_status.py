"""What is told about a process: closed, masked, and only when there is news."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_rune_server import document

from rune_core.agents_seen import MAX_AGENTS, AgentsSeen
from rune_core.bundle import report
from rune_core.bundle.status import (
    AdapterEntry,
    Digest,
    PoliciesEntry,
    QueueEntry,
    RefusedEntry,
    Status,
    ToolEntry,
    encode,
    json_schema,
)
from rune_core.tools_seen import MAX_TOOLS, ToolsSeen
from rune_core.version import VERSION

SPEC = Path(__file__).parents[3] / "spec" / "status.v1.json"
CANARY = "zq7canary9xkwj"
BAD = f'version: "1.0"\nrules:\n  - name: {CANARY}\n    kind: x\n    type: tool_denylist\n'


@pytest.fixture(autouse=True)
def without_delay(monkeypatch):
    monkeypatch.setattr(report, "LEAST_SECONDS", 0.01)


def told(server, condition=lambda _: True):
    """The last status that was sent, once one fits."""
    server.wait_for(lambda: any(map(condition, server.bodies("/v1/status"))))
    return [body for body in server.bodies("/v1/status") if condition(body)][-1]


def test_the_schema_in_spec_is_current():
    """Made with: python -m rune_core.bundle.status > spec/status.v1.json"""
    current = json.loads(json.dumps(json_schema()))
    assert json.loads(SPEC.read_text(encoding="utf-8")) == current


def test_it_is_told_after_the_start(server, connect):
    revision = server.publish(document("p", 'version: "1.0"\n'))
    shield = connect()
    shield.sync_policies(30.0)
    status = told(server, lambda body: body["policies"]["activated"])
    assert status["schema"] == "1"
    assert status["sdk_version"] == VERSION
    assert status["policies"] == {"fetched": revision, "activated": revision, "refused": []}
    [request] = [r for r in server.requests if r.path == "/v1/status"][:1]
    assert request.headers["x-rune-instance"] == status["instance"]
    msgspec.json.decode(msgspec.json.encode(status), type=Status)


def test_what_is_refused_is_told_without_its_text(server, connect):
    good = server.publish(document("p", 'version: "1.0"\n'))
    shield = connect()
    shield.sync_policies(30.0)
    bad = server.publish(document("p", BAD, 7))
    shield.sync_policies(30.0)
    status = told(server, lambda body: body["policies"]["refused"])
    refused = status["policies"].pop("refused")
    assert status["policies"] == {"fetched": bad, "activated": good}
    assert {(entry["line"], entry["key"]) for entry in refused} == {
        (4, "rules[0].kind"),
        (3, "rules[0].tools"),
    }
    assert {(entry["name"], entry["revision"], entry["code"]) for entry in refused} == {
        ("p", 7, "policy")
    }
    assert not [r for r in server.requests if CANARY.encode() in r.raw]


def test_tools_and_what_is_not_guarded_are_told(server, connect):
    shield = connect()
    shield.validate_action(
        "send_mail", {"to": CANARY}, agent_id="billing", tool_definition_hash="abc"
    )
    shield.scan_tool_result(CANARY, tool="search")
    shield.sync_policies(30.0)
    status = told(server, lambda body: len(body["tools"]) == 2)
    assert status["tools"] == [
        {"agent_id": "", "name": "search", "risk": "low", "definition_hash": ""},
        {"agent_id": "billing", "name": "send_mail", "risk": "high", "definition_hash": "abc"},
    ]
    assert {
        "surface": "tool_call",
        "what": "l1_rules",
        "guarded": False,
        "reason": "disabled",
    } in status["coverage"]
    assert not [r for r in server.requests if CANARY.encode() in r.raw]


def test_an_agent_that_calls_no_tool_is_told(server, connect):
    shield = connect()
    shield.scan_input("Good morning", agent_id="greeter")
    shield.scan_input("Good morning", agent_id=f"for {CANARY}!")
    shield.scan_input("Good morning")
    shield.sync_policies(30.0)
    status = told(server, lambda body: body["agents"])
    assert status["agents"] == ["greeter", "masked"]
    assert status["tools"] == []


def test_names_that_are_none_are_masked(server, connect):
    shield = connect()
    shield.validate_action(f"tool\n{CANARY}", {}, agent_id=f"for {CANARY}!")
    shield.sync_policies(30.0)
    [tool] = told(server, lambda body: body["tools"])["tools"]
    assert (tool["name"], tool["agent_id"]) == ("masked", "masked")


def test_nothing_new_is_not_told_again(server, connect):
    shield = connect(policy_sync_interval_seconds=0.01)
    server.wait_for(lambda: server.counts()["/v1/policies"] > 30)
    time.sleep(0.05)
    before = server.counts()["/v1/status"]
    server.wait_for(lambda: server.counts()["/v1/policies"] > 60)
    assert server.counts()["/v1/status"] <= before + 1 <= 6
    shield.close(20.0)


def test_changes_wait_for_each_other(server, connect, monkeypatch):
    monkeypatch.setattr(report, "LEAST_SECONDS", 3600.0)
    shield = connect(policy_sync_interval_seconds=0.01)
    server.wait_for(lambda: server.counts()["/v1/status"])
    shield.validate_action("search", {})
    asked = server.counts()["/v1/policies"]
    server.wait_for(lambda: server.counts()["/v1/policies"] > asked + 20)
    assert server.counts()["/v1/status"] == 1


@pytest.mark.parametrize("fault", [(404, {}, b""), (500, {}, b"x"), (401, {}, b""), "close"])
def test_a_server_that_does_not_take_it_changes_nothing(server, connect, fault):
    server.faults["/v1/status"] = fault
    server.publish(document("p", 'version: "1.0"\n'))
    shield = connect()
    assert shield.sync_policies(30.0).is_current
    server.wait_for(lambda: server.counts()["/v1/status"])
    shield.validate_action("search", {})
    # The connection that broke may be the one that is asked next: once more, and it is a new one.
    server.wait_for(lambda: shield.sync_policies(30.0).error == "")


def test_what_the_server_did_not_take_is_told_again(server, connect):
    server.faults["/v1/status"] = [(503, {}, b"")] * 3
    shield = connect(policy_sync_interval_seconds=0.01)
    # Three that failed, and one that was taken: not a quarter of an hour later.
    server.wait_for(lambda: server.counts()["/v1/status"] >= 4)
    shield.close(20.0)


def test_a_status_that_cannot_be_made_changes_nothing(server, connect, monkeypatch):
    shield = connect()
    shield.sync_policies(30.0)
    monkeypatch.setattr(shield._engine.tools, "listed", lambda: 1 / 0)
    assert shield.sync_policies(30.0).error == ""


texts = st.text(max_size=200)


@given(texts, texts, texts, st.dictionaries(texts, st.integers(0, 9), max_size=3))
def test_whatever_the_names_are_it_is_sent_masked_or_not_at_all(name, key, agent, dropped):
    status = Status(
        instance=name,
        sdk_version=name,
        adapters=(AdapterEntry(name=name, version=name),),
        policies=PoliciesEntry(refused=(RefusedEntry(name=name, key=key, code="policy"),)),
        tools=(ToolEntry(agent_id=agent, name=name, risk="low"),),
        queue=QueueEntry(dropped=dropped),
    )
    body = encode(status)
    read = msgspec.json.decode(body, type=Status)
    shown = [read.instance, read.tools[0].name, read.tools[0].agent_id, *read.queue.dropped]
    assert all(text.isascii() and "\n" not in text and len(text) <= 128 for text in shown)


def test_what_the_schema_does_not_know_does_not_leave():
    status = Status(
        instance="i",
        sdk_version="1",
        policies=PoliciesEntry(fetched=CANARY),
        queue=QueueEntry(),
    )
    with pytest.raises(msgspec.ValidationError):
        encode(status)


def test_tools_are_remembered_within_a_bound():
    seen = ToolsSeen()
    for number in range(MAX_TOOLS * 2):
        seen.note("a", f"t{number}", "low", None)
    assert len(seen.listed()) == MAX_TOOLS
    seen.note(None, "t", None, None)
    seen.note(None, "t", "high", "changed")
    [tool] = [tool for tool in seen.listed() if tool.name == "t"]
    assert (tool.agent_id, tool.risk, tool.definition_hash) == ("", "high", "changed")


def test_agents_are_remembered_within_a_bound():
    seen = AgentsSeen()
    for number in range(MAX_AGENTS * 2):
        seen.note(f"a{number:04}")
    seen.note(None)
    assert seen.listed() == tuple(f"a{n:04}" for n in range(MAX_AGENTS, MAX_AGENTS * 2))


def test_no_line_break_follows_a_digest():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("0" * 64 + "\n", Digest)
    assert msgspec.convert("0" * 64, Digest)
    assert "Z" not in {
        pattern[-1] for pattern in re.findall(r'"pattern": "([^"]+)"', SPEC.read_text())
    }
