"""What stands around every page: organisation, navigation, account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rune_server.actor import Permission

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from rune_server.actor import Actor


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the navigation."""

    section: str
    label: str
    href: str
    icon: str
    needs: Permission
    count: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that belong together."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """An organisation or a person, as far as the frame shows them."""

    id: UUID
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the templates read."""

    organisation: Named
    organisations: tuple[Named, ...]
    user: Named
    role: str
    section: str
    navigation: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, and where."""

    actor: Actor
    user: Named
    organisation: Named
    organisations: tuple[Named, ...]
    csrf_token: str
    open_alerts: int = 0

    def frame(self, section: str) -> Frame:
        """The frame of a page of ``section``."""
        return Frame(
            organisation=self.organisation,
            organisations=self.organisations,
            user=self.user,
            role=self.actor.role or "",
            section=section,
            navigation=navigation(self.actor, self.open_alerts),
        )


_GROUPS: Sequence[Group] = (
    Group(
        "",
        (
            Item("overview", "Overview", "/", "layout-dashboard", Permission.EVENTS_READ),
            Item("events", "Events", "/events", "list", Permission.EVENTS_READ),
            Item("sessions", "Sessions", "/sessions", "git-branch", Permission.EVENTS_READ),
            Item("agents", "Agents", "/agents", "bot", Permission.EVENTS_READ),
            Item("threats", "Threats", "/threats", "shield-alert", Permission.EVENTS_READ),
        ),
    ),
    Group(
        "Control",
        (
            Item("policies", "Policies", "/policies", "shield-check", Permission.POLICIES_READ),
            Item("alerts", "Alerts", "/alerts", "bell", Permission.ALERTS_READ),
            Item("report", "Weekly report", "/report", "file-text", Permission.EVENTS_READ),
        ),
    ),
    Group(
        "Organisation",
        (
            Item("keys", "API keys", "/keys", "key-round", Permission.KEYS_READ),
            Item("members", "Members", "/members", "users", Permission.MEMBERS_READ),
            Item("audit", "Audit log", "/audit", "scroll-text", Permission.AUDIT_READ),
            Item("settings", "Settings", "/settings", "settings", Permission.ORGANISATION_READ),
        ),
    ),
)


def navigation(actor: Actor, open_alerts: int = 0) -> tuple[Group, ...]:
    """What the actor may open, with the number of open alerts."""
    groups = []
    for group in _GROUPS:
        items = tuple(
            Item(one.section, one.label, one.href, one.icon, one.needs, open_alerts)
            if one.section == "alerts"
            else one
            for one in group.items
            if actor.may(one.needs)
        )
        if items:
            groups.append(Group(group.title, items))
    return tuple(groups)
