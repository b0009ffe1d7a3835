"""What a session has read, kept so that a later value can be traced back to it.

Bounded by characters, oldest untrusted text first out. What was evicted is remembered as a fact:
from then on a distinctive value that nobody is known to have said counts as untrusted.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, count
from threading import RLock
from typing import TYPE_CHECKING, Final

from rune_core.session.distinctive import (
    Part,
    PartKind,
    dates_in,
    numbers_in,
)
from rune_core.session.intent import Requests, user_asks_for, user_delegates
from rune_scanner.finding import Span
from rune_scanner.views import build_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rune_scanner.finding import Finding
    from rune_scanner.views import View

_TOKEN: Final = re.compile(r"[^\W_]+")
_EDGE: Final = 8
_TRIES: Final = 16
_BOTH_SIDES: Final = frozenset(PartKind) - {PartKind.IDENTIFIER}


class Trust(StrEnum):
    """Who said a text."""

    USER = "user"
    SYSTEM = "system"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class Source:
    """One text the session has read.

    Attributes:
        id: Its number within the session, from 1.
        trust: Who said it.
        text: The text. Never leaves the process, not part of ``repr``.
        tool: The tool that returned it, or another name for where it came from.
        message_id: The message it came in, so that rebuilding from history adds nothing twice.
        findings: What the scan of this text found, with spans in it; those of instructions
            widened to the paragraph, whose other sentences are part of them.
    """

    id: int
    trust: Trust
    text: str = field(repr=False)
    tool: str | None = None
    message_id: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a part was seen: ``source.text[span.start:span.end]`` holds it."""

    source: Source
    span: Span


class _Reading:
    """One view of a source, squashed to letters and digits, with the way back."""

    __slots__ = ("_view", "source", "squashed", "starts")

    def __init__(self, source: Source, view: View) -> None:
        self.source = source
        self._view = view
        tokens = _TOKEN.findall(view.folded)
        self.squashed = "".join(tokens)
        # Where each word begins in `squashed` and, last, where the last one ends.
        self.starts = [0, *accumulate(map(len, tokens))]

    @property
    def folded(self) -> str:
        return self._view.folded

    def span(self, start: int, end: int) -> Span:
        """The original range of ``folded[start:end]``."""
        return Span(*self._view.folded_offsets.to_original(start, end))

    def borders(self, start: int, end: int) -> tuple[bool, bool]:
        """Whether ``squashed[start:end]`` begins, and ends, where a word does."""
        starts = self.starts
        left = starts[bisect_left(starts, start)] == start
        return left, starts[bisect_left(starts, end)] == end

    def original(self, start: int, end: int) -> Span:
        """The original range of ``squashed[start:end]``."""
        first = last = -1
        position = 0
        for token in _TOKEN.finditer(self._view.folded):
            length = token.end() - token.start()
            if first < 0 and start < position + length:
                first = token.start() + start - position
            if end <= position + length:
                last = token.start() + end - position
                break
            position += length
        return self.span(first, last)


class _Shelf:
    """All readings of one trust, searchable as one string."""

    def __init__(self) -> None:
        self.readings: list[_Reading] = []
        self.numbers: dict[str, tuple[_Reading, int, int]] = {}
        self.dates: dict[str, _Reading] = {}
        self._joined: str | None = None
        self._starts: list[int] = []
        self._heads: set[str] = set()
        self._tails: set[str] = set()

    def add(self, reading: _Reading) -> None:
        self.readings.append(reading)
        self._joined = None
        squashed = reading.squashed
        self._heads.update(squashed[start : start + _EDGE] for start in reading.starts)
        self._tails.update(squashed[max(0, end - _EDGE) : end] for end in reading.starts)
        lower = reading.folded
        for key, start, end in numbers_in(lower):
            self.numbers.setdefault(key, (reading, start, end))
        for key in dates_in(lower):
            self.dates.setdefault(key, reading)

    def find(self, part: Part) -> Sighting | None:
        """The first place that holds ``part``; None if there is none."""
        if part.kind is PartKind.NUMBER:
            number = self.numbers.get(part.key)
            if number is None:
                return None
            reading, start, end = number
            return Sighting(reading.source, reading.span(start, end))
        if part.kind is PartKind.DATE:
            dated = self.dates.get(part.key)
            return Sighting(dated.source, Span(0, len(dated.source.text))) if dated else None
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
            reading = self.readings[index]
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
            self._starts = []
            position = 0
            for reading in self.readings:
                self._starts.append(position)
                position += len(reading.squashed) + 1
            self._joined = "\0".join(reading.squashed for reading in self.readings)
        return self._joined


