"""A draft: what the thread of a scan notes down of a result, so that little time is spent there.

Everything in it is metadata and stays as it is: no text, no argument, no session. The event is
built from it, and masked, on the worker's thread.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from rune_core.action import Action
from rune_core.ids import MASKED_NAME
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.context import ScanContext
    from rune_core.ids import KeyedHash
    from rune_core.result import ScanResult

MAX_ENTRIES = 64
MAX_NAME = 128
PRIORITIES = 3
"""0: allow and flag; 1: redact; 2: ask, block and alerts. What is lower is dropped first."""


class Draft(msgspec.Struct, gc=False):
    """The metadata of one result. ``gc=False``: nothing in it can point back to it."""

    at: int
    """Nanoseconds since the epoch."""
    category: str
    """The event type."""
    priority: int
    surface: Any
    decision: Any
    verdict: Any
    reports: tuple[Any, ...]
    detectors: tuple[str, ...]
    latency_ms: float
    cached: bool
    redacted: bool
    size: int
    agent_id: str | None
    agent_tags: tuple[str, ...]
    session_id: str
    sequence: int
    parent_id: str | None
    tool: str | None
    tool_risk: str | None
    tool_definition_hash: str | None
    framework: str | None
    adapter: str | None
    arguments: tuple[tuple[str, str, int], ...]
    """Name, keyed hash and length of each argument."""
    origins: Mapping[str, tuple[str, ...]] | None
    """Kinds of origin of each leaf of the arguments, by path."""
    hash_key_id: str | None
    alert_rule: str | None
    place: Any = None
    """What a sink wants to know of where the scan took place, such as a span's context."""


def draft(
    result: ScanResult,
    context: ScanContext,
    tool_risk: str | None,
    arguments: object,
    hashed: KeyedHash,
    alert_rule: str | None = None,
) -> Draft:
    """Note down a result.

    Args:
        result: The result.
        context: Where the text came from.
        tool_risk: The tool's risk.
        arguments: A tool call's arguments as the caller passed them; hashed and measured here,
            since the caller may change them afterwards.
        hashed: Hashes the arguments.
        alert_rule: The rule that asked for an alert; None for the event of the result itself.
    """
    decision, session = result.decision, context.session
    is_call = result.surface is Surface.TOOL_CALL
    is_alert = alert_rule is not None
    findings = result.findings
    call = result.call
    return Draft(
        time.time_ns(),
        "alert" if is_alert else "tool_call" if is_call else "scan",
        2 if is_alert else _priority(decision.action, decision.monitored_action),
        result.surface,
        decision,
        result.verdict,
        result.reports[:MAX_ENTRIES],
        tuple(dict.fromkeys([_bounded(f.rule_id) for f in findings]))[:MAX_ENTRIES]
        if findings
        else (),
        result.scan_latency_ms,
        result.cached,
        result.sanitized_content is not None,
        result.scanned_length,
        context.agent_id,
        context.agent_tags[:MAX_ENTRIES],
        session.id,
        session.next_sequence(),
        context.parent_id,
        None if context.tool is None else _bounded(context.tool),
        tool_risk,
        context.tool_definition_hash,
        context.framework or session.framework,
        context.adapter,
        _measured(arguments, hashed) if is_call and not is_alert else (),
        call.origin_kinds() if is_call and call is not None and not is_alert else None,
        hashed.key_id if is_call and not is_alert else None,
        alert_rule,
    )


def _priority(action: Action, monitored: Action) -> int:
    for one in (action, monitored):
        if one is Action.BLOCK or one is Action.ASK:
            return 2
    return 1 if action is Action.REDACT or monitored is Action.REDACT else 0


def _bounded(name: str) -> str:
    """A name that is too long to be one would be masked later, and is not worth its memory."""
    return name if len(name) <= MAX_NAME else MASKED_NAME


def _measured(arguments: object, hashed: KeyedHash) -> tuple[tuple[str, str, int], ...]:
    if not isinstance(arguments, Mapping):
        arguments = {"args": arguments}
    entries: list[tuple[str, str, int]] = []
    for name, value in islice(arguments.items(), MAX_ENTRIES):
        text = value if isinstance(value, str) else _canonical(value)
        entries.append((_bounded(str(name)), hashed(text), len(text)))
    return tuple(entries)


def _canonical(value: object) -> str:
    """The same JSON for the same value, whatever the order of its keys."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    from rune_core.values import render

    return json.dumps(render(value).plain, sort_keys=True, ensure_ascii=False)
