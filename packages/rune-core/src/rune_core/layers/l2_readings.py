"""What layer 2 reads of a text: the text, and what other readings of it say that it does not.

A view of a page without its markup repeats nearly all of the page. The encoder, the dear part of a
scan, need not read that twice: only the stretches of a view with words, or sequences of words, that
no reading before it had.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from rune_core.layers.l2_disguises import undone
from rune_scanner.finding import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.layers.l2_disguises import Undone
    from rune_scanner.views import OffsetMap

MAX_VIEWS = 8
"""Views read besides the text; how many there were beyond these is reported."""
_LEAST_VIEW = 12
_LEAST_GAIN = 8
_WORD = re.compile(r"[^\W_]+")
_BROKEN = 4
"""New neighbours within ``_NEAR`` words that make a stretch new where every word is known. Fewer
leave the sentence as it stood, but for so many interruptions."""
_NEAR = 64


class View(NamedTuple):
    """A reading of the text, with its way back; None where it is the text itself.

    Attributes:
        name: As the scanner names it.
        text: What it says.
        offsets: Maps it to the text.
        news: Where it says what no reading before it said, in order; None for all of it.
    """

    name: str
    text: str
    offsets: OffsetMap | None
    news: Sequence[tuple[int, int]] | None = None

    def original(self, start: int, end: int) -> Span:
        """Where characters of this reading came from."""
        return Span(start, end) if self.offsets is None else self.offsets.to_original(start, end)


def readings(text: str) -> tuple[list[View], int]:
    """The text, the readings that say what it does not spell out, and how many were too many."""
    from rune_scanner.views import build_views

    raw, *others = build_views(text).views
    found = [View("raw", text, None)]
    known: _Known | None = None

    def add(name: str, content: str, offsets: OffsetMap) -> None:
        nonlocal known
        if known is None:
            known = _Known()
            known.learn(text)
        news = known.news(content)
        if news:
            found.append(View(name, content, offsets, news))

    plain = {way.name: way for way in undone(text)}
    for name, way in plain.items():
        add(name, *_put_back(text, way))
    if not text.isascii() and _disguised(text, raw.folded):
        add("folded", raw.folded, raw.folded_offsets)
    for view in others:
        content = view.text.strip()
        # What was undone where it stands need not be read among the rest, undone as well.
        if len(content) >= _LEAST_VIEW and content not in text and view.name not in plain:
            add(view.name, view.text, view.offsets)
    return found[: 1 + MAX_VIEWS], max(0, len(found) - 1 - MAX_VIEWS)


def _put_back(text: str, way: Undone) -> tuple[str, OffsetMap]:
    """The text with its stretches undone."""
    from rune_scanner.views import OffsetMap
    from rune_scanner.views.rewrite import edit_pieces

    parts, at = [], 0
    for stretch in way.stretches:
        parts += [text[at : stretch.start], stretch.text]
        at = stretch.end
    plain = "".join([*parts, text[at:]])
    pieces = partial(edit_pieces, way.stretches, len(text))
    return plain, OffsetMap(pieces, len(plain))


class _Known:
    """The words that were read, and which of them stood beside each other."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._pairs: set[tuple[str, str]] = set()

    def learn(self, text: str) -> None:
        words = [found.lower() for found in _WORD.findall(text)]
        self._words.update(words)
        self._pairs.update(pairwise(words))

    def news(self, text: str) -> list[tuple[int, int]]:
        """Stretches of a text that hold a new word, or enough new neighbours; learns them."""
        found: list[tuple[int, int]] = []
        broken: list[tuple[int, int, int]] = []
        before = ""
        pairs: list[tuple[str, str]] = []
        words: list[str] = []
        for number, match in enumerate(_WORD.finditer(text)):
            word = match.group().lower()
            pair = (before, word)
            if word not in self._words:
                found.append(match.span())
                words.append(word)
            if before and pair not in self._pairs:
                pairs.append(pair)
                broken.append((number, *match.span()))
            before = word
        for first, last in zip(broken, broken[_BROKEN - 1 :], strict=False):
            if last[0] - first[0] < _NEAR:
                found.append((first[1], last[2]))
        self._words.update(words)
        self._pairs.update(pairs)
        return _merged(found)


def _merged(stretches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _disguised(text: str, folded: str) -> bool:
    """Whether folding turned letters of other alphabets or forms into plain English ones.

    A text in another language keeps most of its letters when folded, and is read as it is.
    """
    letters = [c for c in folded if c.isalpha()]
    plain = sum(c.isascii() for c in letters)
    gained = plain - sum(c.isascii() and c.isalpha() for c in text)
    return gained >= _LEAST_GAIN and plain >= 0.9 * len(letters)
