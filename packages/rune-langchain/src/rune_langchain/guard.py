"""The guard of this adapter: knows which session a call belongs to.

``AdapterGuard`` carries checks out. There is no policy in either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from langchain_core.runnables.config import ensure_config

from rune_core import Shield
from rune_core.adapters.guard import AdapterGuard, Rulings, adapter_name
from rune_core.adapters.recent import Recent
from rune_core.ids import keyed_hash
from rune_core.session.session import Session, current_session
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_core.adapters.walk import Check


_REMEMBERED = 2048
_SESSIONS = 8192
_COPIES = 256

ADAPTER = adapter_name("rune-langchain")


@dataclass(frozen=True)
class Guard(AdapterGuard):
    """One shield, under one agent id. Guards that are equal guard alike.

    Attributes:
        token: Names this guard to unpickled objects of the same process.
    """

    framework: str = "langchain"
    adapter: ClassVar[str] = ADAPTER
    token: str = field(default_factory=lambda: uuid4().hex, compare=False)
    copies: Recent[int, tuple[Any, Any]] = field(
        default_factory=lambda: Recent(_COPIES), compare=False, repr=False
    )
    _rulings: Rulings = field(
        default_factory=lambda: Recent(_REMEMBERED), compare=False, repr=False
    )
    _texts: WeakKeyDictionary[Session, Rulings] = field(
        default_factory=WeakKeyDictionary, compare=False, repr=False
    )
    _sessions: Recent[str, ref[Session]] = field(
        default_factory=lambda: Recent(_SESSIONS), compare=False, repr=False
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """A shield stays in its process; on the other side the guard is found or made anew."""
        return _find_guard, (self.token, self.agent_id)

    # -- sessions

    def session(self, ids: Iterable[str | None] = ()) -> Session:
        """The session of the running call.

        One opened by hand wins; then the thread of the running graph; then the session in which
        one of these message or call ids was met; otherwise a new one.
        """
        opened = current_session.get()
        if opened is not None:
            return opened
        thread = (ensure_config().get("configurable") or {}).get("thread_id")
        if thread is not None:
            # Thread ids may be names of people, and session ids go into events.
            return self._open(f"thread-{keyed_hash(str(thread))}")
        for known in ids:
            session = self._sessions.get(known) if known else None
            kept = session() if session is not None else None
            if kept is not None:
                return kept
        return self._open(None)

    def _open(self, session_id: str | None) -> Session:
        return self.shield.open_session(
            session_id=session_id, agent_id=self.agent_id, framework=self.framework
        )

    def belongs(self, ids: Iterable[str | None], session: Session) -> None:
        """Remember that messages or calls with these ids are part of a session."""
        for known in ids:
            if known:
                self._sessions.put(known, ref(session))

    def _rulings_of(self, check: Check, session: Session) -> Rulings:
        # A tool's definition is the same in every session of a process. The rest goes with its
        # session: one that is evicted and opened anew reads everything again.
        if check.surface is Surface.TOOL_DEFINITION:
            return self._rulings
        return self._texts.setdefault(session, Recent(_REMEMBERED))


_guards: WeakValueDictionary[str, Guard] = WeakValueDictionary()


@lru_cache(maxsize=64)
def _guard(shield: Shield, agent_id: str | None) -> Guard:
    guard = Guard(shield, agent_id)
    _guards[guard.token] = guard
    return guard


@lru_cache(maxsize=1)
def default_shield() -> Shield:
    """The shield used where none is given: settings from the environment, made when needed."""
    return Shield()


def guard_for(shield: Shield | None, agent_id: str | None) -> Guard:
    """The guard of a shield under an agent id."""
    return _guard(shield or default_shield(), agent_id)


def _find_guard(token: str, agent_id: str | None) -> Guard:
    return _guards.get(token) or guard_for(None, agent_id)
