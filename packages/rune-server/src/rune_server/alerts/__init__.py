"""Alerts: rules over events and agents, what they raised, and whom it was told to.

Services take the platform and the actor first. ``jobs`` holds what a worker runs.
"""

from __future__ import annotations

from rune_server.alerts.alerts import acknowledge, alert, alerts, counts, resolve, topic
from rune_server.alerts.channels import (
    channel,
    channels,
    create_channel,
    delete_channel,
    edit_channel,
)
from rune_server.alerts.deliveries import deliveries, test_channel
from rune_server.alerts.jobs import preview
from rune_server.alerts.model import (
    RULE_KINDS,
    Alert,
    AlertRule,
    AlertState,
    Channel,
    ChannelSpec,
    Delivery,
    EventMatch,
    Finding,
    RuleSpec,
)
from rune_server.alerts.rules import (
    create_rule,
    delete_rule,
    edit_rule,
    mute_rule,
    rule,
    rules,
)

__all__ = [
    "RULE_KINDS",
    "Alert",
    "AlertRule",
    "AlertState",
    "Channel",
    "ChannelSpec",
    "Delivery",
    "EventMatch",
    "Finding",
    "RuleSpec",
    "acknowledge",
    "alert",
    "alerts",
    "channel",
    "channels",
    "counts",
    "create_channel",
    "create_rule",
    "delete_channel",
    "delete_rule",
    "deliveries",
    "edit_channel",
    "edit_rule",
    "mute_rule",
    "preview",
    "resolve",
    "rule",
    "rules",
    "test_channel",
    "topic",
]
