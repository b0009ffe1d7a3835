"""Read a text of any length in windows that overlap, keeping count of lines and columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WINDOW = 1 << 20
"""Characters that one window answers for. Texts up to this are scanned whole."""
OVERLAP = 1 << 16
"""Characters of context on either side: eight times what the longest rule may match."""


class Position(NamedTuple):
    """A place in a text, as editors count: line and column from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a text with context around the part it answers for.

    Attributes:
        text: The stretch, context included.
        start: Where the part it answers for begins in ``text``.
        end: Where that part ends.
        offset: Where ``text`` begins in the whole text.
        at: The position of ``start`` in the whole text.
        last: Whether nothing follows.
    """

    text: str = field(repr=False)
    start: int
    end: int
    offset: int
    at: Position
    last: bool

    def owns(self, index: int) -> bool:
        """Whether something that begins at ``index`` is this window's to report."""
        return self.start <= index and (index < self.end or self.last)

    def position(self, index: int) -> Position:
        """Line and column of ``index``, which must not lie before ``start``."""
        return _after(self.at, self.text, self.start, index)


def windows(
    pieces: Iterable[str], *, size: int = WINDOW, overlap: int = OVERLAP
) -> Iterator[Window]:
    """Cut the text that ``pieces`` make up into windows, at line ends where there are any.

    Holds no more than a window and a piece in memory.
    """
    source = iter(pieces)
    text, start, offset = "", 0, 0
    at = Position(1, 1)
    ended = False
    while True:
        parts = [text]
        length = len(text)
        while not ended and length - start <= size + overlap:
            piece = next(source, None)
            ended = piece is None
            parts.append(piece or "")
            length += len(piece or "")
        text = "".join(parts)
        if len(text) - start <= size + overlap:
            yield Window(text, start, len(text), offset, at, last=True)
            return
        end = start + size
        line_end = text.rfind("\n", max(start, end - overlap), end)
        if line_end >= 0:
            end = line_end + 1
        yield Window(text[: end + overlap], start, end, offset, at, last=False)
        at = _after(at, text, start, end)
        drop = max(0, end - overlap)
        text, start, offset = text[drop:], end - drop, offset + drop


def _after(at: Position, text: str, start: int, end: int) -> Position:
    lines = text.count("\n", start, end)
    if not lines:
        return Position(at.line, at.column + end - start)
    return Position(at.line + lines, end - text.rfind("\n", start, end))
