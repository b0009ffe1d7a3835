"""Alerts: the inbox, the rules that raise them, and the channels they go to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rune_server import alerts
from rune_server.actor import Permission
from rune_server.dashboard.people import names
from rune_server.dashboard.view import Page
from rune_server.errors import InvalidError, NotFoundError, ProblemError

if TYPE_CHECKING:
    from starlette.responses import Response

    from rune_server.alerts import AlertRule, Channel
    from rune_server.dashboard.view import View

STATES = ("open", "acknowledged", "resolved")
_LISTED = 200
_MUTES = {"1h": timedelta(hours=1), "8h": timedelta(hours=8), "7d": timedelta(days=7)}


async def inbox(view: View) -> Response:
    """What is open; or taken on, or resolved."""
    state = view.parameter("state", "open")
    if state not in STATES:
        raise InvalidError(f"state: must be one of {', '.join(STATES)}")
    page = await alerts.alerts(
        view.platform,
        view.actor,
        states=(state,),  # type: ignore[arg-type]
        cursor=view.parameter("cursor") or None,
    )
    people = [row.acknowledged_by for row in page.items] + [row.resolved_by for row in page.items]
    return view.show(
        "pages/alerts.html",
        title="Alerts",
        tab="inbox",
        state=state,
        counts=await alerts.counts(view.platform, view.actor),
        rows=page.items,
        next_cursor=page.next_cursor,
        people=await names(view, people),
        rules=(await alerts.rules(view.platform, view.actor, limit=1)).items,
    )


async def one(view: View) -> Response:
    """One alert, with whom it was told to."""
    found = await alerts.alert(view.platform, view.actor, _id(view, "alert_id"))
    deliveries = await alerts.deliveries(view.platform, view.actor, alert_id=found.id)
    rule = await alerts.rule(view.platform, view.actor, found.rule_id)
    return view.show(
        "pages/alert.html",
        title=found.title,
        alert=found,
        rule=rule,
        deliveries=deliveries.items,
        people=await names(view, [found.acknowledged_by, found.resolved_by]),
        events=_events_address(rule, found.group),
    )


def _events_address(rule: AlertRule, group: str) -> list[tuple[str, str]]:
    """The filters of the event list that show what an alert is about."""
    match = rule.spec.match
    pairs = [("agent", value) for value in match.agents]
    pairs += [("action", value) for value in match.actions]
    pairs += [("threat", value) for value in match.threats]
    pairs += [("tool", value) for value in match.tools]
    pairs += [("rule", value) for value in match.rules]
    if group and rule.spec.group_by:
        pairs.append((rule.spec.group_by, group))
    return [*dict.fromkeys(pairs), ("range", "7d")]


async def acknowledge(view: View) -> Response:
    """Take it on."""
    await alerts.acknowledge(view.platform, view.actor, _id(view, "alert_id"))
    return view.go(await _back(view), "You have taken it on.")


async def resolve(view: View) -> Response:
    """End it."""
    await alerts.resolve(view.platform, view.actor, _id(view, "alert_id"))
    return view.go(await _back(view), "Resolved.")


async def _back(view: View) -> str:
    return "/alerts" if await view.text("back") == "list" else f"/alerts/{_id(view, 'alert_id')}"


async def rules(view: View) -> Response:
    """The rules."""
    page = await alerts.rules(view.platform, view.actor, limit=_LISTED)
    channels = await alerts.channels(view.platform, view.actor, limit=_LISTED)
    return view.show(
        "pages/alert_rules.html",
        title="Alerts",
        tab="rules",
        rows=page.items,
        kinds=alerts.RULE_KINDS,
        channels={channel.id: channel.name for channel in channels.items},
    )


async def rule_form(view: View) -> Response:
    """A rule to write or to change."""
    rule = None
    if "rule_id" in view.request.path_params:
        rule = await alerts.rule(view.platform, view.actor, _id(view, "rule_id"))
        spec = rule.spec
    else:
        spec = alerts.RuleSpec(
            name="", kind="count", match=alerts.EventMatch(actions=("block",)), threshold=10
        )
    return await _rule_page(view, rule, spec)


async def _rule_page(
    view: View, rule: AlertRule | None, spec: alerts.RuleSpec, error: ProblemError | None = None
) -> Response:
    channels = await alerts.channels(view.platform, view.actor, limit=_LISTED)
    return view.show(
        "pages/alert_rule.html",
        status=200 if error is None else error.status,
        title=spec.name or "New rule",
        rule=rule,
        spec=spec,
        kinds=alerts.RULE_KINDS,
        channels=channels.items,
        error=error,
        faults={fault["where"]: fault["reason"] for fault in error.errors} if error else {},
    )


async def save_rule(view: View) -> Response:
    """Keep a rule."""
    rule = None
    spec = alerts.RuleSpec(name="", kind="count")
    if "rule_id" in view.request.path_params:
        rule = await alerts.rule(view.platform, view.actor, _id(view, "rule_id"))
        spec = rule.spec
    try:
        spec = await _spec(view, spec)
        if rule is None:
            await alerts.create_rule(view.platform, view.actor, spec)
        else:
            await alerts.edit_rule(
                view.platform, view.actor, rule.id, spec, version=await view.number("version")
            )
    except ProblemError as error:
        return await _rule_page(view, rule, spec, error)
    return view.go("/alerts/rules", f"{spec.name} was saved.")


async def _spec(view: View, base: alerts.RuleSpec) -> alerts.RuleSpec:
    match = alerts.EventMatch(
        agents=_listed(await view.text("agents")),
        actions=_listed(await view.text("actions")),
        threats=_listed(await view.text("threats")),
        surfaces=_listed(await view.text("surfaces")),
        tools=_listed(await view.text("tools")),
        rules=_listed(await view.text("rules")),
        severities=_listed(await view.text("severities")),
        policies=base.match.policies,
        detectors=base.match.detectors,
        frameworks=base.match.frameworks,
        min_risk=_decimal(await view.text("min_risk"), "min_risk", None),
        degraded=base.match.degraded,
    )
    try:
        channels = tuple(UUID(one) for one in await view.texts("channels"))
    except ValueError:
        raise InvalidError("channels: choose them from the list") from None
    # The service checks what a form can hold against what the fields may hold.
    return replace(
        base,
        name=(await view.text("name")).strip(),
        kind=await view.text("kind"),  # type: ignore[arg-type]
        severity=await view.text("severity"),  # type: ignore[arg-type]
        match=match,
        window_seconds=60 * (await view.number("window_minutes") or 5),
        threshold=_decimal(await view.text("threshold"), "threshold", base.threshold) or 0.0,
        minimum=await view.number("minimum") or base.minimum,
        group_by=await view.text("group_by"),  # type: ignore[arg-type]
        first_seen=await view.text("first_seen", base.first_seen),  # type: ignore[arg-type]
        cooldown_seconds=60 * (await view.number("cooldown_minutes") or 0),
        channels=channels,
        enabled=bool(await view.text("enabled")),
    )


async def delete_rule(view: View) -> Response:
    """Remove a rule and what it raised."""
    await alerts.delete_rule(view.platform, view.actor, _id(view, "rule_id"))
    return view.go("/alerts/rules", "The rule was deleted.")


async def mute_rule(view: View) -> Response:
    """Let a rule raise alerts without telling anybody, for a while."""
    span = _MUTES.get(await view.text("for"))
    until = view.now + span if span else None
    await alerts.mute_rule(view.platform, view.actor, _id(view, "rule_id"), until)
    return view.go("/alerts/rules", "Muted." if until else "No longer muted.")


async def channels(view: View) -> Response:
    """Where alerts go, and how deliveries fared."""
    return await _channels(view)


async def _channels(
    view: View, made: Channel | None = None, error: ProblemError | None = None
) -> Response:
    page = await alerts.channels(view.platform, view.actor, limit=_LISTED)
    deliveries = await alerts.deliveries(view.platform, view.actor, limit=30)
    return view.show(
        "pages/alert_channels.html",
        status=200 if error is None else error.status,
        title="Alerts",
        tab="channels",
        rows=page.items,
        deliveries=deliveries.items,
        made=made,
        error=error,
    )


async def create_channel(view: View) -> Response:
    """Make a channel. A webhook's signing secret is shown on this page alone."""
    kind = await view.text("kind")
    try:
        made = await alerts.create_channel(
            view.platform,
            view.actor,
            alerts.ChannelSpec(
                name=(await view.text("name")).strip(),
                kind=kind,  # type: ignore[arg-type]
                url=(await view.text("url")).strip(),
                addresses=_listed(await view.text("addresses")),
            ),
        )
    except ProblemError as error:
        return await _channels(view, error=error)
    if made.signing_secret:
        return await _channels(view, made=made)
    return view.go("/alerts/channels", f"{made.name} was made. Send a test.")


