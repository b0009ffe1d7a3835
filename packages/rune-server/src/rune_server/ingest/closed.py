"""A segment that takes no more: what the writer is handed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from rune_server.ingest.segment import SUFFIX, records

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.storage import Vault

_NAME = re.compile(r"(?P<id>[0-9a-f\-]{36})\.(?P<region>[a-z]+)\.spool")
_ORGANISATION = re.compile(rb'^\{"organisation_id":"([0-9a-f\-]{36})"', re.MULTILINE)
_ID = re.compile(rb'"event_id":"([0-9a-f\-]{36})"')
_TIME = re.compile(rb'"timestamp":"([0-9T:.\-]{23})Z"')
_APART = timedelta(minutes=1)
SENT_AGAIN = timedelta(days=2)
"""How long after its first arrival an event may come again and still be known, when its time is
that of its arrival since the sender's clock was ahead: it then stands at another moment."""
_MAX_SPANS = 16


@dataclass(slots=True)
class Span:
    """A stretch of time, both ends inclusive."""

    since: datetime
    until: datetime


@dataclass(slots=True)
class Contents:
    """What is in a segment, as far as finding duplicates needs to know.

    Attributes:
        events: Events of each organisation.
        ids: Ids of all of them, in pieces.
        spans: When they happened; never more than a few.
    """

    events: dict[UUID, int] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many events."""
        return sum(self.events.values())

    def add(self, organisation_id: UUID, ids: list[str], since: datetime, until: datetime) -> None:
        """Note what one request brought."""
        self.events[organisation_id] = self.events.get(organisation_id, 0) + len(ids)
        self.ids += ids
        self.widen(since, until)

    def widen(self, since: datetime, until: datetime) -> None:
        """Note when something happened."""
        for span in self.spans:
            if since <= span.until + _APART and until >= span.since - _APART:
                span.since, span.until = min(span.since, since), max(span.until, until)
                return
        self.spans.append(Span(since, until))
        if len(self.spans) > _MAX_SPANS:
            self._join_the_nearest()

    def _join_the_nearest(self) -> None:
        self.spans.sort(key=lambda span: span.since)
        gaps = [
            (after.since - before.until, number)
            for number, (before, after) in enumerate(zip(self.spans, self.spans[1:], strict=False))
        ]
        _, number = min(gaps)
        before, after = self.spans[number], self.spans.pop(number + 1)
        before.until = max(before.until, after.until)


@dataclass(slots=True)
class Closed:
    """A segment to be written to the store.

    Attributes:
        id: Its id, and the batch's: written twice it counts once.
        region: Whose store it goes to.
        path: Its file.
        size: The file's bytes.
        lines: What is in it, while memory allows; otherwise it is read from the file.
        contents: What is known of it; None for one that an earlier process left.
    """

    id: UUID
    region: str
    path: Path
    size: int
    lines: list[bytes] | None = None
    contents: Contents | None = None

    def read(self, vault: Vault) -> tuple[bytes, Contents]:
        """All lines, each with its line break, and what is in them.

        Raises:
            SealError: The file is damaged, or its master key was not given.
            OSError: It cannot be read.
        """
        pieces = self.lines if self.lines is not None else list(records(self.path, vault))
        lines = b"".join(pieces)
        return lines, self.contents if self.contents is not None else contents_of(lines)


def name_of(segment_id: UUID, region: str) -> str:
    """The file name of a segment; sorted by name they are sorted by time."""
    return f"{segment_id}.{region}{SUFFIX}"


def found_at(path: Path) -> Closed | None:
    """A segment that an earlier process left; None when it is no segment."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    return Closed(UUID(match["id"]), match["region"], path, path.stat().st_size)


def contents_of(lines: bytes) -> Contents:
    """Read off the lines what is in them."""
    found = Contents()
    for line in lines.splitlines():
        organisation, identity, time = (
            pattern.search(line) for pattern in (_ORGANISATION, _ID, _TIME)
        )
        if organisation is None or identity is None or time is None:
            raise ValueError("a line is not one of ours")
        at = datetime.fromisoformat(time[1].decode() + "+00:00")
        since = at - SENT_AGAIN if b'"skewed":true' in line else at
        found.add(UUID(organisation[1].decode()), [identity[1].decode()], since, at)
    return found
