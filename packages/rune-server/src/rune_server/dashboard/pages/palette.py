"""Go to anything: pages, agents, policies, views and a few actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from rune_server import policies
from rune_server.actor import Permission
from rune_server.analytics import Window
from rune_server.dashboard import choice, saved_views
from rune_server.dashboard.threat_texts import THREATS
from rune_server.dashboard.view import Page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from rune_server.dashboard.view import View

_EACH = 6
_KEYS = {
    "overview": "g o",
    "events": "g e",
    "sessions": "g s",
    "agents": "g a",
    "threats": "g t",
    "policies": "g p",
    "alerts": "g i",
}


@dataclass(frozen=True, slots=True)
class Item:
    """Somewhere to go."""

    label: str
    href: str
    icon: str
    hint: str = ""
    keys: str = ""
    action: str = ""


async def palette(view: View) -> Response:
    """What fits what was typed."""
    typed = view.parameter("q").strip().lower()[:100]
    groups = [
        ("Pages", _fitting(typed, _pages(view), 12)),
        ("Agents", _fitting(typed, await _agents(view), _EACH) if typed else []),
        ("Policies", _fitting(typed, await _policies(view), _EACH) if typed else []),
        ("Views", _fitting(typed, await _views(view), _EACH)),
        ("Threats", _fitting(typed, _threats(), _EACH) if typed else []),
        ("Actions", _fitting(typed, _actions(view), 8)),
    ]
    if typed:
        label = f"Events with “{view.parameter('q').strip()[:60]}”"
        groups.append(("Search", [Item(label, f"/events?q={quote(typed)}", "search")]))
    return view.part(
        "parts/palette.html",
        groups=[{"title": title, "items": items} for title, items in groups if items],
    )


def _fitting(typed: str, items: Iterable[Item], most: int) -> list[Item]:
    """Items in whose label every typed word occurs; those that begin with it first."""
    words = typed.split()
    found = [one for one in items if all(word in one.label.lower() for word in words)]
    found.sort(key=lambda one: not one.label.lower().startswith(typed))
    return found[:most]


def _pages(view: View) -> list[Item]:
    found = [
        Item(one.label, one.href, one.icon, keys=_KEYS.get(one.section, ""))
        for group in view.frame().navigation
        for one in group.items
    ]
    found.append(Item("Connect an agent", "/welcome", "plus"))
    found.append(Item("Alert rules", "/alerts/rules", "siren"))
    found.append(Item("Account and security", "/settings/account", "user"))
    return found


async def _agents(view: View) -> list[Item]:
    organisation = view.actor.organisation_id
    window = Window.last(choice.RANGES["7d"], until=view.now)
    rows = await view.site.answers.get(
        (organisation, "palette agents"), lambda: view.analytics.agents(organisation, window)
    )
    return [
        Item(row.agent_id, f"/agents/{quote(row.agent_id, safe='')}", "bot", f"risk {row.risk}")
        for row in rows
        if row.agent_id
    ]


async def _policies(view: View) -> list[Item]:
    if not view.may(Permission.POLICIES_READ):
        return []
    page = await policies.policies(view.platform, view.actor, limit=200)
    return [
        Item(row.name, f"/policies/{row.id}", "shield-check", row.state.replace("_", " "))
        for row in page.items
    ]


async def _views(view: View) -> list[Item]:
    return [
        Item(one.name, f"/events?{one.query}" if one.query else "/events", "bookmark")
        for one in await saved_views.listed(view.platform, view.actor)
    ]


def _threats() -> list[Item]:
    return [Item(name.replace("_", " "), f"/threats/{name}", "shield-alert") for name in THREATS]


def _actions(view: View) -> list[Item]:
    found = [
        Item("Events, live", "/events?live=1", "radio"),
        Item("What was blocked today", "/events?action=block", "ban"),
        Item("Dark theme", "#", "moon", action="dark"),
        Item("Light theme", "#", "sun", action="light"),
        Item("Theme of the system", "#", "monitor", action="auto"),
        Item("Keyboard shortcuts", "#", "keyboard", action="help", keys="?"),
    ]
    if view.may(Permission.POLICIES_WRITE):
        found.append(Item("New policy", "/policies/new", "plus"))
    if view.may(Permission.ALERTS_WRITE):
        found.append(Item("New alert rule", "/alerts/rules/new", "plus"))
    return found


PAGES = (Page("/palette", palette, needs=Permission.EVENTS_READ),)
