"""What a session has read, kept so that a later value can be traced back to it.

Bounded by characters, oldest untrusted text first out. What was evicted is remembered as a fact:
from then on a distinctive value that nobody is known to have said counts as untrusted.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Final

from rune_core.session.distinctive import Part, PartKind
from rune_core.session.intent import Requests, user_asks_for, user_delegates
from rune_core.session.shelf import Reading, Shelf, Sighting
from rune_scanner.views import build_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rune_scanner.finding import Finding

MAX_CHARS: Final = 500_000
TEXT_COST: Final = 64
"""Characters that a text counts for besides its own: what is kept about it has a size too."""
WAITING_CHARS: Final = 8_000
"""Characters of one trust that may wait to be indexed until somebody looks for something."""
_MAX_TOOLS: Final = 256


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


class Sources:
    """Everything a session has read, by trust. Threads may share it.

    Args:
        max_chars: Characters of untrusted text to keep; the oldest go first. User and system
            texts have a bound of the same size of their own.
    """

    def __init__(self, max_chars: int = MAX_CHARS) -> None:
        self._max_chars = max_chars
        self._lock = RLock()
        self._ids = count(1)
        self._newest = 0
        self._delegates: bool | None = None
        self._kept: OrderedDict[str | int, Source] = OrderedDict()
        self._order: dict[Trust, OrderedDict[str | int, None]] = {t: OrderedDict() for t in Trust}
        self._chars = dict.fromkeys(Trust, 0)
        self._costs = dict.fromkeys(Trust, 0)
        self._shelves = {trust: Shelf() for trust in Trust}
        self._readings: dict[int, list[Reading]] = {}
        self._waiting: dict[Trust, OrderedDict[int, Source]] = {t: OrderedDict() for t in Trust}
        self._waiting_chars = dict.fromkeys(Trust, 0)
        self._requests: dict[int, Requests] = {}
        self._asking: OrderedDict[str, _Asking] = OrderedDict()
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
            self._newest = next(self._ids)
            source = Source(self._newest, trust, text, tool, message_id, tuple(findings))
            key = message_id if message_id is not None else source.id
            if kept is not None:
                self._drop(key)
            if trust is Trust.USER:
                self._delegates = None
            self._kept[key] = source
            self._order[trust][key] = None
            self._chars[trust] += len(text)
            self._costs[trust] += len(text) + TEXT_COST
            # Many runs never call a tool, and their texts need no index. Few characters may wait,
            # so that a call does not pay for a whole run's reading at once.
            self._waiting[trust][source.id] = source
            self._waiting_chars[trust] += len(text)
            while self._waiting_chars[trust] > WAITING_CHARS:
                self._index_oldest(trust)
            self._evict(trust)
            return source

    def find(self, part: Part, trust: Trust) -> Sighting | None:
        """Where a text of ``trust`` holds ``part``."""
        with self._lock:
            return self._shelf(trust).find(part)

    def find_text(self, squashed: str, trust: Trust) -> Sighting | None:
        """Where a text of ``trust`` holds ``squashed`` between word borders."""
        with self._lock:
            return self._shelf(trust).find_text(squashed)

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
            asking = self._asking.get(tool)
            if asking is None:
                asking = self._asking[tool] = _Asking()
                # Names can be made up by a model, so this must not grow with them.
                if len(self._asking) > _MAX_TOOLS:
                    self._asking.popitem(last=False)
            for key in reversed(self._order[Trust.UNTRUSTED]):
                source = self._kept[key]
                if source.id <= asking.read_to:
                    break
                if self._requests_of(source).ask_for(tool):
                    asking.sources.add(source.id)
            asking.read_to = max(asking.read_to, self._newest)
            return bool(asking.sources)

    def holds(self, trust: Trust) -> bool:
        """Whether anything of this trust is kept."""
        return self._chars[trust] > 0

    def user_asks_for(self, tool: str) -> bool:
        """Whether the user's words ask for this kind of call."""
        return any(user_asks_for(tool, text) for text in self._texts(Trust.USER))

    def user_delegates(self) -> bool:
        """Whether the user told the agent to do what some text says."""
        with self._lock:
            if self._delegates is None:
                self._delegates = any(map(user_delegates, self._texts(Trust.USER)))
            return self._delegates

    def _texts(self, trust: Trust) -> list[str]:
        with self._lock:
            return [self._kept[key].text for key in self._order[trust]]

    def _requests_of(self, source: Source) -> Requests:
        requests = self._requests.get(source.id)
        if requests is None:
            requests = self._requests[source.id] = Requests(source.text)
        return requests

    def __iter__(self) -> Iterator[Source]:
        with self._lock:
            return iter(list(self._kept.values()))

    def _shelf(self, trust: Trust) -> Shelf:
        """The texts of a trust, all of them indexed."""
        while self._waiting[trust]:
            self._index_oldest(trust)
        return self._shelves[trust]

    def _index_oldest(self, trust: Trust) -> None:
        _, source = self._waiting[trust].popitem(last=False)
        self._waiting_chars[trust] -= len(source.text)
        readings = [Reading(source, view) for view in build_views(source.text).views]
        self._readings[source.id] = readings
        for reading in readings:
            self._shelves[trust].add(reading)

    def _evict(self, trust: Trust) -> None:
        while self._costs[trust] > self._max_chars:
            self._evicted = True
            self._drop(next(iter(self._order[trust])))

    def _drop(self, key: str | int) -> None:
        source = self._kept.pop(key)
        trust = source.trust
        if trust is Trust.USER:
            self._delegates = None
        del self._order[trust][key]
        self._chars[trust] -= len(source.text)
        self._costs[trust] -= len(source.text) + TEXT_COST
        if self._waiting[trust].pop(source.id, None) is not None:
            self._waiting_chars[trust] -= len(source.text)
        for reading in self._readings.pop(source.id, ()):
            self._shelves[trust].remove(reading)
        self._requests.pop(source.id, None)
        for asking in self._asking.values():
            asking.sources.discard(source.id)


@dataclass(slots=True)
class _Asking:
    """Which texts ask for calls of one tool.

    Attributes:
        read_to: The number of the newest text that was looked at.
        sources: The numbers of those that do.
    """

    read_to: int = 0
    sources: set[int] = field(default_factory=set)
