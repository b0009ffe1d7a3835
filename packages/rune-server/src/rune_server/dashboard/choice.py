"""What a list or a figure is asked for, as it stands in the address: filters and a span of time."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

from rune_core.event import schema
from rune_server.analytics import EventFilter, Window
from rune_server.dashboard.links import query
from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import QueryParams

RANGES = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
DEFAULT_RANGE = "24h"
MAX_VALUES = 20
_MAX_LENGTH = 200

LISTS = {
    "action": "actions",
    "threat": "threats",
    "agent": "agents",
    "tool": "tools",
    "surface": "surfaces",
    "rule": "rules",
    "policy": "policies",
    "detector": "detectors",
    "severity": "severities",
    "framework": "frameworks",
    "tag": "tags",
    "type": "event_types",
}
"""Names in the address, and the field of ``EventFilter`` that each fills."""

CLOSED: dict[str, tuple[str, ...]] = {
    "action": get_args(schema.ActionName),
    "threat": get_args(schema.ThreatName),
    "surface": get_args(schema.SurfaceName),
    "severity": get_args(schema.SeverityName),
    "type": get_args(schema.EventType),
}
"""Filters whose values are known beforehand."""

SINGLE = ("session", "decision", "min_risk", "degraded")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        pairs: Filters as names and values, in the order of the address.
        search: Free text.
        range: ``15m`` … ``30d``, or ``custom``.
        since: Begin of the span.
        until: End of the span; now, for a range.
    """

    pairs: tuple[tuple[str, str], ...]
    search: str
    range: str
    since: datetime
    until: datetime

    @property
    def time_pairs(self) -> tuple[tuple[str, str], ...]:
        """The span, as it stands in an address."""
        if self.range == "custom":
            return (("since", _stamp(self.since)), ("until", _stamp(self.until)))
        return () if self.range == DEFAULT_RANGE else (("range", self.range),)

    @property
    def all_pairs(self) -> tuple[tuple[str, str], ...]:
        """Everything, as it stands in an address."""
        search = (("q", self.search),) if self.search else ()
        return (*self.pairs, *search, *self.time_pairs)

    @property
    def live(self) -> bool:
        """Whether the span goes on to now."""
        return self.range != "custom"

    def address(self, path: str, **more: object) -> str:
        """``path`` with everything chosen."""
        return path + query(self.all_pairs, **more)

    def with_range(self, name: str) -> Choice:
        """The same for another range."""
        return replace(self, range=name)

    def with_pair(self, name: str, value: str) -> Choice:
        """One filter more."""
        if name in SINGLE:
            kept = tuple(pair for pair in self.pairs if pair[0] != name)
            return replace(self, pairs=(*kept, (name, value)))
        return replace(self, pairs=(*dict.fromkeys((*self.pairs, (name, value))),))

    def without(self, name: str, value: str) -> Choice:
        """One filter less."""
        return replace(self, pairs=tuple(pair for pair in self.pairs if pair != (name, value)))

    def only_time(self) -> Choice:
        """The same span without filters."""
        return replace(self, pairs=(), search="")

    def window(self, points: int = 60) -> Window:
        """The span, cut into about ``points`` steps."""
        return Window.last(self.until - self.since, until=self.until, points=points)

    def filter(self, *, open_end: bool = False) -> EventFilter:
        """For analytics.

        Args:
            open_end: Take in what happens after ``until`` too, for a live list.

        Raises:
            InvalidError: A value makes no sense.
        """
        values: dict[str, tuple[str, ...]] = {}
        for name, field in LISTS.items():
            found = tuple(value for key, value in self.pairs if key == name)
            if found:
                values[field] = tuple("" if value == "(none)" else value for value in found)
        single = {key: value for key, value in self.pairs if key in SINGLE}
        return EventFilter(
            **values,
            session=single.get("session"),
            decision=single.get("decision"),
            min_risk=_share(single["min_risk"]) if "min_risk" in single else None,
            degraded=single["degraded"] == "yes" if "degraded" in single else None,
            search=self.search or None,
            since=self.since,
            until=None if open_end and self.live else self.until,
        )


def read(parameters: QueryParams, now: datetime, default_range: str = DEFAULT_RANGE) -> Choice:
    """The choice of an address.

    Raises:
        InvalidError: A time or a number cannot be read, or there are too many values.
    """
    pairs = [
        (name, value[:_MAX_LENGTH])
        for name, value in parameters.multi_items()
        if value and (name in LISTS or name in SINGLE)
    ]
    words, found = split_search(parameters.get("q", "")[:_MAX_LENGTH])
    pairs = list(dict.fromkeys([*pairs, *found]))
    if len(pairs) > MAX_VALUES:
        raise InvalidError(f"at most {MAX_VALUES} filters at a time")
    begin, end = parameters.get("since"), parameters.get("until")
    if begin or end:
        until = _time(end, "until") if end else now
        since = _time(begin, "since") if begin else until - RANGES[default_range]
        if since >= until:
            raise InvalidError("since must be before until")
        since = max(since, until - timedelta(days=366))
        return Choice(tuple(pairs), words, "custom", since, until)
    name = parameters.get("range", default_range)
    if name not in RANGES:
        name = default_range
    return Choice(tuple(pairs), words, name, now - RANGES[name], now)


def split_search(text: str) -> tuple[str, list[tuple[str, str]]]:
    """``action:block agent:billing refund`` as free text and filters.

    Quotes keep spaces together: ``tool:"send money"``.
    """
    try:
        words = shlex.split(text)
    except ValueError:  # an open quote: take it as it stands
        words = text.split()
    free: list[str] = []
    found: list[tuple[str, str]] = []
    for word in words:
        name, colon, value = word.partition(":")
        if colon and value and (name in LISTS or name in SINGLE):
            found.append((name, value))
        else:
            free.append(word)
    return " ".join(free), found


def values_of(name: str) -> Iterable[str]:
    """The values that a filter can have; empty when they depend on the events."""
    return CLOSED.get(name, ())


def _time(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(f"{name}: write a time such as 2026-11-03T14:00:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _share(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise InvalidError("min_risk: must be a number from 0 to 1")
    return found


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def without_time(chosen: EventFilter) -> EventFilter:
    """The same filter for any time, so that open pages with the same filter share a feed."""
    return replace(chosen, since=None, until=None)
