"""Plain pictures: lines as SVG, bars in a terminal. No plotting library."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#57606a")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 720, 400, 64, 48, 36, 190


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a picture.

    Attributes:
        name: Its name in the legend.
        points: x and y, in order of x.
        mark: An x at which to draw a vertical line of the same colour.
    """

    name: str
    points: Sequence[tuple[float, float]]
    mark: float | None = None


def svg(title: str, lines: Sequence[Line], *, x: str, y: str, percent: bool = True) -> str:
    """Draw lines.

    Args:
        title: Above the picture.
        lines: At least one, each of at least one point.
        x: What the horizontal axis is.
        y: What the vertical axis is.
        percent: Whether y is a share from 0 to 1.
    """
    xs = [a for line in lines for a, _ in line.points]
    xs += [line.mark for line in lines if line.mark is not None]
    ys = [b for line in lines for _, b in line.points]
    low, high = min(xs), max(xs)
    top = max(*ys, 1e-9)
    wide = _WIDTH - _LEFT - _RIGHT
    tall = _HEIGHT - _TOP - _BOTTOM

    def at(a: float, b: float) -> tuple[float, float]:
        across = (a - low) / (high - low) if high > low else 0.5
        return _LEFT + wide * across, _TOP + tall * (1 - b / top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f'<g font-family="sans-serif" font-size="12"><title>{escape(title)}</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        _, level = at(low, value)
        shown = f"{value:.2g}"
        if percent:
            shown = f"{value:.2%}" if top < 0.1 else f"{value:.0%}"
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + wide}" y1="{level:.1f}" y2="{level:.1f}" '
            f'stroke="#d0d7de"/><text x="{_LEFT - 6}" y="{level + 4:.1f}" text-anchor="end">'
            f"{shown}</text>"
        )
        value = low + (high - low) * step / 4
        across, _ = at(value, 0)
        parts.append(
            f'<text x="{across:.1f}" y="{_TOP + tall + 18}" text-anchor="middle">{value:.3g}</text>'
        )
    parts.append(
        f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x)}</text>'
        f'<text x="14" y="{_TOP + tall / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {_TOP + tall / 2})">{escape(y)}</text>'
    )
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*at(a, b)) for a, b in line.points)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        if line.mark is not None:
            across, _ = at(line.mark, 0)
            parts.append(
                f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{_TOP}" y2="{_TOP + tall}" '
                f'stroke="{colour}" stroke-dasharray="4 3"/>'
            )
        level = _TOP + 12 + 18 * number
        parts.append(
            f'<line x1="{_WIDTH - _RIGHT + 12}" x2="{_WIDTH - _RIGHT + 32}" y1="{level - 4}" '
            f'y2="{level - 4}" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{_WIDTH - _RIGHT + 38}" y="{level}">{escape(line.name)}</text>'
        )
    return "\n".join(parts) + "\n</g>\n</svg>\n"


def bars(rows: Sequence[tuple[str, float]], width: int = 40) -> list[str]:
    """Lines of text with a bar each, as long as the share from 0 to 1, and the share."""
    widest = max((len(name) for name, _ in rows), default=0)
    top = max((share for _, share in rows), default=0.0) or 1.0
    lines = []
    for name, share in rows:
        eighths = round(share / top * width * 8)
        bar = "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
        lines.append(f"{name.rjust(widest)}  {bar.ljust(width)} {share:.2%}")
    return lines


def roc(benign: Sequence[float], attack: Sequence[float]) -> list[tuple[float, float]]:
    """Points (false-positive rate, recall) of every threshold, from none flagged to all."""
    points = [(0.0, 0.0)]
    if not benign or not attack:
        return points
    ordered = sorted([(s, 0) for s in benign] + [(s, 1) for s in attack], reverse=True)
    false, true, index = 0, 0, 0
    while index < len(ordered):
        value = ordered[index][0]
        while index < len(ordered) and ordered[index][0] == value:
            true += ordered[index][1]
            false += 1 - ordered[index][1]
            index += 1
        points.append((false / len(benign), true / len(attack)))
    return points
