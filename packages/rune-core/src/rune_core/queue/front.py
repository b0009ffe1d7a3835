"""The front: drafts in memory, between the threads that scan and the one that works."""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from queue import Empty, SimpleQueue
from threading import RLock
from typing import TYPE_CHECKING

from rune_core.event.draft import PRIORITIES
from rune_core.forks import fork_safe

if TYPE_CHECKING:
    from rune_core.event.draft import Draft

CATEGORIES = ("scan", "tool_call", "alert")
_INDEX = {category: index for index, category in enumerate(CATEGORIES)}
_at = attrgetter("at")


class Front:
    """A bounded queue that drops the oldest draft of the lowest priority when it is full.

    ``put`` may be called from anywhere, signal handlers and finalizers included: its lock may be
    taken twice by one thread, and the bell is one that the standard library promises to be
    reentrant.

    Args:
        limit: Most drafts held.
        batch: From how many drafts the bell is rung.
    """

    def __init__(self, limit: int, batch: int) -> None:
        self.limit = limit
        self.batch = batch
        self._lock = fork_safe(RLock())
        self.reset()

    def reset(self) -> None:
        """Empty it, as in a forked child: what the parent had queued, the parent writes."""
        self._drafts: tuple[deque[Draft], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._held = 0
        self._rung = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        self.urgent = False
        self._counts = memoryview(bytearray(8 * len(CATEGORIES))).cast("Q")

    def __len__(self) -> int:
        return self._held

    def put(self, draft: Draft) -> Draft | None:
        """Queue a draft.

        Returns:
            The one that had to go for it; None while there is room.
        """
        priority = draft.priority
        dropped = None
        with self._lock:
            if self._held >= self.limit:
                lowest = next(drafts for drafts in self._drafts if drafts)
                if lowest[0].priority > priority:
                    dropped = draft
                else:
                    dropped = lowest.popleft()
                    self._drafts[priority].append(draft)
            else:
                self._drafts[priority].append(draft)
                self._held += 1
            self._counts[_INDEX[draft.category]] += 1
            held = self._held
            if priority == PRIORITIES - 1:
                self.urgent = True
        if held == 1 or held == self.batch or self.urgent:
            self.ring()
        return dropped

    def ring(self) -> None:
        """Wake who waits."""
        if not self._rung:
            self._rung = True
            self._bell.put(None)

    def wait(self, seconds: float | None) -> bool:
        """Wait for the bell; False when it was not rung in time."""
        try:
            self._bell.get(timeout=seconds)
        except Empty:
            return False
        finally:
            self._rung = False
        return True

    @property
    def ready(self) -> bool:
        """Whether there is enough, or something urgent enough, not to wait any longer."""
        return self.urgent or self._held >= self.batch

    def take(self, most: int) -> list[Draft]:
        """Up to ``most`` drafts, the most important first to leave, in the order of their times."""
        taken: list[Draft] = []
        with self._lock:
            for drafts in reversed(self._drafts):
                while drafts and len(taken) < most:
                    taken.append(drafts.popleft())
            self._held -= len(taken)
            self.urgent = False
        taken.sort(key=_at)
        return taken

    def count_in(self, counts: memoryview) -> None:
        """Keep the number of drafts ever put, per category, in ``counts`` from now on.

        Args:
            counts: One unsigned 64-bit number per category of ``CATEGORIES``.
        """
        with self._lock:
            counts[:] = self._counts
            self._counts = counts

    def put_so_far(self) -> dict[str, int]:
        """How many drafts were ever put, per category."""
        with self._lock:
            return dict(zip(CATEGORIES, self._counts, strict=True))
