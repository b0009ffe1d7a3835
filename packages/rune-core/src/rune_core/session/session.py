"""One agent run: its identity, its counters and the cache of what was scanned in it."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextvars import ContextVar
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

from rune_core.ids import cache_digest, safe_name
from rune_core.session.accounts import Accounts
from rune_core.session.approvals import Approvals
from rune_core.session.cache import EvidenceCache
from rune_core.session.counters import Counters
from rune_core.session.progress import Progress
from rune_core.session.sources import Sources, Trust

if TYPE_CHECKING:
    from collections.abc import Callable


OnTold: TypeAlias = "Callable[[Session, str, Trust, str | None], None]"
"""Hears of the texts that a session is told about, with their source."""


OnTokens: TypeAlias = "Callable[[str | None, int], None]"
"""Hears of the tokens that an agent used."""


class Session:
    """Bounded memory of one agent run. Threads and tasks may share it.

    Attributes:
        id: Random, or as given by an adapter. Goes into events.
        agent_id: The agent, as the developer names it.
        agent_tags: The agent's tags.
        framework: The framework that runs the agent, if an adapter opened the session.
        cache: What the layers said about the texts of this session.
        sources: What the run has read, to trace the arguments of its calls to. None for the
            session of calls made outside any: there, texts of unrelated runs would mix.
        accounts: What ``budget`` and ``circuit_breaker`` rules counted per session.
        counters: What happened so far, as conditions see it.
        approvals: What a person approved and need not be asked about again.
        progress: How far the calls have come along ``sequence`` rules.
    """

    def __init__(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        agent_tags: tuple[str, ...] = (),
        framework: str | None = None,
        cache_size: int = 2048,
        traced: bool = True,
        on_told: OnTold | None = None,
        on_tokens: OnTokens | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = session_id or uuid4().hex
        self.agent_id = agent_id
        self.agent_tags = agent_tags
        self.framework = framework
        self.cache = EvidenceCache(cache_size)
        self.sources = Sources() if traced else None
        self.accounts = Accounts(clock)
        self.counters = Counters(self.accounts.tokens)
        self.approvals = Approvals(clock)
        self.progress = Progress(clock)
        self._sequence = count(1)
        self._on_told = on_told
        self._on_tokens = on_tokens

    def user(self, text: str) -> None:
        """Say that the user said ``text``. Scanning it as ``input`` says so too."""
        self._remember(text, Trust.USER)

    def system(self, text: str) -> None:
        """Say that ``text`` comes from the application itself, such as a system prompt."""
        self._remember(text, Trust.SYSTEM)

    def untrusted(self, text: str, source: str | None = None) -> None:
        """Say that ``text`` was retrieved, though it is pasted into a user's message.

        Args:
            text: The retrieved text.
            source: Where it came from.
        """
        self._remember(text, Trust.UNTRUSTED, source)

    def add_tokens(self, tokens: int) -> None:
        """Say that the model used so many tokens, for budgets of ``max_tokens``.

        Adapters say so where the model tells.

        Raises:
            ValueError: The number is negative.
        """
        self.accounts.tokens.add(tokens)
        if self._on_tokens is not None:
            self._on_tokens(self.agent_id, tokens)

    def _remember(self, text: str, trust: Trust, source: str | None = None) -> None:
        message_id = f"{trust}:{hash(text)}"
        # Adapters tell the system prompt with every model call.
        known = self.sources is not None and self.sources.knows(message_id)
        if self._on_told is not None and not known:
            self._on_told(self, text, trust, source)
        if self.sources is not None:
            self.sources.add(text, trust, tool=source, message_id=message_id)

    def next_sequence(self) -> int:
        """The number of the next scan or call in this session, from 1."""
        return next(self._sequence)

    def __repr__(self) -> str:
        # An application's own id may be somebody's mail address.
        return f"Session(id={safe_name(self.id)!r}, agent_id={self.agent_id!r})"


current_session: ContextVar[Session | None] = ContextVar("rune_session", default=None)
"""Names the session opened by hand around the running code. Nothing is stored in it: values set
in one framework hook are invisible in the next, and thread pools see nothing."""


class SessionTable:
    """Sessions by id. The least recently used goes first, and what was not used for long.

    A session that is opened again after it went has forgotten what was said: what it cannot account
    for then counts as untrusted, not as the model's.

    Args:
        size: Sessions to keep.
        idle_seconds: How long one may be unused; 0 for ever.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, size: int, idle_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._lock = Lock()
        self._sessions: OrderedDict[str, tuple[Session, float]] = OrderedDict()
        self._gone: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_id: str) -> Session | None:
        """The session with this id, if it is still kept."""
        with self._lock:
            self._let_go()
            kept = self._sessions.get(session_id)
            if kept is None:
                return None
            return self._used(kept[0])

    def add(self, session: Session) -> Session:
        """Keep a session; if one with its id is kept already, that one is returned."""
        with self._lock:
            kept = self._sessions.get(session.id)
            if kept is not None:
                return self._used(kept[0])
            if self._gone and session.sources is not None and _mark(session.id) in self._gone:
                session.sources.mark_incomplete()
            self._used(session)
            self._let_go()
            return session

    def _used(self, session: Session) -> Session:
        self._sessions[session.id] = (session, self._clock())
        self._sessions.move_to_end(session.id)
        return session

    def _let_go(self) -> None:
        since = self._clock() - self._idle_seconds if self._idle_seconds else None
        while self._sessions:
            oldest, (_, used) = next(iter(self._sessions.items()))
            if len(self._sessions) <= self._size and (since is None or used > since):
                return
            del self._sessions[oldest]
            self._gone[_mark(oldest)] = None
            while len(self._gone) > _GONE * max(1, self._size):
                self._gone.popitem(last=False)


_GONE = 16
"""For how many times the sessions that are kept it is known that they were."""


def _mark(session_id: str) -> bytes:
    return cache_digest(session_id)
