"""Who computes now and who waits: as many at once as there are cores, in the order they came."""

from __future__ import annotations

import os
from collections import deque
from threading import Lock
from typing import Final, Self


def cores() -> int:
    """Cores that this process may use, where the system tells; else all of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def turns_for(threads: int) -> Turns:
    """Turns for work that takes so many threads at once: as many as cores allow, at most four."""
    return Turns(max(1, min(4, cores() // threads)))


class Turns:
    """A place for each of ``places`` threads; who comes later waits in line.

    A semaphore would let the thread that leaves and comes back overtake those that wait, so that
    a long text kept short ones waiting to its end. Here the place is handed to the first in line.
    Used in a ``with`` statement, for work that calls nothing which waits for another turn.

    Args:
        places: How many threads may be inside at once, at least 1.
    """

    def __init__(self, places: int) -> None:
        if places < 1:
            raise ValueError("places: at least 1")
        self.places: Final = places
        self._free = places
        self._lock = Lock()
        self._line: deque[Lock] = deque()

    @property
    def waiting(self) -> int:
        """How many threads stand in line."""
        return len(self._line)

    def __enter__(self) -> Self:
        turn = Lock()
        turn.acquire()
        with self._lock:
            if self._free:
                self._free -= 1
                return self
            self._line.append(turn)
        try:
            turn.acquire()
        except BaseException:
            # An interrupt of the main thread, while it waited or just as its turn came.
            with self._lock:
                waiting = turn in self._line
                if waiting:
                    self._line.remove(turn)
            if not waiting:
                self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            if self._line:
                self._line.popleft().release()
            else:
                self._free += 1
