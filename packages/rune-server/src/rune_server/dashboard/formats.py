"""Numbers, times and shapes as people read them: Jinja filters and what they are made of."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_ZONES = frozenset(available_timezones())


def number(value: float) -> str:
    """``12,345``."""
    return f"{value:,.0f}"


def compact(value: float) -> str:
    """Three digits at most: ``947``, ``12.3k``, ``4M``."""
    for size, unit in _UNITS:
        if abs(value) >= size * 0.9995:
            scaled = value / size
            text = f"{scaled:.1f}" if abs(scaled) < 99.95 else f"{scaled:.0f}"
            return text.removesuffix(".0") + unit
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """``0.4%``, ``12%``; a share that is not zero is never shown as zero."""
    value = share * 100
    if value == 0:
        return "0%"
    if abs(value) < 0.1:
        return "<0.1%"
    return f"{value:.1f}%".replace(".0%", "%") if abs(value) < 10 else f"{value:.0f}%"


def milliseconds(value: float) -> str:
    """``0.08 ms``, ``4.2 ms``, ``180 ms``, ``2.1 s``."""
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    if value >= 100:
        return f"{value:.0f} ms"
    return f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"


def size(value: float) -> str:
    """Bytes: ``512 B``, ``3.4 kB``, ``1.2 GB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 1000 or unit == "TB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """``4.2 s``, ``3 min``, ``2 h 5 min``, ``6 d``."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min"
    if seconds < _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours:.0f} h {rest // _MINUTE:.0f} min" if rest >= _MINUTE else f"{hours:.0f} h"
    return f"{seconds // _DAY:.0f} d"


def ago(at: datetime, now: datetime) -> str:
    """``12s ago``, ``3m ago``, ``5h ago``, ``2d ago``. The browser keeps it true."""
    seconds = (now - at).total_seconds()
    if seconds < 5:
        return "just now"
    for limit, unit, size_ in ((_MINUTE, "s", 1), (_HOUR, "m", _MINUTE), (_DAY, "h", _HOUR)):
        if seconds < limit:
            return f"{seconds // size_:.0f}{unit} ago"
    return f"{seconds // _DAY:.0f}d ago"


def moment(at: datetime, form: str, zone: ZoneInfo, now: datetime) -> str:
    """A time in the reader's zone.

    Args:
        at: The time.
        form: ``ago``, ``clock`` (14:03:22), ``row`` (a clock, with the day unless it is
            today), ``short`` (3 Nov 14:03), ``day`` (3 Nov 2026) or
            ``full``, with milliseconds and zone.
        zone: The reader's zone.
        now: The time now, for ``ago``.
    """
    local = at.astimezone(zone)
    match form:
        case "ago":
            return ago(at, now)
        case "clock":
            return local.strftime("%H:%M:%S")
        case "row":
            if local.date() == now.astimezone(zone).date():
                return local.strftime("%H:%M:%S")
            return f"{local.day} {local:%b %H:%M}"
        case "short":
            return f"{local.day} {local:%b %H:%M}"
        case "day":
            return f"{local.day} {local:%b %Y}"
        case _:
            milli = local.microsecond // 1000
            return f"{local.day} {local:%b %Y %H:%M:%S}.{milli:03d} {local:%Z}"


def iso(at: datetime) -> str:
    """RFC 3339 in UTC, milliseconds."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def zone(name: str | None) -> ZoneInfo:
    """A time zone by its name; UTC for a name that is none."""
    return ZoneInfo(name) if name in _ZONES else ZoneInfo("UTC")


def initials(name: str) -> str:
    """One or two letters for an avatar."""
    words = [word for word in name.replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "?"


def fitted(text: str, room: float) -> str:
    """A text for a drawing, where nothing cuts it: with ``…`` in place of what has no room.

    Args:
        text: The text.
        room: In lower-case letters of the usual width.
    """
    widths = [_width(character) for character in text]
    if sum(widths) <= room:
        return text
    kept, used = 0, 1.0
    while used + widths[kept] <= room:
        used += widths[kept]
        kept += 1
    return text[:kept].rstrip() + "…"


def _width(character: str) -> float:
    """How many lower-case letters a character is as wide as, in Inter, rather too many."""
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 2.0
    if character in "WM@%":
        return 1.8
    if character in " .,:;'|!/ijlftr-()[]":
        return 0.7
    return 1.25 if character.isupper() or character in "mw" else 1.0


def spark_paths(values: Sequence[float], width: float = 100, height: float = 24) -> tuple[str, str]:
    """The line and the area under it of a sparkline, as SVG paths.

    Args:
        values: At least one; drawn from left to right.
        width: Of the drawing.
        height: Of the drawing; a pixel above and below stays free.
    """
    if not values:
        return "", ""
    points = list(values) if len(values) > 1 else [*values, *values]
    top = max(points) or 1
    step = width / (len(points) - 1)
    pairs = [
        f"{index * step:.1f} {height - 1 - (height - 2) * value / top:.1f}"
        for index, value in enumerate(points)
    ]
    line = "M" + "L".join(pairs)
    return line, f"{line}L{width:.0f} {height}L0 {height}Z"


def change(now: float, before: float) -> str:
    """``12% more than before``, in words; ``before`` is the time of the same length before."""
    if not before:
        return "none before" if now else "none"
    share = (now - before) / before
    if abs(share) < 0.005:
        return "as before"
    if share >= 9.995:
        return f"{now / before:.0f} times as many as before"
    return f"{abs(share) * 100:.0f}% {'more' if share > 0 else 'fewer'} than before"
