"""What a session has done so far, as conditions see it under ``session``. Bounded."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_core.session.tokens import TokenLog

MAX_TOOLS: Final = 256
"""Tools counted by name; names can be made up by a model, so the least used go."""


NOTHING: Final[Mapping[str, int]] = MappingProxyType(
    dict.fromkeys(("calls", "same_tool", "refused", "untrusted", "flagged", "tokens"), 0)
)
"""The counts of a session in which nothing has happened."""


class Counters:
    """Counts calls and texts of one session. Threads may share it.

    Attributes:
        tokens: The model's tokens, as adapters report them.
    """

    def __init__(self, tokens: TokenLog) -> None:
        self.tokens = tokens
        self._lock = Lock()
        self._calls = 0
        self._refused = 0
        self._untrusted = 0
        self._flagged = 0
        self._by_tool: OrderedDict[str, int] = OrderedDict()

    def call(self, tool: str, *, made: bool) -> None:
        """Count a call that was decided."""
        with self._lock:
            if not made:
                self._refused += 1
                return
            self._calls += 1
            self._by_tool[tool] = self._by_tool.get(tool, 0) + 1
            self._by_tool.move_to_end(tool)
            while len(self._by_tool) > MAX_TOOLS:
                self._by_tool.popitem(last=False)

    def text(self, *, untrusted: bool, flagged: bool) -> None:
        """Count a text that was decided about."""
        with self._lock:
            self._untrusted += untrusted
            self._flagged += flagged

    def seen_from(self, tool: str) -> dict[str, int]:
        """The counts before a call of ``tool``, by name."""
        with self._lock:
            return {
                "calls": self._calls,
                "same_tool": self._by_tool.get(tool, 0),
                "refused": self._refused,
                "untrusted": self._untrusted,
                "flagged": self._flagged,
                "tokens": self.tokens.total(),
            }
