"""Events of a real Shield, by way of its spool, in the store of a real server."""

from __future__ import annotations

import time

import httpx

from rune_core.testing import shield_for_tests

POLICY = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'


def test_events_of_a_shield_arrive_once(running, tmp_path, monkeypatch):
    url, given = running
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path))
    agent = f"delivery-{time.time_ns()}"
    with shield_for_tests(
        url=url,
        api_key=given["delivered"]["sdk"],
        allow_http=True,
        events_enabled=True,
        policy_sync_interval_seconds=0,
        policy=POLICY,
        default_agent_id=agent,
        event_batch_size=20,
    ) as shield:
        shield.validate_action("pay", {"to": "bob"})
        for _ in range(99):
            shield.scan_input("x")
        sink = shield._engine.server_sink
        # On a busy machine a request may time out once, and is sent again after a pause.
        assert shield.flush(90), (sink.delivery, sink.figures())
        delivered, state = sink.figures(), sink.delivery
        assert (state.delivered, state.refused, state.error) == (100, 0, "")
        assert (delivered.depth, delivered.dead_letters) == (0, 0)
    found = stored(url, given["delivered"]["all"], agent, 100)
    assert len(found) == 100
    [blocked] = [event for event in found if event["action"] == "block"]
    assert (blocked["tool"], blocked["rule"]) == ("pay", "no-pay")


def stored(url: str, key: str, agent: str, count: int):
    deadline = time.monotonic() + 30
    while True:
        query = {"agent": agent, "limit": 200}
        answer = httpx.get(f"{url}/v1/events", params=query, headers={"x-rune-key": key})
        assert answer.status_code == 200, answer.text
        found = answer.json()["items"]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_a_key_that_the_server_does_not_know(running, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path))
    with shield_for_tests(
        url=running[0], api_key="rune_live_" + "w" * 43, allow_http=True, events_enabled=True,
        policy_sync_interval_seconds=0,
    ) as shield:  # fmt: skip
        shield.scan_input("x")
        assert not shield.flush(20)
        sink = shield._engine.server_sink
        assert "401" in sink.delivery.error
        assert sink.figures().depth == 1
