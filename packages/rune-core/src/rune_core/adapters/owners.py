"""Whose an id is, where different runs may be given equal ones."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from rune_core.adapters.recent import Recent

if TYPE_CHECKING:
    from rune_core.session.session import Session

_K = TypeVar("_K")


class Owners(Generic[_K]):
    """Whose a key is. What two sessions have in common is nobody's: nothing is guessed.

    Args:
        size: Keys to keep; the least recently used goes first.
    """

    def __init__(self, size: int) -> None:
        self._lock = Lock()
        self._entries: Recent[_K, tuple[Session | None]] = Recent(size)

    def get(self, key: _K) -> Session | None:
        """The session that alone has claimed this key; None without one, or with several."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def claim(self, key: _K, session: Session) -> None:
        """Say that a key was met in a session."""
        # Two threads that claim at once must see each other.
        with self._lock:
            entry = self._entries.get(key)
            shared = entry is not None and entry[0] is not session
            self._entries.put(key, (None if shared else session,))
