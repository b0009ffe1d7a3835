"""An agent's tools as a drawing: the agent at the left, its tools at the right, calls between."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_server.agents import Tool

MAX_TOOLS = 14
_ROW = 44
_TOP = 16
_LEFT = 190
_RIGHT = 430


@dataclass(frozen=True, slots=True)
class Edge:
    """The calls of one tool.

    Attributes:
        tool: The tool.
        y: Its middle.
        path: The curve from the agent, in SVG.
        width: Of the curve, by the logarithm of the calls.
        kind: ``stopped`` when calls were stopped, ``untrusted`` when some had untrusted
            arguments, else empty.
    """

    tool: Tool
    y: float
    path: str
    width: float
    kind: str


@dataclass(frozen=True, slots=True)
class Graph:
    """A drawing.

    Attributes:
        height: Of the drawing; its width is 760.
        y: The agent's middle.
        edges: One per tool, the most called first.
        left_out: How many tools are not drawn.
    """

    height: float
    y: float
    edges: tuple[Edge, ...]
    left_out: int


def draw(tools: Sequence[Tool]) -> Graph:
    """The drawing of an agent's tools."""
    shown = sorted(tools, key=lambda tool: (-tool.calls, tool.tool))[:MAX_TOOLS]
    height = max(len(shown), 1) * _ROW + 2 * _TOP
    middle = height / 2
    edges = []
    for index, tool in enumerate(shown):
        y = _TOP + _ROW * (index + 0.5)
        bend = (_LEFT + _RIGHT) / 2
        edges.append(
            Edge(
                tool=tool,
                y=y,
                path=f"M{_LEFT} {middle:.1f}C{bend} {middle:.1f} {bend} {y:.1f} {_RIGHT} {y:.1f}",
                width=round(1 + log(1 + tool.calls) * 0.55, 2),
                kind="stopped" if tool.stopped else "untrusted" if tool.untrusted else "",
            )
        )
    return Graph(height, middle, tuple(edges), max(0, len(tools) - MAX_TOOLS))
