"""Losses: events that will never arrive, counted by reason and category."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from rune_core.forks import fork_safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_core.stats import Tally

REASONS = {
    "queue_full": "the memory front was full",
    "unmaskable": "the event could not be built or masked, so it must not leave",
    "sink_failed": "no sink took it",
    "no_sink": "there is nowhere for it to go",
    "closed": "the Shield was closed, or the process ended, before it was written",
    "killed": "the process was killed before it was written",
    "spool_full": "the spool was full",
    "spool_lost": "the spool's file was damaged or removed, and it could not be read from there",
    "memory_full": "the spool could not be written, and what stands in for it was full",
    "unsaved": "the process ended while the spool could not be written",
    "dead_letters_full": "the server refused it, and later it refused too many others",
}
"""Every reason there is."""
SPOOL_REASONS = frozenset(
    ("killed", "spool_full", "spool_lost", "memory_full", "unsaved", "dead_letters_full")
)
"""Those that the spool counts by itself."""


@dataclass(frozen=True, slots=True)
class Loss:
    """How many events of one category were lost for one reason."""

    reason: str
    category: str
    count: int


class Losses:
    """Counts losses until somebody takes them to report them. Any thread may add.

    Args:
        tally: Counts them too, for ``shield.stats``.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._lock = fork_safe(RLock())
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, reason: str, category: str, count: int = 1) -> None:
        """Count lost events."""
        if count <= 0:
            return
        self._tally.lose(reason, count)
        with self._lock:
            self._counts[reason, category] += count

    def add_each(self, reason: str, categories: Iterable[str]) -> None:
        """Count one lost event for each category named."""
        for category, count in Counter(categories).items():
            self.add(reason, category, count)

    def take(self) -> list[Loss]:
        """What was counted since the last time."""
        if not self._counts:
            return []
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return [Loss(reason, category, count) for (reason, category), count in counts.items()]

    def forget(self) -> None:
        """Start at nothing: in a forked child the parent reports what it counted."""
        self._counts = Counter()
