"""The weekly report: one page, made to be printed or kept as a PDF."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rune_server.actor import Permission
from rune_server.analytics import EventFilter, Window
from rune_server.dashboard.figures import ACTIONS
from rune_server.dashboard.formats import percent
from rune_server.dashboard.view import Page
from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from starlette.responses import Response

    from rune_server.analytics import Totals
    from rune_server.dashboard.view import View

_WEEK = timedelta(days=7)
_ROWS = 12


async def report(view: View) -> Response:
    """One week, from Monday to Sunday in UTC; by default the last whole one."""
    since = _week(view.parameter("week")) or _monday(view.now) - _WEEK
    window = Window(since, since + _WEEK, timedelta(days=1))
    organisation = view.actor.organisation_id
    ask = view.analytics
    (totals, before, series), (threats, agents, rules, coverage) = await asyncio.gather(
        asyncio.gather(
            ask.totals(organisation, window),
            ask.totals(organisation, window.before),
            ask.series(organisation, window, "action"),
        ),
        asyncio.gather(
            ask.top(organisation, "threat", window, EventFilter(), _ROWS),
            ask.agents(organisation, window),
            ask.top(organisation, "rule", window, EventFilter(), _ROWS),
            ask.coverage(organisation, window, failures=False),
        ),
    )
    nothing = (0,) * len(series.times)
    lines = [series.lines.get(action, nothing) for action in ACTIONS]
    return view.show(
        "pages/report.html",
        week=_name(since),
        earlier=_name(since - _WEEK),
        later=_name(since + _WEEK) if since + _WEEK <= view.now else None,
        since=since,
        last_day=since + timedelta(days=6),
        sentence=_sentence(totals),
        totals=totals,
        before=before,
        actions=ACTIONS,
        days=[(at, [line[index] for line in lines]) for index, at in enumerate(series.times)],
        threats=[row for row in threats if row.name],
        agents=[row for row in agents if row.totals.events][:_ROWS],
        rules=[row for row in rules if row.name],
        gaps=[row for row in coverage if row.degraded][:_ROWS],
    )


def _sentence(totals: Totals) -> str:
    if not totals.events:
        return "No agent decided anything."
    stopped = totals.blocked + totals.asked
    return (
        f"{totals.agents:,} agents decided {totals.events:,} times; "
        f"{percent(stopped / totals.events)} was stopped."
    )


def _monday(at: datetime) -> datetime:
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def _name(monday: datetime) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


def _week(text: str) -> datetime | None:
    """The Monday of ``2026-W47``.

    Raises:
        InvalidError: It is no week.
    """
    if not text:
        return None
    try:
        return datetime.strptime(f"{text}-1", "%G-W%V-%u").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidError("week: write one such as 2026-W47") from None


PAGES = (Page("/report", report, needs=Permission.EVENTS_READ, section="report"),)
