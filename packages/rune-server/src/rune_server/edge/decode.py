"""Check the events of a request against the closed schema, quickly when all are right.

The schema's patterns cost most of the time when each field is matched by itself. So events are
first read into twins of the schema's classes without patterns, and all identifiers of the request
are checked at once, mostly without looking at one of them; a test holds the ways against each
other. When anything is wrong each
event is checked by itself, and whoever sent it learns which one and why, without its values.

Fields that a newer SDK added are dropped, at every depth.
"""

from __future__ import annotations

import re
import types
import typing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec

from rune_core.event import schema
from rune_server.analytics.rows import timestamp
from rune_server.errors import InvalidError, TooLargeError, UnprocessableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.event.schema import Event

MAX_AHEAD = timedelta(minutes=10)
"""A sender's clock may be so far ahead; beyond that our time stands for its."""
MAX_ENTRIES = 128
"""Most entries of any list in an event; with names of 128 characters that bounds its size."""
_LARGEST = 2**63 - 1
_LONGEST_MS = 1e12
_ID_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/@- "
_HEX_CHARACTERS = b"0123456789abcdef"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PLACE = re.compile(r"at `\$\.?([A-Za-z_.\[\]0-9]*)`")
_MISSING = re.compile(r"missing required field `([a-z_]+)`")


@dataclass(slots=True)
class Decoded:
    """What a request held.

    Attributes:
        events: Events to take, with ids and timestamps in one spelling.
        skewed: Ids of those whose timestamp is ours.
        rejected: Those that are not taken: index, event id, code and reason.
    """

    events: list[Event] = field(default_factory=list)
    skewed: set[str] = field(default_factory=set)
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, index: int, event_id: str, code: str, reason: str) -> None:
        """Note one that is not taken."""
        self.rejected.append({"index": index, "event_id": event_id, "code": code, "reason": reason})


