"""Find what a text puts between quotation marks, in back-ticks, code blocks and block quotes."""

from __future__ import annotations

import re
from bisect import bisect_right
from operator import itemgetter
from typing import Final, TypeAlias

Bounds: TypeAlias = "tuple[int, int]"
"""From the opening mark to after the closing one, in characters of the text."""

_STEP: Final = 700
_LONGEST: Final = 900
_BLOCK: Final = 4000
_DEEPEST: Final = 4
_WRAPPED: Final = 240  # a line longer than this was not broken to fit a page
_MARK: Final = re.compile(
    "(\\\\*)([\"'\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb\u300c-\u300f]|`+)"
)
_CLOSES: Final = {
    "\u201d": ("\u201c", "\u201e"),
    "\u2019": ("\u2018",),
    "\u00bb": ("\u00ab",),
    "\u300d": ("\u300c",),
    "\u300f": ("\u300e",),
}
_OPENS: Final = frozenset("\u201c\u201e\u2018\u00ab\u300c\u300e")
# JSON inside JSON: keys are between quotation marks too, unlike those of YAML and of programs.
_STRUCTURE: Final = re.compile(r"(?:\"\s?:|[\[{,])\s?\Z")
_PREFIX: Final = frozenset("rRbBfFuU")
_FENCE: Final = re.compile(
    r"^[ \t>]{0,8}(?:`{3,8}|~{3,8})[ \t]{0,4}(?P<language>[^\s`]{0,40})", re.MULTILINE
)
_QUOTE: Final = re.compile(r"[ \t]{0,8}>")
_CODE: Final = ("    ", "\t")
# A line that begins something of its own, and does not go on with the sentence before it.
_BEGINS: Final = re.compile(r"[ \t]{0,8}(?:[-*+#|>\u2022]|\d{1,3}[.)]|```|~~~|$)", re.MULTILINE)


