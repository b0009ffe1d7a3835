"""Events into rows and back.

A line is what is inserted: the event as JSON with the organisation's columns in front. It is made
once, when the event arrives, and lies in the spool in this form.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from rune_core.event.schema import ArgumentEntry, LayerEntry, RuleEntry
from rune_server.analytics.model import EventRow
from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from rune_core.event.schema import Event

SELECTED = (
    "event_id, timestamp, received_at, event_type, surface, action, monitored_action, agent_id, "
    "agent_tags, session_id, sequence, parent_id, risk_score, threat_type, threats, severity, "
    "detectors, decision_id, policy, policy_revision, rule, rules, layers, latency_ms, degraded, "
    "cached, redacted, approval, tool, tool_risk, tool_definition_hash, arguments, hash_key_id, "
    "size, framework, adapter, sdk_version, skewed"
)
"""The columns of ``EventRow``, in its order."""

_NAMES = tuple(name.strip() for name in SELECTED.split(","))
_OPTIONAL = frozenset(
    (
        "monitored_action",
        "agent_id",
        "session_id",
        "parent_id",
        "threat_type",
        "severity",
        "policy",
        "rule",
        "approval",
        "tool",
        "tool_risk",
        "tool_definition_hash",
        "hash_key_id",
        "framework",
        "adapter",
    )
)
_encode_lines = msgspec.json.Encoder().encode_lines


KEY_OF_LINE = re.compile(
    rb'^\{"organisation_id":"([0-9a-f\-]{36})".*?"event_id":"([0-9a-f\-]{36})"'
)
"""Organisation and event id of a line."""


def prefix(organisation_id: UUID, retention_days: int, received_at: datetime, batch: UUID) -> bytes:
    """What stands before every event of a request in its line."""
    return (
        f'{{"organisation_id":"{organisation_id}","retention_days":{retention_days},'
        f'"received_at":"{timestamp(received_at)}","batch":"{batch}",'
    ).encode()


def lines(before: bytes, events: Sequence[Event]) -> bytes:
    """Events as lines to insert, each with its line break."""
    # Line breaks stand between events only: within JSON they are escaped.
    return (b"\n" + before).join((b"\n" + _encode_lines(events)).split(b"\n{"))[1:]


def timestamp(at: datetime) -> str:
    """A moment as events spell it: RFC 3339, UTC, milliseconds."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def moment(text: str) -> datetime:
    """The moment that ``timestamp`` spelled."""
    return datetime.fromisoformat(text)


def event_row(row: Sequence[Any]) -> EventRow:
    """A row of ``SELECTED`` columns as an event."""
    found: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    for name in _OPTIONAL:
        found[name] = found[name] or None
    for name in ("agent_tags", "threats", "detectors"):
        found[name] = tuple(found[name])
    found["risk_score"] = round(found["risk_score"], 4)
    found["latency_ms"] = round(found["latency_ms"], 3)
    found["rules"] = tuple(_rule(each) for each in found["rules"])
    found["layers"] = tuple(_layer(each) for each in found["layers"])
    found["arguments"] = tuple(_argument(each) for each in found["arguments"])
    return EventRow(**found)


def _rule(found: Mapping[str, Any]) -> RuleEntry:
    return RuleEntry(**found)


def _layer(found: Mapping[str, Any]) -> LayerEntry:
    score = found["score"]
    return LayerEntry(
        layer=found["layer"],
        status=found["status"],
        latency_ms=round(found["latency_ms"], 3),
        score=None if score is None else round(score, 4),
        complete=found["complete"] is not False,
        outcome=found["outcome"] or None,
    )


def _argument(found: Mapping[str, Any]) -> ArgumentEntry:
    return ArgumentEntry(
        name=found["name"],
        hash=found["hash"],
        size=found["size"],
        origins=tuple(found["origins"]),
    )


class _Cursor(msgspec.Struct, array_like=True):
    at: int
    """Milliseconds since the epoch."""
    id: str


def cursor_of(at: datetime, identity: object) -> str:
    """The cursor that asks for what comes after this row."""
    body = msgspec.json.encode(_Cursor(round(at.timestamp() * 1000), str(identity)))
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Where a cursor points.

    Raises:
        InvalidError: It is not one of ours.
    """
    try:
        body = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        found = msgspec.json.decode(body, type=_Cursor)
        return datetime.fromtimestamp(found.at / 1000, UTC), found.id
    except (ValueError, OverflowError, OSError, msgspec.DecodeError):
        raise InvalidError("the cursor is not one of ours", code="cursor_invalid") from None
