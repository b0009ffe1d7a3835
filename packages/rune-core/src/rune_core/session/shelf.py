"""Texts of one trust, searchable as one string by what they hold of letters and digits."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from rune_core.session.distinctive import Part, PartKind, dates_in, numbers_in
from rune_scanner.finding import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_core.session.sources import Source
    from rune_scanner.views import View

_K = TypeVar("_K")

_TOKEN: Final = re.compile(r"[^\W_]+")
_EDGE: Final = 8
_TRIES: Final = 16
_BOTH_SIDES: Final = frozenset(PartKind) - {PartKind.IDENTIFIER}


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a part was seen: ``source.text[span.start:span.end]`` holds it."""

    source: Source
    span: Span


class Reading:
    """One view of a source, squashed to letters and digits, with the way back.

    Args:
        source: The source.
        view: The view of its text.
    """

    __slots__ = ("_begins", "_view", "dates", "numbers", "source", "squashed", "starts")

    def __init__(self, source: Source, view: View) -> None:
        self.source = source
        self._view = view
        begins, starts, tokens, length = array("I"), array("I"), [], 0
        for token in _TOKEN.finditer(view.folded):
            begins.append(token.start())
            starts.append(length)
            tokens.append(token[0])
            length += len(token[0])
        starts.append(length)
        self.squashed = "".join(tokens)
        # Where each word begins in `folded`; and in `squashed`, and last where the last one ends.
        self._begins = begins
        self.starts = starts
        self.numbers: dict[str, tuple[int, int]] = {}
        for key, start, end in numbers_in(view.folded):
            self.numbers.setdefault(key, (start, end))
        self.dates = frozenset(dates_in(view.folded))

    def span(self, start: int, end: int) -> Span:
        """The original range of ``folded[start:end]``."""
        return Span(*self._view.folded_offsets.to_original(start, end))

    def borders(self, start: int, end: int) -> tuple[bool, bool]:
        """Whether ``squashed[start:end]`` begins, and ends, where a word does."""
        starts = self.starts
        left = starts[bisect_left(starts, start)] == start
        return left, starts[bisect_left(starts, end)] == end

    def original(self, start: int, end: int) -> Span:
        """The original range of ``squashed[start:end]``, which is not empty."""
        first = bisect_right(self.starts, start) - 1
        last = bisect_left(self.starts, end) - 1
        return self.span(
            self._begins[first] + start - self.starts[first],
            self._begins[last] + end - self.starts[last],
        )

    def edges(self) -> tuple[Iterable[str], Iterable[str]]:
        """How the words begin, and how they end, each with what stands beside them."""
        squashed = self.squashed
        heads = {squashed[start : start + _EDGE] for start in self.starts}
        tails = {squashed[max(0, end - _EDGE) : end] for end in self.starts}
        return heads, tails


class Shelf:
    """All readings of one trust. Adding and taking away cost as much as the text is long."""

    def __init__(self) -> None:
        self._readings: dict[Reading, None] = {}
        self._numbers: dict[str, list[Reading]] = {}
        self._dates: dict[str, list[Reading]] = {}
        self._heads: dict[str, int] = {}
        self._tails: dict[str, int] = {}
        self._joined: str | None = None
        self._in_order: list[Reading] = []
        self._starts: list[int] = []

    def add(self, reading: Reading) -> None:
        """Put a reading on it."""
        self._readings[reading] = None
        self._joined = None
        for counts, edges in zip((self._heads, self._tails), reading.edges(), strict=True):
            for edge in edges:
                counts[edge] = counts.get(edge, 0) + 1
        for key in reading.numbers:
            self._numbers.setdefault(key, []).append(reading)
        for key in reading.dates:
            self._dates.setdefault(key, []).append(reading)

    def remove(self, reading: Reading) -> None:
        """Take a reading off it."""
        del self._readings[reading]
        self._joined = None
        for counts, edges in zip((self._heads, self._tails), reading.edges(), strict=True):
            for edge in edges:
                if counts[edge] == 1:
                    del counts[edge]
                else:
                    counts[edge] -= 1
        for key in reading.numbers:
            _take(self._numbers, key, reading)
        for key in reading.dates:
            _take(self._dates, key, reading)

    def find(self, part: Part) -> Sighting | None:
        """The first place that holds ``part``; None if there is none."""
        if part.kind is PartKind.NUMBER:
            numbered = self._numbers.get(part.key)
            if not numbered:
                return None
            reading = numbered[0]
            return Sighting(reading.source, reading.span(*reading.numbers[part.key]))
        if part.kind is PartKind.DATE:
            dated = self._dates.get(part.key)
            if not dated:
                return None
            source = dated[0].source
            return Sighting(source, Span(0, len(source.text)))
        return self.find_text(part.key, both_sides=part.kind in _BOTH_SIDES)

    def find_text(self, key: str, *, both_sides: bool = True) -> Sighting | None:
        """The first place where ``key`` (squashed) stands between word borders.

        Args:
            key: What to look for.
            both_sides: Whether it must end at a border on both sides, or may be the beginning
                or end of a longer word (a split account number).
        """
        if not key or not self._may_hold(key, both_sides=both_sides):
            return None
        joined = self._join()
        at = joined.find(key)
        for _ in range(_TRIES):
            if at < 0:
                return None
            index = bisect_right(self._starts, at) - 1
            reading = self._in_order[index]
            start = at - self._starts[index]
            left, right = reading.borders(start, start + len(key))
            loose = not both_sides and len(key) >= _EDGE
            if (left and right) or (loose and (left or right)):
                return Sighting(reading.source, reading.original(start, start + len(key)))
            at = joined.find(key, at + 1)
        return None

    def _may_hold(self, key: str, *, both_sides: bool) -> bool:
        """Rule out most keys without a search: no word begins, or ends, as they do."""
        if len(key) < _EDGE:
            return True
        head = key[:_EDGE] in self._heads
        return head if both_sides else head or key[-_EDGE:] in self._tails

    def _join(self) -> str:
        if self._joined is None:
            self._in_order = list(self._readings)
            self._starts = []
            position = 0
            for reading in self._in_order:
                self._starts.append(position)
                position += len(reading.squashed) + 1
            self._joined = "\0".join(reading.squashed for reading in self._in_order)
        return self._joined


def _take(index: dict[_K, list[Reading]], key: _K, reading: Reading) -> None:
    readings = index[key]
    readings.remove(reading)
    if not readings:
        del index[key]
