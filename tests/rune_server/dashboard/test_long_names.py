"""The longest names that can be given, broken nowhere: every page still fits and can be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from benchmarks.dashboard.pictures import pages
from tests.rune_server.dashboard.naming import Naming
from tests.rune_server.dashboard.test_hostile import SCRIPT, hostile_event

from rune_core.event.schema import ArgumentEntry, LayerEntry, RuleEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.dashboard.running import DemoServer
    from tests.rune_server.dashboard.conftest import Visit

FAULTS = (Path(__file__).parent / "layout.js").read_text()
WIDTHS = (375, 1280)
W = "W" * 128
HOSTILE = (SCRIPT + W)[:128]
POLICY = f"""\
version: "1.0"
rules:
  - name: {W}
    type: tool_denylist
    tools: [{W}]
    action: block
"""


LONG = {
    "agent_id": W,
    "agent_tags": (W, W[:-1] + "X"),
    "session_id": W,
    "detectors": (W,),
    "decision_id": W,
    "policy": W,
    "policy_revision": W,
    "rule": W,
    "rules": (RuleEntry(W, W, W, "block", "high"),),
    "layers": (LayerEntry(W, "error", 1.0, 0.5),),
    "degraded": True,
    "tool": W,
    "tool_definition_hash": W,
    "arguments": (ArgumentEntry(W, "0" * 32, 3, ("untrusted",)),),
    "framework": W,
    "adapter": W,
    "sdk_version": W,
}


def test_long_names_fit(as_role: Callable[..., Visit], server: DemoServer) -> None:
    """At the width of a phone and of a desk: nothing overflows, overlaps or is cut off."""
    window = as_role()
    window.go("/events")
    addresses = [address for name, address in pages(window.page) if name != "not-found"]
    event = msgspec.structs.replace(hostile_event(), **LONG)
    server.send([event])
    with Naming(as_role()) as mine, Naming(as_role("admin"), "admin") as admins:
        admins.person(W)
        mine.person(HOSTILE)
        mine.organisation(W)
        for name in (W, HOSTILE):
            mine.key(name)
            mine.channel(name)
            mine.rule(name, agents=W)
            mine.view(name[:60])
        mine.agent("billing-assistant", W, description=W, tags=W)
        policy = mine.policy(W, POLICY, note=W)
        page = window.go("/alerts/rules")
        rule = page.locator("tr[data-href]", has_text=W).first.get_attribute("data-href")
        addresses += [
            *(f"{policy}{part}" for part in ("", "/cases", "/dry-run", "/rollout", "/history")),
            f"{policy}/diff?before=0&after=1",
            str(rule),
            f"/agents/{W}",
            f"/sessions/{W}",
            f"/events?open={event.event_id}",
            f"/events/{event.event_id}",
            f"/events?agent={W}&tool={W}&rule={W}&q={W}",
        ]
        window.go("/events?live=1").locator(f'tr[data-id="{event.event_id}"]').wait_for()
        faults = [fault for address in addresses for fault in faults_of(window, address)]
    assert not faults, "\n".join(faults)


def faults_of(window: Visit, address: str) -> Iterator[str]:
    """What is wrong with a page, its drawer and its menus, at each width."""
    page = window.go(address)
    page.wait_for_load_state("load")
    drawn = "open=" in address
    if drawn:
        page.locator("#drawer .drawer-body").wait_for()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for fault in page.evaluate(FAULTS):
            yield f"{address} at {width}: {fault}"
    for menu in () if drawn else page.locator(".main [popovertarget]").all():
        menu.click()
        for fault in page.evaluate(FAULTS):
            yield f"{address}, menu {menu.inner_text()}: {fault}"
        page.keyboard.press("Escape")
