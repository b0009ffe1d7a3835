"""The design's gallery: every component, alone and together, in the reader's theme."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from rune_core.event.schema import ArgumentEntry, LayerEntry
from rune_server.analytics.model import EventRow
from rune_server.dashboard.view import Page
from rune_server.errors import NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.responses import Response

    from rune_server.dashboard.view import View

NAMES = (
    "colour",
    "type",
    "buttons",
    "badges",
    "forms",
    "notices",
    "figures",
    "lists",
    "states",
    "code",
)


async def gallery(view: View) -> Response:
    """All components, or those of one name."""
    shown = view.request.path_params.get("name", "all")
    if shown != "all" and shown not in NAMES:
        raise NotFoundError("there is no such component")
    samples = _samples(view.now)
    return view.show(
        "pages/gallery.html",
        title="Design",
        shown=shown,
        pages=[("all", "All", "/design"), *((name, name, f"/design/{name}") for name in NAMES)],
        samples=samples,
        sample=samples[1],
        links=lambda name: f"/threats/{name}",
    )


def _samples(now: datetime) -> list[EventRow]:
    plain = EventRow(
        event_id=UUID(int=1),
        timestamp=now - timedelta(seconds=14),
        received_at=now,
        event_type="scan",
        surface="input",
        action="allow",
        monitored_action=None,
        agent_id="billing",
        agent_tags=("prod",),
        session_id="s-1",
        sequence=1,
        parent_id=None,
        risk_score=0.02,
        threat_type=None,
        threats=(),
        severity=None,
        detectors=(),
        decision_id="d-1",
        policy=None,
        policy_revision="",
        rule=None,
        rules=(),
        layers=(
            LayerEntry("l1", "ran", 0.11, 0.91),
            LayerEntry("l2", "ran", 4.2, 0.97),
            LayerEntry("l3", "skipped"),
        ),
        latency_ms=4.6,
        degraded=False,
        cached=False,
        redacted=False,
        approval=None,
        tool=None,
        tool_risk=None,
        tool_definition_hash=None,
        arguments=(),
        hash_key_id=None,
        size=1204,
        framework="langchain",
        adapter="rune-langchain",
        sdk_version="0.1.0",
        skewed=False,
    )
    from dataclasses import replace

    result = replace(
        plain,
        event_id=UUID(int=2),
        timestamp=now - timedelta(seconds=9),
        surface="tool_result",
        action="redact",
        tool="read_email",
        sequence=2,
        threat_type="prompt_injection",
        risk_score=0.94,
        severity="high",
        rule="injected-results",
        policy="default",
    )
    call = replace(
        plain,
        event_id=UUID(int=3),
        timestamp=now - timedelta(seconds=4),
        event_type="tool_call",
        surface="tool_call",
        action="block",
        tool="send_money",
        sequence=3,
        threat_type="data_exfiltration",
        risk_score=0.88,
        severity="critical",
        rule="money-goes-where-the-user-said",
        policy="payments",
        arguments=(
            ArgumentEntry("recipient", "0" * 32, 22, ("untrusted",)),
            ArgumentEntry("amount", "1" * 32, 4, ("user", "model")),
        ),
    )
    return [plain, result, call]


PAGES = (Page("/design", gallery), Page("/design/{name}", gallery))
