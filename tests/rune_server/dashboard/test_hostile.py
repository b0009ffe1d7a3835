"""Hostile strings in everything that an SDK or a member can set are text, everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.dashboard.pictures import pages
from benchmarks.dashboard.running import PERSONS

from rune_core.event.schema import ArgumentEntry, Event, LayerEntry, RuleEntry
from rune_core.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.dashboard.running import DemoServer
    from playwright.sync_api import Page
    from tests.rune_server.dashboard.conftest import Complaints, Visit

SCRIPT = "\"'><script>window.hacked=1</script><img src=x onerror=window.hacked=1>{{7*7}}"
NAME = "-onload hacked //..@: javascript:hacked"
"""The worst that an event's names can be: their alphabet is closed."""
WATCH = "window.hacked = 0;"


def test_members_strings(
    as_role: Callable[..., Visit], visit: Callable[..., Visit], server: DemoServer
) -> None:
    """Names of organisation, member, key, view, alert rule, channel, notes, searches."""
    window = as_role()
    page = window.go("/settings/account")
    page.get_by_label("Name").fill(f"Eve {SCRIPT}"[:128])
    page.locator("form[action='/settings/account/name'] button").click()
    page.wait_for_load_state()
    page = window.go("/keys")
    page.get_by_role("button", name="New key").first.click()
    page.get_by_label("Name").fill(SCRIPT)
    page.get_by_role("button", name="Make key").click()
    page.get_by_text("This is the key.").wait_for()
    page = window.go("/alerts/rules/new")
    page.get_by_label("Name").fill(SCRIPT)
    page.get_by_label("Agents").fill(f"{SCRIPT[:60]}, billing")
    page.get_by_role("button", name="Save rule").click()
    page.wait_for_url("**/alerts/rules")
    page = window.go("/alerts/channels")
    page.get_by_role("button", name="New channel").first.click()
    page.get_by_label("Name").fill(SCRIPT)
    page.get_by_label("Kind").select_option("email")
    page.get_by_label("Mail addresses").fill("eve@northwind.example")
    page.get_by_role("button", name="Make channel").click()
    page.wait_for_load_state()
    page = window.go("/events?action=block")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Save this view…").click()
    page.get_by_label("Name").fill(SCRIPT[:60])
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("The view was saved.").wait_for()
    page = window.go("/agents/billing-assistant")
    page.get_by_role("button", name="Describe").click()
    page.get_by_label("Name", exact=True).fill(SCRIPT)
    page.get_by_label("What it does").fill(SCRIPT)
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state()
    page = window.go("/policies")
    page.locator("tr[data-href]").first.locator("a").click()
    page.get_by_label("What changed").fill(SCRIPT)
    page.locator("textarea[name=yaml]").fill(
        'version: "1.0"\ndescription: |\n  '
        + SCRIPT
        + "\n  </textarea><script>window.hacked=1</script>\n"
    )
    page.get_by_role("button", name="Save revision").click()
    page.get_by_text("Saved as revision").wait_for()
    window.go(
        "/events?q=%22%27%3E%3Cscript%3Ewindow.hacked%3D1%3C%2Fscript%3E&agent=%3Cimg%20src%3Dx%3E"
    )
    assert_text_everywhere(window, server)
    page = window.go("/agents/billing-assistant")
    page.get_by_role("button", name="Describe").click()
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_role("button", name="Save", exact=True).click()
    page = window.go("/settings/account")
    page.get_by_label("Name").fill(PERSONS["owner"].name)
    page.locator("form[action='/settings/account/name'] button").click()


def test_agents_strings(
    as_role: Callable[..., Visit], server: DemoServer, complaints: Complaints
) -> None:
    """Names that an SDK sends: agent, tags, tool, rule, policy, detector, session, argument."""
    made = hostile_event()
    server.send([made])
    window = as_role()
    page = window.go("/events?live=1")
    page.locator(f'tr[data-id="{made.event_id}"]').wait_for(timeout=15_000)
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


def assert_text_everywhere(window: Visit, server: DemoServer) -> None:
    window.go("/events")
    for _, address in list(pages(window.page)):
        if "nothing" in address:
            continue
        page = window.go(address)
        assert page.evaluate("window.hacked") is None, address
        assert page.locator("img[src=x]").count() == 0, address
        assert "49" not in _titles(page), address


def _titles(page: Page) -> str:
    return page.title()
