"""Calls that are decided where the model asks for them, and made elsewhere."""

from __future__ import annotations

import json
from threading import Lock
from typing import Any

from rune_core.adapters.recent import Recent
from rune_core.ids import cache_digest

_REMEMBERED = 8192


class Decisions:
    """Counts the decisions on each call that were not used yet.

    Where the call is made, nobody can say in which run. So while a person has to approve of it in
    one run, nobody makes it unasked in another one.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: Recent[str, tuple[int, int]] = Recent(_REMEMBERED)

    def put(self, tool: str, args: Any, *, asks: bool) -> None:
        """A model may make a call; ``asks`` when a person has to approve of it."""
        key = _key(tool, args)
        with self._lock:
            asking, passing = self._waiting.get(key) or (0, 0)
            self._waiting.put(key, (asking + asks, passing + (not asks)))

    def get(self, tool: str, args: Any) -> bool | None:
        """None when the call was not decided, True when a person has to approve of it."""
        waiting = self._waiting.get(_key(tool, args))
        return None if waiting is None else waiting[0] > 0

    def use(self, tool: str, args: Any) -> None:
        """The call is made now: the next one like it is decided anew.

        Those that need no approval go first: a question must not be lost to another run.
        """
        key = _key(tool, args)
        with self._lock:
            asking, passing = self._waiting.pop(key) or (0, 0)
            asking, passing = (asking, passing - 1) if passing else (asking - 1, 0)
            if asking > 0 or passing:
                self._waiting.put(key, (asking, passing))


def _key(tool: str, args: Any) -> str:
    text = json.dumps(args, sort_keys=True, default=str, ensure_ascii=False)
    return f"{tool}:{cache_digest(text).hex()}"