class Quotations:
    """The quotations of one text. Looked for where somebody asks, and once; linear in the text.

    Args:
        text: The text.
        in_json: The text is JSON: a quotation mark that JSON needs is none of its contents'.
            Marks with as many backslashes as JSON inside JSON would need are told apart by what
            stands before them.
    """

    __slots__ = ("_blocks", "_fences", "_in_json", "_text", "_windows")

    def __init__(self, text: str, *, in_json: bool = False) -> None:
        self._text = text
        self._in_json = in_json
        self._windows: dict[Bounds, list[Bounds]] = {}
        self._blocks: dict[int, Bounds | None] = {}
        self._fences: list[Bounds] | None = None

    def block(self, start: int) -> Bounds | None:
        """The block quote or code block around a place; None without one, and in JSON."""
        if self._in_json:
            return None
        # Bounded: a line may be the whole text, and hold any number of matches.
        least = max(0, start - _BLOCK)
        low = self._text.rfind("\n", least, start) + 1
        block = None
        if low or not least:
            if low not in self._blocks:
                self._blocks[low] = self._block(low)
            block = self._blocks[low]
        return block or self.fence(start)

    def inline(self, start: int, end: int) -> Bounds | None:
        """The quotation in the lines that hold ``start`` to ``end``; None without one.

        Prose is broken into lines, so it may begin in the line before and end in the line after.
        """
        text = self._text
        low = text.rfind("\n", max(0, start - _BLOCK), start) + 1
        stop = text.find("\n", end, end + _BLOCK)
        high = len(text) if stop < 0 else stop
        found = self._around(low, high, start, end)
        if found is None and not self._in_json:
            wide = self._unwrapped(low, high)
            if wide != (low, high):
                found = self._around(*wide, start, end)
                # Two apostrophes in two lines are no pair.
                if found is not None and text.startswith("'", found[0]):
                    return None
        return found

    def _unwrapped(self, low: int, high: int) -> Bounds:
        """The same from the line before to the line after, as far as a sentence may go on there."""
        text = self._text
        above, below = low, high
        if low > 0 and text[low - 1] == "\n" and _BEGINS.match(text, low) is None:
            least = max(0, low - 1 - _WRAPPED)
            line = text.rfind("\n", least, low - 1) + 1
            if (line or not least) and text[line : low - 1].strip():
                above = line
        if high < len(text) and text[high] == "\n" and _BEGINS.match(text, high + 1) is None:
            most = min(len(text), high + 1 + _WRAPPED)
            stop = text.find("\n", high + 1, most)
            if stop >= 0 or most == len(text):
                below = stop if stop >= 0 else most
        return above, below

    def _around(self, low: int, high: int, start: int, end: int) -> Bounds | None:
        """The quotation from ``low`` to ``high`` that holds ``start`` to ``end``."""
        # Long lines are looked at in pieces that lie where they lie whatever is asked for.
        low = max(low, (start // _STEP - 1) * _STEP)
        high = min(high, (end // _STEP + 2) * _STEP)
        found = self._windows.get((low, high))
        if found is None:
            found = self._windows[low, high] = self._between(low, high)
        for bounds in found:
            if bounds[0] <= start and end <= bounds[1]:
                return bounds
        return None

    def _between(self, low: int, high: int) -> list[Bounds]:
        """The quotations of one line, or a piece of it, narrowest first where they are nested."""
        text = self._text
        found: list[Bounds] = []
        open_at: dict[str, list[tuple[int, bool]]] = {}
        for mark in _MARK.finditer(text, low, high):
            at, after = mark.span()
            slashes, sign = mark.groups()
            # Programs put a letter before some strings: r"…".
            prefixed = at > low and text[at - 1] in _PREFIX and not text[at - 2 : at - 1].isalnum()
            before_word = (
                at > low and (text[at - 1].isalnum() or text[at - 1] == "_") and not prefixed
            )
            after_word = after < high and (text[after].isalnum() or text[after] == "_")
            before_space = after >= high or text[after].isspace()
            if sign in _CLOSES or sign == "\u201c":
                # German closes with the mark that English opens with.
                openers = ("\u201e",) if sign == "\u201c" else _CLOSES[sign]
                opener = next((one for one in openers if open_at.get(one)), None)
                if opener is not None and not (sign == "\u2019" and after_word):
                    found.append((open_at[opener].pop()[0], after))
                    continue
            if sign in _OPENS:
                _push(open_at, sign, at)
                continue
            kind = slashes + sign if sign == '"' else sign
            if sign == '"' and self._in_json and not slashes:
                continue
            pending = open_at.get(kind)
            if sign == "'" and pending and not before_word and after_word:
                _push(open_at, kind, at)  # one inside another
            elif pending and not (sign == "'" and after_word):
                opening, structural = pending.pop()
                if not structural:
                    found.append((opening, after))
            elif not before_word and not before_space and not pending:
                structural = bool(slashes) and _STRUCTURE.search(text, low, at) is not None
                _push(open_at, kind, at, structural=structural)
        return [bounds for bounds in found if bounds[1] - bounds[0] <= _LONGEST]

    def fence(self, start: int) -> Bounds | None:
        """The fenced code block around a place."""
        if self._fences is None:
            self._fences = self._pair_fences()
        index = bisect_right(self._fences, start, key=itemgetter(0)) - 1
        if index >= 0 and start < self._fences[index][1]:
            return self._fences[index]
        return None

    def _pair_fences(self) -> list[Bounds]:
        """The fenced code blocks. One that never ends is none, and nor is a longer one.

        Only an opening fence names a language. A text may be cut from a longer one, and begin with
        the end of a block.
        """
        blocks: list[Bounds] = []
        opening: int | None = None
        for found in _FENCE.finditer(self._text):
            if opening is None or found["language"]:
                opening = found.start()
            else:
                if found.start() - opening <= _BLOCK:
                    blocks.append((opening, found.end()))
                opening = None
        return blocks

    def _block(self, low: int) -> Bounds | None:
        """The block quote or indented code block that the line at ``low`` belongs to."""
        text = self._text
        quoted = _QUOTE.match(text, low) is not None
        if not quoted and not text.startswith(_CODE, low):
            return None
        opening, least = low, max(0, low - _BLOCK)
        while opening > least:
            above = text.rfind("\n", least, opening - 1) + 1
            if not above and least:
                break
            if quoted:
                if _QUOTE.match(text, above) is None:
                    break
            elif not text.startswith(_CODE, above):
                if text[above:opening].strip():
                    return None  # an indented line of a paragraph or list
                break
            opening = above
        closing, most = low, low + _BLOCK
        while True:
            stop = text.find("\n", closing)
            if stop < 0:
                return opening, len(text)
            same = _QUOTE.match(text, stop + 1) if quoted else text.startswith(_CODE, stop + 1)
            if not same or stop > most:
                return opening, stop
            closing = stop + 1


def _push(
    open_at: dict[str, list[tuple[int, bool]]], kind: str, at: int, *, structural: bool = False
) -> None:
    pending = open_at.setdefault(kind, [])
    if len(pending) == _DEEPEST:
        del pending[0]
    pending.append((at, structural))
