"""Rules of alerting as they are stored and as they are checked."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final, get_args
from uuid import UUID

from rune_server.alerts.model import EventMatch, FirstSeen, GroupBy, RuleKind, RuleSpec, Severity
from rune_server.errors import UnprocessableError

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_WINDOW: Final = 60
MAX_WINDOW: Final = 30 * 24 * 3600
MAX_COOLDOWN: Final = 30 * 24 * 3600
MAX_LISTED: Final = 50
_VALUES: Final[dict[str, frozenset[str]]] = {
    "actions": frozenset(("allow", "flag", "redact", "ask", "block")),
    "surfaces": frozenset(
        ("input", "output", "tool_call", "tool_result", "document", "tool_definition", "handoff")
    ),
    "severities": frozenset(("low", "medium", "high", "critical")),
}
_GROUPED: Final = ("count", "rate", "ratio")


def check(spec: RuleSpec) -> None:
    """Refuse a rule that cannot be evaluated.

    Raises:
        UnprocessableError: ``errors`` names every field that is wrong, and how.
    """
    faults = [{"where": where, "reason": reason} for where, reason in _faults(spec)]
    if faults:
        raise UnprocessableError("the alert rule cannot be used", errors=faults)


def stored(spec: RuleSpec) -> dict[str, Any]:
    """The part of a rule that is kept as JSON: all but its name, kind, channels and ``enabled``."""
    found = asdict(spec)
    for column in ("name", "kind", "channels", "enabled"):
        del found[column]
    return found


def restored(
    name: str, kind: str, spec: dict[str, Any], channels: list[str], enabled: bool
) -> RuleSpec:
    """The rule that ``stored`` kept. Keys of a later release are dropped."""
    known = {each.name for each in fields(RuleSpec)}
    found = {key: value for key, value in spec.items() if key in known}
    for key in ("match", "of"):
        found[key] = _match(found.get(key) or {})
    return RuleSpec(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        channels=tuple(UUID(channel) for channel in channels),
        enabled=enabled,
        **found,
    )


def _match(stored_match: dict[str, Any]) -> EventMatch:
    known = {each.name for each in fields(EventMatch)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in stored_match.items()
        if key in known
    }
    return EventMatch(**values)


def _faults(spec: RuleSpec) -> Iterator[tuple[str, str]]:
    if not 1 <= len(spec.name.strip()) <= 128 or not spec.name.isprintable():
        yield "name", "must be 1 to 128 printable characters"
    for where, value, values in (
        ("kind", spec.kind, get_args(RuleKind)),
        ("severity", spec.severity, get_args(Severity)),
        ("group_by", spec.group_by, get_args(GroupBy)),
        ("first_seen", spec.first_seen, get_args(FirstSeen)),
    ):
        if value not in values:
            yield where, f"must be one of {', '.join(filter(None, values))}"
    if not MIN_WINDOW <= spec.window_seconds <= MAX_WINDOW:
        yield "window_seconds", f"must be {MIN_WINDOW} to {MAX_WINDOW:,}"
    if not 0 <= spec.cooldown_seconds <= MAX_COOLDOWN:
        yield "cooldown_seconds", f"must be 0 to {MAX_COOLDOWN:,}"
    yield from _threshold_faults(spec)
    if spec.group_by and spec.kind not in _GROUPED:
        yield "group_by", f"{spec.kind} rules have groups of their own: leave it empty"
    if not 1 <= spec.minimum <= 10**9:
        yield "minimum", "must be 1 to 1,000,000,000"
    if len(spec.channels) > MAX_LISTED:
        yield "channels", f"must be at most {MAX_LISTED}"
    for where, match in (("match", spec.match), ("of", spec.of)):
        yield from _match_faults(where, match)


def _threshold_faults(spec: RuleSpec) -> Iterator[tuple[str, str]]:
    most = {"ratio": 1.0, "risk_trend": 100.0}.get(spec.kind, 1e12)
    if not 0 < spec.threshold <= most:  # also false for nan
        yield "threshold", f"must be above 0 and at most {most:,.0f}"


def _match_faults(where: str, match: EventMatch) -> Iterator[tuple[str, str]]:
    for each in fields(match):
        values = getattr(match, each.name)
        if not isinstance(values, tuple):
            continue
        if len(values) > MAX_LISTED:
            yield f"{where}.{each.name}", f"must be at most {MAX_LISTED}"
        if any(not 0 < len(value) <= 128 for value in values):
            yield f"{where}.{each.name}", "must be names of 1 to 128 characters"
        known = _VALUES.get(each.name)
        if known is not None and not known.issuperset(values):
            yield f"{where}.{each.name}", f"must be among {', '.join(sorted(known))}"
    if match.min_risk is not None and not 0 <= match.min_risk <= 1:
        yield f"{where}.min_risk", "must be 0 to 1"
