"""Event schema, version 1. Closed: what is not here cannot be sent.

There is no field for a prompt, a completion, a tool value, the text of a span or an exception's
message, and no free-text field that one could be put in: texts are identifiers (see ``mask``) or
members of closed sets. ``spec/event.v1.json`` is generated from this module.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec

SCHEMA_VERSION = "1"

# Not "$", which in Python lets a line break follow.
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:/@\- ]*\Z", max_length=128)]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16,64}\Z")]
Score = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]

EventType = Literal["scan", "tool_call", "alert"]
SurfaceName = Literal[
    "input", "output", "tool_call", "tool_result", "document", "tool_definition", "handoff"
]
ThreatName = Literal[
    "prompt_injection",
    "jailbreak",
    "data_exfiltration",
    "secret_exposure",
    "pii_exposure",
    "system_prompt_leak",
    "tool_manipulation",
    "command_injection",
    "privilege_escalation",
    "policy_violation",
]
SeverityName = Literal["low", "medium", "high", "critical"]
ActionName = Literal["allow", "flag", "redact", "ask", "block"]
RiskName = Literal["low", "medium", "high"]
StatusName = Literal["ran", "skipped", "timeout", "error"]
JudgeOutcomeName = Literal[
    "agreed", "disagreed", "timeout", "error", "over_budget", "not_asked", "later"
]
ApprovalName = Literal["approved", "denied", "unavailable"]
OriginKind = Literal["user", "system", "untrusted", "model"]


class LayerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One layer's report."""

    layer: Id
    status: StatusName
    latency_ms: Milliseconds = 0.0
    score: Score | None = None
    complete: bool = True
    outcome: JudgeOutcomeName | None = None
    """For the judge: what became of the question."""


class RuleEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One policy rule that matched."""

    rule: Id
    policy: Id
    kind: Id
    action: ActionName
    severity: SeverityName
    monitored: bool = False
    excepted: bool = False


class ArgumentEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One argument of a tool call: its size and a keyed hash, never its value.

    The hash is keyed BLAKE2b of 128 bits. Its key is random and dies with the process, or is the
    one that is configured (``event_hash_key``): equal values can be told where ``hash_key_id`` of
    the event is the same, and none can be guessed by who lacks the key.
    """

    name: Id
    hash: Hash
    size: Count
    origins: tuple[OriginKind, ...] = ()


class Event(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One decision."""

    event_id: Id
    """UUIDv7."""
    timestamp: Annotated[str, msgspec.Meta(max_length=32)]
    """RFC 3339, UTC, milliseconds."""
    event_type: EventType
    surface: SurfaceName
    action: ActionName
    schema_version: Literal["1"] = "1"
    monitored_action: ActionName | None = None
    """What the action would be without ``mode: monitor``; absent when it is the same."""
    agent_id: Id | None = None
    agent_tags: tuple[Id, ...] = ()
    session_id: Id | None = None
    sequence: Count = 0
    """Position in the session, from 1."""
    parent_id: Id | None = None
    """Decision id of the call that led to this one."""
    risk_score: Score = 0.0
    threat_type: ThreatName | None = None
    """The threat that decided; where none did, the one with the highest risk."""
    threats: tuple[ThreatName, ...] = ()
    """All that were found, the one with the highest risk first."""
    severity: SeverityName | None = None
    detectors: tuple[Id, ...] = ()
    """Ids of the detector rules that found something, at most 64."""
    decision_id: Id
    policy: Id | None = None
    policy_revision: Id = ""
    rule: Id | None = None
    """The policy rule that decided."""
    rules: tuple[RuleEntry, ...] = ()
    layers: tuple[LayerEntry, ...] = ()
    latency_ms: Milliseconds = 0.0
    degraded: bool = False
    cached: bool = False
    redacted: bool = False
    approval: ApprovalName | None = None
    tool: Id | None = None
    tool_risk: RiskName | None = None
    tool_definition_hash: Id | None = None
    arguments: tuple[ArgumentEntry, ...] = ()
    """The first 64 of a call's arguments."""
    hash_key_id: Hash | None = None
    """Which key ``arguments`` were hashed with. Tells keys apart; says nothing about them."""
    size: Count = 0
    """Characters scanned."""
    framework: Id | None = None
    adapter: Id | None = None
    sdk_version: Id = ""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an event."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rune event, version 1",
        **portable(msgspec.json.schema(Event)),
    }


def portable(schema: dict[str, Any]) -> dict[str, Any]:
    r"""A JSON Schema made from Python types, its patterns as ECMAScript writes them.

    There ``$`` is the very end of a text, which Python writes ``\Z``.
    """
    made: dict[str, Any] = json.loads(json.dumps(schema).replace('\\\\Z"', '$"'))
    return made


if __name__ == "__main__":
    import sys

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
