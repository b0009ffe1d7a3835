"""Figures as the browser draws them: charts as JSON, sparklines as numbers, links for ranges."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rune_server.dashboard.choice import RANGES
from rune_server.dashboard.links import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_server.analytics import Series, Window
    from rune_server.dashboard.choice import Choice

ACTIONS = ("block", "ask", "redact", "flag", "allow")
"""From the bottom of a stack to its top."""

TONES = ("accent", "redact", "flag", "ask", "high", "block", "good", "allow")
"""For lines that have no tone of their own."""


def actions_chart(series: Series, window: Window, path: str, chosen: Choice) -> str:
    """Decisions over time, stacked by action.

    Args:
        series: By ``action``.
        window: Its window.
        path: Where selecting a span leads.
        chosen: Filters that stay.
    """
    return _chart(
        "stack",
        series,
        [(name, name, name) for name in ACTIONS if name in series.lines],
        window,
        zoom=chosen_path(path, chosen),
    )


def lines_chart(series: Series, window: Window, *, zoom: str = "") -> str:
    """Counts over time, stacked by whatever the series was asked by."""
    names = list(series.lines)
    tones = [
        (name, name.replace("_", " ") or "(none)", TONES[at % len(TONES)])
        for at, name in enumerate(names)
    ]
    return _chart("stack", series, tones, window, zoom=zoom)


def chosen_path(path: str, chosen: Choice) -> str:
    """An address to which the browser adds ``since`` and ``until``."""
    search = (("q", chosen.search),) if chosen.search else ()
    found = path + query((*chosen.pairs, *search))
    return found + ("&" if "?" in found else "?")


def _chart(
    kind: str,
    series: Series,
    lines: Sequence[tuple[str, str, str]],
    window: Window,
    *,
    zoom: str,
) -> str:
    return json.dumps(
        {
            "kind": kind,
            "times": [int(at.timestamp()) for at in series.times],
            "step": int(window.step.total_seconds()),
            "lines": [
                {"name": label, "tone": tone, "values": list(series.lines[name])}
                for name, label, tone in lines
            ],
            "zoom": zoom,
        },
        separators=(",", ":"),
    )


def sparks(series: Series) -> dict[str, list[int]]:
    """Sparklines of an ``action`` series: all decisions, and those blocked."""
    length = len(series.times)
    nothing = (0,) * length
    everything = [sum(line[at] for line in series.lines.values()) for at in range(length)]
    return {
        "all": _coarse(everything),
        "block": _coarse(series.lines.get("block", nothing)),
    }


def _coarse(values: Sequence[int], points: int = 28) -> list[int]:
    """At most ``points`` sums, so that a sparkline shows a shape and not noise."""
    if len(values) <= points:
        return list(values)
    width = -(-len(values) // points)
    return [sum(values[at : at + width]) for at in range(0, len(values), width)]


def range_links(chosen: Choice, path: str) -> list[tuple[str, str, str]]:
    """A segment for each range: key, label, address."""
    return [(name, name, chosen.with_range(name).address(path)) for name in RANGES]
