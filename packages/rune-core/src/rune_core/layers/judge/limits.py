"""What keeps the judge cheap and harmless: a budget, a breaker, and answers that are kept."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from threading import Lock
from typing import TYPE_CHECKING, Final

from rune_core.forks import fork_safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_core.layers.judge.answer import JudgeAnswer

_HOUR: Final = 3600.0
KEPT_ANSWERS: Final = 1_024


class Budget:
    """Tokens spent within the last hour. What is asked for is set aside until it is known.

    Args:
        per_hour: Tokens that may be spent; 0 for any number.
        clock: Seconds that only go forward.
    """

    def __init__(self, per_hour: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_hour = per_hour
        self._clock = clock
        self._lock = fork_safe(Lock())
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0

    def take(self, tokens: int) -> bool:
        """Set tokens aside; False when there are not so many left."""
        with self._lock:
            self._forget()
            if self._per_hour and self._total + tokens > self._per_hour:
                return False
            self._add(tokens)
            return True

    def correct(self, tokens: int) -> None:
        """Count ``tokens`` more (or less) than was set aside."""
        with self._lock:
            self._add(tokens)

    @property
    def spent(self) -> int:
        """Tokens spent within the last hour."""
        with self._lock:
            self._forget()
            return self._total

    def _add(self, tokens: int) -> None:
        if tokens:
            self._spent.append((self._clock(), tokens))
            self._total += tokens

    def _forget(self) -> None:
        while self._spent and self._spent[0][0] <= self._clock() - _HOUR:
            self._total -= self._spent.popleft()[1]


class Breaker:
    """Stops asking a judge that fails, and tries one question now and then.

    Args:
        failures: Failures in a row that open it.
        seconds: How long it stays open before one question may try.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        failures: int = 5,
        seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = fork_safe(Lock())
        self._failed = 0
        self._until = 0.0

    def allows(self) -> bool:
        """Whether a question may be asked. Who asks after a pause is the one that tries."""
        with self._lock:
            if self._failed < self._most:
                return True
            now = self._clock()
            if now < self._until:
                return False
            self._until = now + self._seconds
            return True

    def succeeded(self) -> None:
        """An answer came."""
        with self._lock:
            self._failed = 0

    def failed(self) -> None:
        """None came."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._most:
                self._until = self._clock() + self._seconds

    @property
    def is_open(self) -> bool:
        """Whether it is stopping questions now."""
        with self._lock:
            return self._failed >= self._most and self._clock() < self._until


class Answers:
    """Answers by question. The least recently used goes first."""

    def __init__(self, size: int = KEPT_ANSWERS) -> None:
        self._size = size
        self._lock = fork_safe(Lock())
        self._kept: OrderedDict[bytes, JudgeAnswer] = OrderedDict()

    def get(self, key: bytes) -> JudgeAnswer | None:
        """The answer to a question that was asked before."""
        with self._lock:
            answer = self._kept.get(key)
            if answer is not None:
                self._kept.move_to_end(key)
            return answer

    def put(self, key: bytes, answer: JudgeAnswer) -> None:
        """Keep an answer."""
        with self._lock:
            self._kept[key] = answer
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
