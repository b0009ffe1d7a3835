"""Deriving one text from another while keeping the way back.

Two shapes cover every decoder. *Edits* change a text here and there and keep the rest
(``%41`` → ``A``). A *Collage* pastes stretches of a text, decoded or not, into a new one
(all HTML comments, one a line).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from rune_scanner.views.base import OffsetMap, Piece

Edit: TypeAlias = tuple[int, int, str, int]
"""``(start, end, replacement, stride)``: in order, not overlapping. For strides see ``Piece``."""

Editor: TypeAlias = Callable[[str], Iterable[Edit]]

_JOIN_EVERY = 65_536


class Reading(NamedTuple):
    """A text on its way to becoming a view: what it says and where that came from."""

    name: str
    text: str
    offsets: OffsetMap
    hidden: bool = False

    def named(self, step: str) -> str:
        """The name of what ``step`` makes of this reading."""
        return step if self.name == "raw" else f"{self.name}>{step}"


def edit(text: str, offsets: OffsetMap, editor: Editor) -> tuple[str, OffsetMap] | None:
    """The text with all edits made, and its map; None if there is nothing to edit.

    The edits are not kept: an editor is a pure function of its text, so the map asks it again
    if a rule ever matches. That keeps memory flat on texts made of nothing but escapes.
    """
    done: list[str] = []
    parts: list[str] = []
    at = 0
    changed = False
    for start, end, new, _ in editor(text):
        changed = True
        parts.append(text[at:start])
        parts.append(new)
        at = end
        if len(parts) > _JOIN_EVERY:
            done.append("".join(parts))
            parts.clear()
    if not changed:
        return None
    parts.append(text[at:])
    result = "".join([*done, *parts])
    return result, OffsetMap(lambda: edit_pieces(editor(text), len(text)), len(result), offsets)


def edit_pieces(edits: Iterable[Edit], length: int) -> Iterator[Piece]:
    """The pieces of a text of ``length`` characters after ``edits``."""
    at = view_at = 0
    for start, end, new, stride in edits:
        if start > at:
            yield view_at, at, start, 1
            view_at += start - at
        if new:
            yield view_at, start, end, stride
            view_at += len(new)
        at = end
    if at < length:
        yield view_at, at, length, 1


class Collage:
    """A text put together from stretches of another, in order."""

    __slots__ = ("_done", "_ends", "_length", "_parts", "_starts", "_strides", "_view_starts")

    def __init__(self) -> None:
        self._done: list[str] = []
        self._parts: list[str] = []
        # Columns, since a page of ten megabytes has millions of stretches.
        self._view_starts = array("q")
        self._starts = array("q")
        self._ends = array("q")
        self._strides = array("b")
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def paste(self, text: str, start: int, end: int, stride: int = 1) -> None:
        """Append ``text``, which came from ``[start, end)``."""
        if not text:
            return
        self._view_starts.append(self._length)
        self._starts.append(start)
        self._ends.append(end)
        self._strides.append(stride)
        self._parts.append(text)
        self._length += len(text)
        if len(self._parts) > _JOIN_EVERY:
            self._done.append("".join(self._parts[:-1]))
            del self._parts[:-1]

    def paste_edited(self, text: str, start: int, end: int, editor: Editor) -> None:
        """Append ``text[start:end]`` after ``editor`` has been over it."""
        at = start
        for edit_start, edit_end, new, stride in editor(text[start:end]):
            self.paste(text[at : start + edit_start], at, start + edit_start)
            self.paste(new, start + edit_start, start + edit_end, stride)
            at = start + edit_end
        self.paste(text[at:end], at, end)

    def line_break(self, at: int) -> None:
        """Begin a new line, unless at the start of one. It came from nowhere, at ``at``."""
        if self._parts and not self._parts[-1].endswith("\n"):
            self.paste("\n", at, at, 0)

    def finish(self, offsets: OffsetMap) -> tuple[str, OffsetMap]:
        """The text and its map; ``offsets`` is the map of the text the stretches are from."""
        text = "".join([*self._done, *self._parts])
        pieces = zip(self._view_starts, self._starts, self._ends, self._strides, strict=True)
        return text, OffsetMap(pieces, self._length, offsets)