async def test_channel(view: View) -> Response:
    """Send a test notice."""
    sent = await alerts.test_channel(view.platform, view.actor, _id(view, "channel_id"))
    if sent.state == "sent":
        return view.go("/alerts/channels", f"The test went through: {sent.answer or 'sent'}.")
    return view.go("/alerts/channels", f"The test did not go through: {sent.answer}.", "bad")


async def delete_channel(view: View) -> Response:
    """Remove a channel."""
    await alerts.delete_channel(view.platform, view.actor, _id(view, "channel_id"))
    return view.go("/alerts/channels", "The channel was deleted.")


def _id(view: View, name: str) -> UUID:
    try:
        return UUID(view.argument(name))
    except ValueError:
        raise NotFoundError("there is no such thing here") from None


def _listed(text: str) -> tuple[str, ...]:
    """Values one per line or by commas."""
    return tuple(
        dict.fromkeys(part.strip() for part in text.replace("\n", ",").split(",") if part.strip())
    )


def _decimal(text: str, name: str, default: float | None) -> float | None:
    if not text.strip():
        return default
    try:
        return float(text)
    except ValueError:
        raise InvalidError(f"{name}: must be a number") from None


def _page(path: str, handler: Any, method: str = "GET") -> Page:
    needs = Permission.ALERTS_WRITE if method == "POST" else Permission.ALERTS_READ
    return Page(path, handler, method, needs=needs, section="alerts")


PAGES = (
    _page("/alerts", inbox),
    _page("/alerts/rules", rules),
    Page("/alerts/rules/new", rule_form, needs=Permission.ALERTS_WRITE, section="alerts"),
    _page("/alerts/rules/new", save_rule, "POST"),
    _page("/alerts/rules/{rule_id}", rule_form),
    _page("/alerts/rules/{rule_id}", save_rule, "POST"),
    _page("/alerts/rules/{rule_id}/delete", delete_rule, "POST"),
    _page("/alerts/rules/{rule_id}/mute", mute_rule, "POST"),
    _page("/alerts/channels", channels),
    _page("/alerts/channels", create_channel, "POST"),
    _page("/alerts/channels/{channel_id}/test", test_channel, "POST"),
    _page("/alerts/channels/{channel_id}/delete", delete_channel, "POST"),
    _page("/alerts/{alert_id}", one),
    _page("/alerts/{alert_id}/acknowledge", acknowledge, "POST"),
    _page("/alerts/{alert_id}/resolve", resolve, "POST"),
)
