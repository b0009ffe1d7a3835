"""Calls that are decided where the model asks for them, and made elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from rune_core.adapters.recent import Recent
from rune_core.ids import cache_digest

if TYPE_CHECKING:
    from rune_core.session.session import Session

_REMEMBERED = 8192
_EQUAL = 1024  # decisions on equal calls; some of them are never made


class Decisions:
    """The decisions on each call that were not used yet, with the session each was made in.

    Where the call is made, the session is not always known. There, while a person has to approve
    of the call in one run, nobody makes it unasked in another one.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: Recent[str, tuple[_Decision, ...]] = Recent(_REMEMBERED)

    def put(self, tool: str, args: Any, session: Session, *, asks: bool) -> None:
        """A model may make a call; ``asks`` when a person has to approve of it."""
        key = _key(tool, args)
        with self._lock:
            waiting = [*(self._waiting.get(key) or ()), _Decision(session, asks)]
            if len(waiting) > _EQUAL:
                waiting.remove(min(waiting, key=_asks))
            self._waiting.put(key, tuple(waiting))

    def get(self, tool: str, args: Any, session: Session | None) -> bool | None:
        """None when the call was not decided, True when a person has to approve of it.

        Args:
            tool: The tool.
            args: The arguments of the call.
            session: Where the call is made; None if that is not known.
        """
        waiting = _for(session, self._waiting.get(_key(tool, args)) or ())
        return any(one.asks for one in waiting) if waiting else None

    def use(self, tool: str, args: Any, session: Session | None) -> tuple[bool, Session | None]:
        """The call is made now: the next one like it is decided anew.

        Returns:
            Whether it was decided, and where; None where that could be several sessions.
        """
        key = _key(tool, args)
        with self._lock:
            waiting = self._waiting.get(key) or ()
            own = _for(session, waiting)
            if not own:
                return False, session
            # Those that need no approval go first: a question must not be lost to another run.
            used = min(own, key=_asks)
            left = list(waiting)
            left.remove(used)
            if left:
                self._waiting.put(key, tuple(left))
            else:
                self._waiting.pop(key)
        if any(one.session is not used.session for one in own):
            return True, session
        return True, session or used.session


@dataclass(frozen=True, slots=True)
class _Decision:
    session: Session
    asks: bool


def _for(session: Session | None, waiting: tuple[_Decision, ...]) -> tuple[_Decision, ...]:
    """The decisions that a call in a session may be one of."""
    if session is None:
        return waiting
    own = tuple(one for one in waiting if one.session is session)
    # A run may be resumed in another session than it was stopped in to ask.
    return own or tuple(one for one in waiting if one.asks)


def _asks(decision: _Decision) -> bool:
    return decision.asks


def _key(tool: str, args: Any) -> str:
    text = json.dumps(args, sort_keys=True, default=str, ensure_ascii=False)
    return f"{tool}:{cache_digest(text).hex()}"
