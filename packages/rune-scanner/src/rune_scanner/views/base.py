"""What a view is: a text derived from the original, with a map back to it.

Every view keeps the way back, so that a match in a decoded or normalised text has a true
span in the text the caller passed, and redaction cuts the right characters.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rune_scanner.finding import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Piece: TypeAlias = tuple[int, int, int, int]
"""``(view_start, original_start, original_end, stride)``.

``stride`` is the number of original characters behind each character of the view: 1 where
nothing changed, 3 for ``%41``, -1 where the view runs backwards. 0 means that the piece maps as
a whole: a range that touches it maps to all of the stretch.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one scan may cost. What a bound cut off is reported, never called clean.

    Attributes:
        max_depth: How many decodings may be nested.
        max_views: How many views one text may have.
        max_view_chars: Characters that all derived views together may hold, as a multiple of
            the text's length plus a constant (see ``budget``).
        max_findings_per_rule: Matches of one rule reported one by one; what comes after is
            reported as one finding that spans the rest of the matches.
    """

    max_depth: int = 4
    max_views: int = 64
    max_view_chars: float = 12.0
    max_findings_per_rule: int = 1_000

    def budget(self, length: int) -> int:
        """Characters all derived views of a text of ``length`` characters may hold together."""
        return int(length * self.max_view_chars) + 65_536


class OffsetMap:
    """Maps ranges of a view to ranges of the original text.

    The view is cut into consecutive pieces, each of which says how its characters lie in the
    original: see ``Piece``. The pieces may come late: most views match no rule, so their
    pieces are worked out on the first question only.

    Args:
        pieces: The pieces in order of ``view_start``, the first at 0, without gaps in the
            view; or a function that makes them. Original stretches need not be contiguous.
        view_length: The view's length in characters.
        base: If given, the pieces speak of another view, and this is that view's map.
    """

    __slots__ = ("_base", "_shift", "_source", "_table", "_view_length")

    def __init__(
        self,
        pieces: Iterable[Piece] | Callable[[], Iterable[Piece]],
        view_length: int,
        base: OffsetMap | None = None,
    ) -> None:
        self._source = pieces
        self._view_length = view_length
        self._base = base
        self._shift: int | None = None
        self._table: _Table | None = None

    @classmethod
    def identity(cls, length: int, offset: int = 0) -> OffsetMap:
        """The map of a view that is ``original[offset:offset + length]`` as it stands."""
        made = cls((), length)
        made._shift = offset
        return made

    def to_original(self, start: int, end: int) -> Span:
        """The smallest original range that holds everything ``view[start:end]`` came from.

        An empty range maps to an empty range. Positions outside the view are moved into it.
        """
        start = min(max(start, 0), self._view_length)
        end = min(max(end, start), self._view_length)
        if self._shift is not None:
            return Span(start + self._shift, end + self._shift)
        if self._table is None:
            self._table = _Table(self._source() if callable(self._source) else self._source)
            self._source = ()
        low, high = self._table.range_of(start, end)
        if self._base is not None:
            return self._base.to_original(low, high)
        return Span(low, high)


class _Table:
    """The pieces of one map as columns: 25 bytes a piece, where a list of tuples takes 150."""

    __slots__ = ("_ends", "_ordered", "_starts", "_strides", "_view_starts")

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._view_starts = array("q")
        self._starts = array("q")
        self._ends = array("q")
        self._strides = array("b")
        ordered = True
        reached = 0
        for view_start, start, end, stride in pieces:
            self._view_starts.append(view_start)
            self._starts.append(start)
            self._ends.append(end)
            self._strides.append(stride)
            ordered = ordered and start >= reached
            reached = end
        self._ordered = ordered

    def range_of(self, start: int, end: int) -> tuple[int, int]:
        """The hull of what ``[start, end)`` came from. Looks at two pieces if all lie in order."""
        if not self._view_starts:
            return 0, 0
        if start == end:
            low, high = self._part(max(bisect_right(self._view_starts, start) - 1, 0), start, end)
            return low, low if start == end else high
        first = bisect_right(self._view_starts, start) - 1
        last = bisect_left(self._view_starts, end) - 1
        if self._ordered:
            return self._part(first, start, end)[0], self._part(last, start, end)[1]
        parts = [self._part(index, start, end) for index in range(first, last + 1)]
        return min(low for low, _ in parts), max(high for _, high in parts)

    def _part(self, index: int, start: int, end: int) -> tuple[int, int]:
        """What the part of ``[start, end)`` that lies in one piece came from."""
        low, high, stride = self._starts[index], self._ends[index], self._strides[index]
        if stride == 0:
            return low, high
        ahead = max(start - self._view_starts[index], 0)
        reach = max(end - self._view_starts[index], 0)
        if stride > 0:
            return min(low + ahead * stride, high), min(low + reach * stride, high)
        return max(high + reach * stride, low), max(high + ahead * stride, low)


@dataclass(frozen=True, slots=True)
class View:
    """One reading of the text.

    Attributes:
        name: ``raw`` for the text itself, else the decodings that led here, outermost first,
            joined with ``>``: ``base64``, ``url>html``.
        text: The reading, with its letter case kept. Lone surrogates are replaced by U+FFFD,
            one for one, so that ``text`` can always be encoded as UTF-8.
        offsets: Maps ``text`` to the original.
        folded: ``text`` normalised for wording rules: NFKC, invisible characters dropped,
            confusables mapped to ASCII, lower case.
        folded_offsets: Maps ``folded`` to the original.
        hidden: Whether a person looking at the rendered text would not see this reading
            (encoded, in a comment, in invisible characters). Instructions here weigh more.
    """

    name: str
    text: str
    offsets: OffsetMap
    folded: str
    folded_offsets: OffsetMap
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Views:
    """All readings of one text.

    Attributes:
        views: The views, ``raw`` first.
        limits_hit: Names of bounds that cut something off: ``depth``, ``views``, ``chars``.
            Empty when every reading was followed to its end.
    """

    views: tuple[View, ...]
    limits_hit: tuple[str, ...] = field(default=())
