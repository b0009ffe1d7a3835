"""The table that answers a question about a window, and how its rows count.

A short window is read from the events themselves: exact to the millisecond, and cheap. A longer one
is read from the rollup by minute, and what is longer than two days from the rollup by hour, but for
the hours at its ends that do not lie within it as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rune_server.analytics import conditions
from rune_server.analytics.schema import AS_ROLLED_UP, ROLLED_UP, UNTRUSTED

if TYPE_CHECKING:
    from uuid import UUID

    from rune_server.analytics.conditions import Conditions
    from rune_server.analytics.connect import Store
    from rune_server.analytics.model import EventFilter, Window

SHORT = timedelta(hours=2)
LONG = timedelta(days=2)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a window that a filter leaves.

    Attributes:
        since: First moment, inclusive.
        until: End, exclusive; before ``since`` when nothing is left.
    """

    since: datetime
    until: datetime

    @staticmethod
    def of(window: Window, chosen: EventFilter) -> Span:
        """A window, within the ends of a filter."""
        since, until = window.since, window.until
        if chosen.since is not None:
            since = max(since, chosen.since)
        if chosen.until is not None:
            until = min(until, chosen.until)
        return Span(since.astimezone(UTC), until.astimezone(UTC))

    @property
    def length(self) -> timedelta:
        """How long it is; negative when nothing is left."""
        return self.until - self.since

    def bind(self, into: Conditions) -> None:
        """Bind the moments that the conditions below name."""
        begin = self.since.replace(minute=0, second=0, microsecond=0)
        moments = {
            "since": self.since,
            "until": self.until,
            "first_hour": begin if begin == self.since else begin + _HOUR,
            "last_hour": self.until.replace(minute=0, second=0, microsecond=0),
        }
        into.parameters.update({name: conditions.stamp(at) for name, at in moments.items()})


def within(
    organisation_id: UUID, chosen: EventFilter, window: Window, *, decisions: bool = True
) -> tuple[Conditions, Span]:
    """What a filter asks for besides time, and the span; its moments are bound, not yet asked for.

    Whoever reads a table adds the condition below that fits its column of time.
    """
    narrowed = conditions.of(
        organisation_id, replace(chosen, since=None, until=None), decisions=decisions
    )
    span = Span.of(window, chosen)
    span.bind(narrowed)
    return narrowed, span


def _moment(name: str) -> str:
    return f"{{{name}:DateTime64(3, 'UTC')}}"


WITHIN = f"timestamp >= {_moment('since')} AND timestamp < {_moment('until')}"
MINUTES = f"began >= toStartOfMinute({_moment('since')}) AND began < {_moment('until')}"
HOURS = f"began >= {_moment('first_hour')} AND began < {_moment('last_hour')}"
ENDS = f"{WITHIN} AND (timestamp < {_moment('first_hour')} OR timestamp >= {_moment('last_hour')})"
"""The events of a span that ``HOURS`` leaves out. It has to be longer than an hour."""
_FROM_ITS_MINUTE = (
    f"timestamp >= toStartOfMinute({_moment('since')}) AND timestamp < {_moment('until')}"
)
_MINUTES_OF_ENDS = (
    f"{MINUTES} AND (began < {_moment('first_hour')} OR began >= {_moment('last_hour')})"
)


def _rollups(*, by_hour: bool) -> list[tuple[str, str]]:
    """The rollups that make up a span, each with its part of it."""
    if by_hour:
        return [("events_by_hour", HOURS), ("events_by_minute", _MINUTES_OF_ENDS)]
    return [("events_by_minute", MINUTES)]


class Source:
    """What to read for a question, and how its rows count.

    Args:
        store: Where the organisation's events are.
        organisation_id: The only organisation that is read.
        chosen: The filter.
        window: The window.
        by: The dimensions that are kept apart.
        decisions: Leave alert events out, unless the filter asks for types.
        step: The width of a series' points.

    Attributes:
        table: A table, or a query in brackets.
        conditions: What is still to be asked of its rows.
        time: The column of time.
        rolled: Whether a row stands for many events.
    """

    def __init__(
        self,
        store: Store,
        organisation_id: UUID,
        chosen: EventFilter,
        window: Window,
        *by: str,
        decisions: bool = True,
        step: timedelta | None = None,
    ) -> None:
        span = Span.of(window, chosen)
        self.rolled = conditions.fits_rollup(chosen, *by) and span.length > SHORT
        search = conditions.Search.of(chosen.search) if chosen.search and self.rolled else None
        asked = chosen if search is None else replace(chosen, search=None)
        narrowed, span = within(organisation_id, asked, window, decisions=decisions)
        self.conditions = narrowed
        self.time = "began" if self.rolled else "timestamp"
        if not self.rolled:
            self.table = f"{store.database}.events"
            narrowed.add(WITHIN)
        else:
            whole_hours = step is None or not step % _HOUR
            parts = _rollups(by_hour=span.length > LONG and whole_hours)
            if search is not None:
                narrowed.parameters.update(search.parameters)
                parts = [(each, f"{when} AND {search.by_name}") for each, when in parts]
                parts += [
                    ("events", f"{_FROM_ITS_MINUTE} AND {each}") for each in search.by_id_alone
                ]
            self.table = " UNION ALL ".join(
                f"SELECT {', '.join(AS_ROLLED_UP if table == 'events' else ROLLED_UP)} "
                f"FROM {store.database}.{table} WHERE {narrowed.sql} AND {when}"
                for table, when in parts
            )
            self.table = f"({self.table})"
            narrowed.parts.clear()
        self.count = "sum(events)" if self.rolled else "count()"
        self.untrusted = "sum(untrusted)" if self.rolled else f"countIf({UNTRUSTED})"
        self.max_risk = "max(risk_max)" if self.rolled else "max(risk_score)"
        self.sum_risk = "sum(risk_sum)" if self.rolled else "sum(risk_score)"
        self.last = "max(last_seen)" if self.rolled else "max(timestamp)"

    def count_if(self, condition: str) -> str:
        """How many events fulfil a condition."""
        return f"sumIf(events, {condition})" if self.rolled else f"countIf({condition})"
