"""Build an event from a result. Pure, but for the clock and the random id."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from rune_core.event.schema import ArgumentEntry, Event, LayerEntry, RuleEntry
from rune_core.ids import keyed_hash, uuid7
from rune_core.version import VERSION
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.context import ScanContext
    from rune_core.event.schema import EventType
    from rune_core.result import ScanResult

MAX_ENTRIES = 64


def build(
    result: ScanResult,
    context: ScanContext,
    *,
    tool_risk: str | None = None,
    arguments: object = None,
    event_type: EventType | None = None,
) -> Event:
    """Describe a result without content. Names in it still have to pass ``mask``.

    Args:
        result: The result.
        context: Where the text came from.
        tool_risk: The tool's risk.
        arguments: A tool call's arguments as the caller passed them; hashed and measured here.
        event_type: By default ``tool_call`` for calls and ``scan`` for the rest.
    """
    decision, verdict = result.decision, result.verdict
    call = result.surface is Surface.TOOL_CALL
    return Event(
        event_id=str(uuid7()),
        timestamp=_timestamp(time.time_ns()),
        event_type=event_type or ("tool_call" if call else "scan"),
        surface=_name(result.surface),
        action=_name(decision.action),
        monitored_action=None
        if decision.monitored_action is decision.action
        else _name(decision.monitored_action),
        agent_id=context.agent_id,
        agent_tags=context.agent_tags[:MAX_ENTRIES],
        session_id=context.session.id,
        sequence=context.session.next_sequence(),
        parent_id=context.parent_id,
        risk_score=round(verdict.risk_score, 4),
        threat_type=None if verdict.threat_type is None else _name(verdict.threat_type),
        threats=tuple(_name(threat) for threat in verdict.scores),
        severity=None if verdict.severity is None else _name(verdict.severity),
        detectors=tuple(dict.fromkeys(f.rule_id for f in result.findings))[:MAX_ENTRIES],
        decision_id=decision.id,
        policy=decision.policy,
        policy_revision=decision.revision,
        rule=decision.rule,
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
            )
            for report in result.reports[:MAX_ENTRIES]
        ),
        latency_ms=round(result.scan_latency_ms, 3),
        degraded=result.degraded,
        cached=result.cached,
        redacted=result.sanitized_content is not None,
        approval=cast("Any", decision.approval),
        tool=context.tool,
        tool_risk=cast("Any", tool_risk),
        tool_definition_hash=context.tool_definition_hash,
        arguments=_arguments(arguments, _origins(result)) if call else (),
        size=result.scanned_length,
        framework=context.framework or context.session.framework,
        adapter=context.adapter,
        sdk_version=VERSION,
    )


def _name(member: Any) -> Any:
    """The bare string of an enum member, as msgspec's literals want it."""
    return member.value


def _origins(result: ScanResult) -> dict[str, tuple[Any, ...]]:
    """The kinds of origin of each top-level argument."""
    kinds: dict[str, set[str]] = {}
    for path, found in result.call.origin_kinds().items() if result.call is not None else ():
        kinds.setdefault(re.split(r"[.\[]", path, maxsplit=1)[0], set()).update(found)
    return {name: tuple(sorted(found)) for name, found in kinds.items()}


def _arguments(
    arguments: object, origins: Mapping[str, tuple[Any, ...]]
) -> tuple[ArgumentEntry, ...]:
    if not isinstance(arguments, Mapping):
        arguments = {"args": arguments}
    entries: list[ArgumentEntry] = []
    for name, value in arguments.items():
        if len(entries) == MAX_ENTRIES:
            break
        text = value if isinstance(value, str) else _canonical(value)
        entries.append(
            ArgumentEntry(
                name=str(name),
                hash=keyed_hash(text),
                size=len(text),
                origins=origins.get(str(name), ()),
            )
        )
    return tuple(entries)


def _canonical(value: object) -> str:
    from rune_core.values import render

    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(render(value).plain, sort_keys=True, ensure_ascii=False)


def _timestamp(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1_000_000:03d}Z"