class Sources:
    """Everything a session has read, by trust. Threads may share it.

    Args:
        max_chars: Characters of untrusted text to keep; the oldest go first. User and system
            texts have a bound of the same size of their own.
    """

    def __init__(self, max_chars: int = 500_000) -> None:
        self._max_chars = max_chars
        self._lock = RLock()
        self._ids = count(1)
        self._kept: OrderedDict[str | int, Source] = OrderedDict()
        self._chars = dict.fromkeys(Trust, 0)
        self._shelves = {trust: _Shelf() for trust in Trust}
        self._requests: dict[int, Requests] = {}
        self._evicted = False

    @property
    def evicted(self) -> bool:
        """Whether something was dropped, so that "nobody said it" can no longer be known."""
        return self._evicted

    def mark_incomplete(self) -> None:
        """Say that this memory misses a part of the run, as after a resume."""
        self._evicted = True

    def knows(self, message_id: str) -> bool:
        """Whether the text of a message is kept."""
        return message_id in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def chars(self) -> int:
        """Characters kept."""
        return sum(self._chars.values())

    def add(
        self,
        text: str,
        trust: Trust,
        *,
        tool: str | None = None,
        message_id: str | None = None,
        findings: Sequence[Finding] = (),
    ) -> Source:
        """Remember a text; a ``message_id`` seen before with the same text changes nothing."""
        with self._lock:
            kept = self._kept.get(message_id) if message_id is not None else None
            if kept is not None and kept.text == text and kept.trust is trust:
                return kept
            source = Source(next(self._ids), trust, text, tool, message_id, tuple(findings))
            if kept is not None:
                self._drop(kept)
            self._kept[message_id if message_id is not None else source.id] = source
            self._chars[trust] += len(text)
            for view in build_views(text).views:
                self._shelves[trust].add(_Reading(source, view))
            self._evict(trust)
            return source

    def find(self, part: Part, trust: Trust) -> Sighting | None:
        """Where a text of ``trust`` holds ``part``."""
        with self._lock:
            return self._shelves[trust].find(part)

    def find_text(self, squashed: str, trust: Trust) -> Sighting | None:
        """Where a text of ``trust`` holds ``squashed`` between word borders."""
        with self._lock:
            return self._shelves[trust].find_text(squashed)

    def find_number(self, key: str, trust: Trust) -> Sighting | None:
        """Where a text of ``trust`` holds this number, distinctive or not."""
        return self.find(Part(PartKind.NUMBER, key), trust)

    def text_asks_for(self, tool: str, at: Sighting | None = None) -> bool:
        """Whether a text the agent read asks for a call of ``tool``.

        Args:
            tool: The tool's name.
            at: Look only at the sentence around this place.
        """
        with self._lock:
            if at is not None:
                return self._requests_of(at.source).ask_for(tool, at.span)
            return any(
                self._requests_of(source).ask_for(tool)
                for source in self._kept.values()
                if source.trust is Trust.UNTRUSTED
            )

    def holds(self, trust: Trust) -> bool:
        """Whether anything of this trust is kept."""
        return self._chars[trust] > 0

    def user_asks_for(self, tool: str) -> bool:
        """Whether the user's words ask for this kind of call."""
        return any(user_asks_for(tool, text) for text in self._texts(Trust.USER))

    def user_delegates(self) -> bool:
        """Whether the user told the agent to do what some text says."""
        return any(map(user_delegates, self._texts(Trust.USER)))

    def _texts(self, trust: Trust) -> list[str]:
        with self._lock:
            return [source.text for source in self._kept.values() if source.trust is trust]

    def _requests_of(self, source: Source) -> Requests:
        requests = self._requests.get(source.id)
        if requests is None:
            requests = self._requests[source.id] = Requests(source.text)
        return requests

    def __iter__(self) -> Iterator[Source]:
        with self._lock:
            return iter(list(self._kept.values()))

    def _evict(self, trust: Trust) -> None:
        while self._chars[trust] > self._max_chars:
            oldest = next((s for s in self._kept.values() if s.trust is trust), None)
            if oldest is None:
                return
            self._evicted = True
            self._drop(oldest)

    def _drop(self, source: Source) -> None:
        for key, kept in self._kept.items():
            if kept is source:
                del self._kept[key]
                break
        self._requests.pop(source.id, None)
        self._chars[source.trust] -= len(source.text)
        old = self._shelves[source.trust]
        shelf = _Shelf()
        for reading in old.readings:
            if reading.source is not source:
                shelf.add(reading)
        self._shelves[source.trust] = shelf