class _FaultError(Exception):
    """One event cannot be taken."""

    def __init__(self, code: str, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(code)


def _twin(kind: type, *, patterns: bool) -> Any:
    """A class with the fields of a Struct of the schema, open to unknown ones."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields: list[Any] = []
    for each in msgspec.structs.fields(kind):
        of = _type(hints[each.name], patterns=patterns)
        fields.append((each.name, of) if each.required else (each.name, of, each.default))
    return msgspec.defstruct(
        kind.__name__, fields, frozen=True, kw_only=True, omit_defaults=True, gc=False
    )


def _type(hint: Any, *, patterns: bool) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        metas = [_meta(meta, arguments[0], patterns=patterns) for meta in arguments[1:]]
        return Annotated[(_type(arguments[0], patterns=patterns), *metas)]
    if origin is tuple:
        entry = _type(arguments[0], patterns=patterns)
        of: Any = types.GenericAlias(tuple, (entry, ...))
        return Annotated[of, msgspec.Meta(max_length=MAX_ENTRIES)]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_type(each, patterns=patterns) for each in arguments)]  # noqa: UP007
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _twin(hint, patterns=patterns)
    return hint


def _meta(meta: msgspec.Meta, of: Any, *, patterns: bool) -> msgspec.Meta:
    """The schema's bounds, and those of the columns that it will be stored in."""
    if of is int:
        return msgspec.Meta(ge=meta.ge, le=_LARGEST)
    if of is float:
        return msgspec.Meta(ge=meta.ge, le=_LONGEST_MS if meta.le is None else meta.le)
    if meta.pattern == _HASH.pattern:
        return msgspec.Meta(
            pattern=meta.pattern if patterns else None, min_length=16, max_length=64
        )
    return msgspec.Meta(pattern=meta.pattern if patterns else None, max_length=meta.max_length)


_HASH = schema.Hash.__metadata__[0]  # type: ignore[attr-defined]
_Bare = _twin(schema.Event, patterns=False)
_Checked = _twin(schema.Event, patterns=True)
_bare_lines = msgspec.json.Decoder(_Bare)
_bare_document: Any = msgspec.json.Decoder(
    msgspec.defstruct("Events", [("events", list[_Bare])])  # type: ignore[valid-type]
)
_raw_document: Any = msgspec.json.Decoder(
    msgspec.defstruct("Events", [("events", list[msgspec.Raw])])
)
_checked = msgspec.json.Decoder(_Checked)
_id_alone: Any = msgspec.json.Decoder(
    msgspec.defstruct("Named", [("event_id", Annotated[str, msgspec.Meta(max_length=128)], "")])
)

_names_of = attrgetter(
    "agent_id",
    "session_id",
    "parent_id",
    "decision_id",
    "policy",
    "policy_revision",
    "rule",
    "tool",
    "tool_definition_hash",
    "framework",
    "adapter",
    "sdk_version",
)


def decoded(body: bytes, *, lines: bool, most: int, now: datetime, retention_days: int) -> Decoded:
    """Read a request's events.

    Args:
        body: ``{"events": […]}``, or an event per line.
        lines: Which of the two.
        most: Most events in one request.
        now: When it arrived.
        retention_days: How old an event may be.

    Raises:
        InvalidError: It is no JSON.
        UnprocessableError: It is JSON, but not what is asked for.
        TooLargeError: There are too many events.
    """
    found = Decoded()
    try:
        events: Sequence[Any] | None = (
            _bare_lines.decode_lines(body) if lines else _bare_document.decode(body).events
        )
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        events = None
    if (
        events is not None
        and len(events) <= most
        and (_holds_only_identifiers(body) or _are_identifiers(events))
        and _are_hashes(events)
    ):
        for index, event in enumerate(events):
            _take(found, index, event, now, retention_days)
    else:
        _one_by_one(found, body, lines, most, now, retention_days)
    return found


def _holds_only_identifiers(body: bytes) -> bool:
    """Whether every text of a JSON document has only characters of identifiers.

    Without these characters every such text is a pair of quotes. The first text with anything else
    in it leaves its opening quote without a partner: before it stand whole pairs only. A quote
    within a text has a backslash before it. So there are documents that hold only identifiers and
    do not look it (those with escapes), and never the other way round.
    """
    bones = body.translate(None, _ID_CHARACTERS)
    return b"\\" not in bones and b'"' not in bones.replace(b'""', b"")


def _are_identifiers(events: Sequence[Any]) -> bool:
    """Whether every text with a pattern matches it, over all events at once."""
    names: list[Any] = []
    for event in events:
        names += _names_of(event)
        names += event.agent_tags
        names += event.detectors
        for layer in event.layers:
            names.append(layer.layer)
        for rule in event.rules:
            names += (rule.rule, rule.policy, rule.kind)
        names += [argument.name for argument in event.arguments]
    # None reads as the identifier "None", which is as good as any.
    joined = "".join(map(str, names)).encode("utf-8", "surrogatepass")
    return not joined.translate(None, _ID_CHARACTERS)


def _are_hashes(events: Sequence[Any]) -> bool:
    """The same for hashes."""
    hashes: list[str] = []
    for event in events:
        hashes += [argument.hash for argument in event.arguments]
        if event.hash_key_id is not None:
            hashes.append(event.hash_key_id)
    return not "".join(hashes).encode("utf-8", "surrogatepass").translate(None, _HEX_CHARACTERS)


def _take(found: Decoded, index: int, event: Any, now: datetime, retention_days: int) -> None:
    identity: str = event.event_id
    if not _UUID.fullmatch(identity):
        try:
            # Other spellings of a UUID are made one; what is none is refused.
            event = msgspec.structs.replace(event, event_id=str(UUID(identity)))
        except ValueError:
            shown = identity if _is_identifier(identity) else ""
            found.reject(index, shown, "event_id_invalid", "event_id: is no UUID")
            return
    at = _moment(event.timestamp)
    if at is None:
        found.reject(
            index, identity, "timestamp_invalid", "timestamp: is no RFC 3339 time with a zone"
        )
        return
    age = now - at
    if age.days >= retention_days:
        found.reject(
            index,
            identity,
            "expired",
            f"timestamp: older than the {retention_days} days that events are kept",
        )
        return
    if -age > MAX_AHEAD:
        event = msgspec.structs.replace(event, timestamp=timestamp(now))
        found.skewed.add(event.event_id)
    elif not _is_canonical(event.timestamp):
        event = msgspec.structs.replace(event, timestamp=timestamp(at))
    found.events.append(event)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_canonical(text: str) -> bool:
    return len(text) == 24 and text[10] == "T" and text[19] == "." and text[23] == "Z"


def _is_identifier(text: str) -> bool:
    return text.isascii() and not text.encode().translate(None, _ID_CHARACTERS)


def _one_by_one(
    found: Decoded, body: bytes, lines: bool, most: int, now: datetime, retention_days: int
) -> None:
    try:
        if lines:
            pieces: list[Any] = [piece for piece in body.split(b"\n") if piece.strip()]
        else:
            pieces = _raw_document.decode(body).events
    except msgspec.ValidationError:
        raise UnprocessableError(
            'send {"events": […]}', errors=[{"where": "events", "reason": "has to be a list"}]
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidError("the body is no JSON") from None
    if len(pieces) > most:
        raise TooLargeError(
            f"{len(pieces)} events in one request; at most {most} are taken",
            code="too_many_events",
        )
    for index, piece in enumerate(pieces):
        try:
            event = _checked_event(piece)
        except _FaultError as fault:
            found.reject(index, _identity(piece), fault.code, fault.reason)
        else:
            _take(found, index, event, now, retention_days)


def _checked_event(piece: Any) -> Any:
    try:
        return _checked.decode(piece)
    except msgspec.ValidationError as error:
        raise _FaultError("schema", _reason(str(error))) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _FaultError("malformed", "is no JSON") from None


def _reason(message: str) -> str:
    """Where an event is wrong. msgspec's message may hold what was sent; ours does not."""
    place = _PLACE.search(message)
    where = place[1] if place else ""
    missing = _MISSING.search(message)
    if missing:
        inner = f"{where}.{missing[1]}" if where else missing[1]
        return f"{inner}: is missing"
    return f"{where or 'event'}: is not what the schema of events, version 1, allows"


def _identity(piece: Any) -> str:
    """The id of an event that is not taken, when it looks like one."""
    try:
        identity: str = _id_alone.decode(piece).event_id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    return identity if _is_identifier(identity) else ""
