"""What goes into a spool and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Row(NamedTuple):
    """One event on its way in."""

    event_id: str
    category: str
    priority: int
    body: bytes
    """Its JSON."""


class Held(NamedTuple):
    """One event that was claimed."""

    id: int
    event_id: str
    category: str
    priority: int
    body: bytes


class Verdict(NamedTuple):
    """Why the server will never take an event."""

    event: Held
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that the server refused for good.

    Attributes:
        id: Its number here.
        event_id: The event.
        at: When it was refused, in Unix seconds.
        code: The server's machine-readable reason.
        reason: The server's words, one short line.
        body: The event's JSON.
    """

    id: int
    event_id: str
    at: float
    code: str
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Figures:
    """What is in a spool.

    Attributes:
        depth: Events that wait.
        bytes: Their size.
        oldest_seconds: Age of the oldest; 0 when there is none.
        dead_letters: Events that the server refused.
        losses: Lost events since the spool was made, by reason.
        by_category: ``depth`` per category.
    """

    depth: int = 0
    bytes: int = 0
    oldest_seconds: float = 0.0
    dead_letters: int = 0
    losses: Mapping[str, int] = field(default_factory=dict)
    by_category: Mapping[str, int] = field(default_factory=dict)
