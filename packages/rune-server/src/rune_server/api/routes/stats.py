"""Figures over events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from rune_server.actor import Permission
from rune_server.analytics import (
    CoverageRow,
    Dimension,
    LatencyRow,
    TopRow,
    Totals,
    Window,
)
from rune_server.api.routes.events import Chosen
from rune_server.api.shapes import Listed, Moment, SeriesShape, UsageShape
from rune_server.api.who import Caller, operation
from rune_server.errors import UnprocessableError

router = APIRouter(prefix="/v1/stats", tags=["stats"])
READ = Permission.EVENTS_READ
MAX_SPAN = timedelta(days=400)


def window_of(
    caller: Caller,
    since: Annotated[Moment | None, Query(description="By default a day before `until`.")] = None,
    until: Annotated[Moment | None, Query(description="By default now.")] = None,
    step: Annotated[
        int | None, Query(ge=1, le=604_800, description="Width of a point, in seconds.")
    ] = None,
) -> Window:
    """The span that figures are about.

    Raises:
        UnprocessableError: It is empty, too long, or has too many points.
    """
    try:
        end = caller.platform.clock.now() if until is None else until
        start = end - timedelta(days=1) if since is None else since
        if end - start > MAX_SPAN:
            raise UnprocessableError(f"since: at most {MAX_SPAN.days} days before until")
        if step is None:
            return Window.last(end - start, until=end) if end > start else Window(start, end)
        return Window(start, end, timedelta(seconds=step))
    except (ValueError, OverflowError) as error:
        raise UnprocessableError(f"since, until, step: {error}") from None


Span = Annotated[Window, Depends(window_of)]


@router.get("", **operation("get_stats", READ))
async def get_stats(caller: Caller, window: Span, chosen: Chosen) -> Totals:
    """Sums over a window."""
    caller.actor.require(READ)
    return await caller.platform.analytics.totals(caller.actor.organisation_id, window, chosen)


@router.get("/series", **operation("get_series", READ))
async def get_series(
    caller: Caller, window: Span, chosen: Chosen, by: Dimension | None = None
) -> SeriesShape:
    """Counts over time, a line per value of `by`."""
    caller.actor.require(READ)
    found = await caller.platform.analytics.series(caller.actor.organisation_id, window, by, chosen)
    return SeriesShape.model_validate(found)


@router.get("/top", **operation("get_top", READ))
async def get_top(
    caller: Caller,
    window: Span,
    chosen: Chosen,
    by: Dimension,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Listed[TopRow]:
    """The most frequent values of a dimension."""
    caller.actor.require(READ)
    found = await caller.platform.analytics.top(
        caller.actor.organisation_id, by, window, chosen, limit
    )
    return Listed(items=found)


@router.get("/latency", **operation("get_latency", READ))
async def get_latency(caller: Caller, window: Span, chosen: Chosen) -> Listed[LatencyRow]:
    """Quantiles per layer, in milliseconds, and of the whole scan as `total`."""
    caller.actor.require(READ)
    found = await caller.platform.analytics.latency(caller.actor.organisation_id, window, chosen)
    return Listed(items=found)


@router.get("/coverage", **operation("get_coverage", READ))
async def get_coverage(caller: Caller, window: Span) -> Listed[CoverageRow]:
    """Per agent and surface: how much was looked at, and which layers did not run."""
    caller.actor.require(READ)
    found = await caller.platform.analytics.coverage(caller.actor.organisation_id, window)
    return Listed(items=found)


@router.get("/usage", **operation("get_usage", READ))
async def get_usage(
    caller: Caller,
    month: Annotated[
        str | None, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="Such as 2026-11.")
    ] = None,
) -> Listed[UsageShape]:
    """Events per day of a month; by default this one."""
    caller.actor.require(READ)
    now = caller.platform.clock.now()
    at = now if month is None else datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
    found = await caller.platform.analytics.usage(caller.actor.organisation_id, at)
    return Listed(items=[UsageShape.model_validate(row) for row in found])
