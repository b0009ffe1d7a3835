"""Hostile strings in everything that an SDK or a member can set are text, everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.dashboard.pictures import pages
from tests.rune_server.dashboard.naming import Naming

from rune_core.event.schema import ArgumentEntry, Event, LayerEntry, RuleEntry
from rune_core.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.dashboard.running import DemoServer
    from tests.rune_server.dashboard.conftest import Complaints, Visit

SUM = "{{77777*77777}}"
PRODUCT = str(77777 * 77777)
"""What a template would make of it; ten digits, which no id and no time holds by chance."""
SCRIPT = f"\"'><script>window.hacked=1</script><img src=x onerror=window.hacked=1>{SUM}"
POLICY = f"""\
version: "1.0"
description: |
  {SCRIPT}
  </textarea><script>window.hacked=1</script>
"""
NAME = "-onload hacked //..@: javascript:hacked"
"""The worst that an event's names can be: their alphabet is closed."""
WATCH = "window.hacked = 0;"


def test_members_strings(as_role: Callable[..., Visit]) -> None:
    """Names of organisation, member, key, view, alert rule, channel, notes, searches."""
    window = as_role()
    with Naming(as_role()) as naming:
        naming.person(f"Eve {SCRIPT}")
        naming.organisation(f"Northwind {SCRIPT}")
        naming.key(SCRIPT)
        naming.rule(SCRIPT, agents=f"{SCRIPT[:60]}, billing")
        naming.channel(SCRIPT)
        naming.view(SCRIPT[:60])
        naming.agent("billing-assistant", SCRIPT, description=SCRIPT)
        policy = window.go("/policies").locator("tr[data-href]").first.get_attribute("data-href")
        naming.revision(str(policy), POLICY, note=SCRIPT)
        window.go(
            "/events?q=%22%27%3E%3Cscript%3Ewindow.hacked%3D1%3C%2Fscript%3E&agent=%3Cimg%20src%3Dx%3E"
        )
        assert_text_everywhere(window)


def test_agents_strings(
    as_role: Callable[..., Visit], server: DemoServer, complaints: Complaints
) -> None:
    """Names that an SDK sends: agent, tags, tool, rule, policy, detector, session, argument."""
    made = hostile_event()
    server.send([made])
    window = as_role()
    page = window.go("/events?live=1")
    page.locator(f'tr[data-id="{made.event_id}"]').wait_for(timeout=60_000)
    for path in (
        f"/events?open={made.event_id}",
        f"/events/{made.event_id}",
        "/events?agent=" + "-onload%20hacked",
        "/agents",
        "/sessions",
        "/threats/prompt_injection",
        "/",
    ):
        window.go(path)
    rows = window.go("/agents").locator("tr[data-href]", has_text="javascript:hacked")
    rows.first.locator("a").click()
    page = window.page
    page.wait_for_url("**/agents/**")
    assert page.get_by_text("javascript:hacked").first.is_visible()
    assert page.evaluate("window.hacked") is None
    assert not complaints


def test_schemas_refuse_what_is_not_a_name(server: DemoServer) -> None:
    """A tag cannot even be stored: the event's alphabet has no angle brackets."""
    import httpx
    import msgspec

    event = msgspec.to_builtins(hostile_event())
    event["agent_id"] = SCRIPT
    with httpx.Client(verify=False) as client:
        answer = client.post(
            f"{server.url}/v1/events",
            json={"events": [event]},
            headers={"x-rune-key": server.demo["key"]},
        )
    assert answer.json()["accepted"] == 0
    assert "script" not in answer.text


def hostile_event() -> Event:
    now = datetime.now(UTC)
    return Event(
        event_id=str(uuid7()),
        timestamp=f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
        event_type="tool_call",
        surface="tool_call",
        action="block",
        agent_id=NAME,
        agent_tags=(NAME, "a b"),
        session_id="../..//s:1",
        sequence=1,
        risk_score=0.9,
        threat_type="prompt_injection",
        threats=("prompt_injection",),
        severity="high",
        detectors=(NAME,),
        decision_id=NAME,
        policy=NAME,
        policy_revision=NAME,
        rule=NAME,
        rules=(RuleEntry(NAME, NAME, NAME, "block", "high"),),
        layers=(LayerEntry(NAME, "ran", 1.0, 0.5),),
        latency_ms=1.0,
        tool=NAME,
        tool_risk="high",
        tool_definition_hash=NAME,
        arguments=(ArgumentEntry(NAME, "0" * 32, 3, ("untrusted",)),),
        framework=NAME,
        adapter=NAME,
        sdk_version=NAME,
    )


def assert_text_everywhere(window: Visit) -> None:
    window.go("/events")
    shown = 0
    for _, address in list(pages(window.page)):
        if "nothing" in address:
            continue
        page = window.go(address)
        assert page.evaluate("window.hacked") is None, address
        assert page.locator("img[src=x]").count() == 0, address
        for text in (page.title(), page.content()):
            assert PRODUCT not in text, address
        shown += SUM in page.title()
    assert shown > 30, "the organisation's name stands in every title"
