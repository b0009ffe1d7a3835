"""Build an event from a draft. Pure, but for the random id."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from rune_core.event.draft import MAX_ENTRIES
from rune_core.event.schema import ArgumentEntry, Event, LayerEntry, RuleEntry
from rune_core.ids import uuid7
from rune_core.version import VERSION

if TYPE_CHECKING:
    from rune_core.event.draft import Draft


def build(draft: Draft) -> Event:
    """Describe a result without content. Names in it still have to pass ``mask``."""
    decision, verdict = draft.decision, draft.verdict
    action, monitored = decision.action, decision.monitored_action
    return Event(
        event_id=str(uuid7(draft.at)),
        timestamp=_timestamp(draft.at),
        event_type=draft.category,  # type: ignore[arg-type]
        surface=_name(draft.surface),
        action=_name(action),
        monitored_action=None if monitored is action else _name(monitored),
        agent_id=draft.agent_id,
        agent_tags=draft.agent_tags,
        session_id=draft.session_id,
        sequence=draft.sequence,
        parent_id=draft.parent_id,
        risk_score=round(verdict.risk_score, 4),
        threat_type=_threat(draft),
        threats=tuple(_name(threat) for threat in verdict.scores),
        severity=None if verdict.severity is None else _name(verdict.severity),
        detectors=draft.detectors,
        decision_id=decision.id,
        policy=decision.policy,
        policy_revision=decision.revision,
        rule=draft.alert_rule if draft.alert_rule is not None else decision.rule,
        rules=tuple(
            RuleEntry(
                rule=match.rule,
                policy=match.policy,
                kind=match.kind,
                action=_name(match.action),
                severity=_name(match.severity),
                monitored=match.monitored,
                excepted=bool(match.excepted_by),
            )
            for match in decision.matches[:MAX_ENTRIES]
        ),
        layers=tuple(
            LayerEntry(
                layer=report.layer,
                status=_name(report.status),
                latency_ms=round(report.latency_ms, 3),
                score=None if report.score is None else round(report.score, 4),
                complete=report.complete,
                outcome=report.outcome or None,
            )
            for report in draft.reports
        ),
        latency_ms=round(draft.latency_ms, 3),
        degraded=verdict.degraded,
        cached=draft.cached,
        redacted=draft.redacted,
        approval=decision.approval,
        tool=draft.tool,
        tool_risk=draft.tool_risk,  # type: ignore[arg-type]
        tool_definition_hash=draft.tool_definition_hash,
        arguments=_arguments(draft),
        hash_key_id=draft.hash_key_id if draft.arguments else None,
        size=draft.size,
        framework=draft.framework,
        adapter=draft.adapter,
        sdk_version=VERSION,
    )


def _threat(draft: Draft) -> Any:
    """The threat that decided; of an alert, the one that its rule matched on. Else the worst."""
    decided = draft.decision.threat
    if draft.alert_rule is not None:
        decided = next(
            (match.threat for match in draft.decision.matches if match.rule == draft.alert_rule),
            decided,
        )
    threat = decided or draft.verdict.threat_type
    return None if threat is None else _name(threat)


def _name(member: Any) -> Any:
    """The bare string of an enum member, as msgspec's literals want it."""
    return member._value_  # what .value reads, without a descriptor written in Python


def _arguments(draft: Draft) -> tuple[ArgumentEntry, ...]:
    kinds: dict[str, set[str]] = {}
    for path, found in (draft.origins or {}).items():
        kinds.setdefault(re.split(r"[.\[]", path, maxsplit=1)[0], set()).update(found)
    return tuple(
        ArgumentEntry(name=name, hash=digest, size=size, origins=tuple(sorted(kinds.get(name, ()))))  # type: ignore[arg-type]
        for name, digest, size in draft.arguments
    )


def _timestamp(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1_000_000:03d}Z"
