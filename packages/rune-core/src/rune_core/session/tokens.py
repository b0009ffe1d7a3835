"""How many tokens were used, over all time or a sliding window. In memory, bounded."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ENTRIES: Final = 1024
"""Reports that are kept apart; beyond, the two oldest become one that counts longer."""
MAX_SCOPES: Final = 4096


class TokenLog:
    """The tokens of one session, agent or process. Threads may share it.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._total = 0
        self._entries: deque[tuple[float, int]] = deque()

    def add(self, tokens: int) -> None:
        """Count tokens.

        Raises:
            ValueError: The number is negative: it would refill a budget.
        """
        if tokens < 0:
            raise ValueError("a number of tokens is not negative")
        with self._lock:
            self._total += tokens
            self._entries.append((self._clock(), tokens))
            if len(self._entries) > MAX_ENTRIES:
                (_, older), (at, newer) = self._entries.popleft(), self._entries.popleft()
                self._entries.appendleft((at, older + newer))

    def total(self, window: float | None = None) -> int:
        """The sum, of the last ``window`` seconds or of all time."""
        with self._lock:
            if window is None:
                return self._total
            since = self._clock() - window
            return sum(tokens for at, tokens in self._entries if at > since)


class TokenLogs:
    """The tokens of agents. The least recently used goes first.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._logs: OrderedDict[str, TokenLog] = OrderedDict()

    def of(self, name: str) -> TokenLog:
        """The log of an agent."""
        with self._lock:
            log = self._logs.get(name)
            if log is None:
                log = self._logs[name] = TokenLog(self._clock)
            self._logs.move_to_end(name)
            while len(self._logs) > MAX_SCOPES:
                self._logs.popitem(last=False)
            return log
