"""The guard of this adapter: knows which session a call belongs to, and which calls were ruled on.

``AdapterGuard`` carries checks out. There is no policy in either.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from langchain_core.runnables.config import ensure_config

from rune_core import Shield
from rune_core.action import Action
from rune_core.adapters.guard import AdapterGuard, Rulings, adapter_name, check_handed
from rune_core.adapters.recent import Recent
from rune_core.adapters.walk import Check, Ruling, Stopped
from rune_core.ids import cache_digest, keyed_hash
from rune_core.session.session import Session, current_session
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rune_core.adapters.covers import Rows
    from rune_core.gate import StreamGate
    from rune_core.guarded import GuardedCall, GuardedValue
    from rune_core.result import ScanResult


class _Calling(NamedTuple):
    """A tool call whose run is known, by the messages around it."""

    shield: Shield
    call_id: str
    session: Session


_calling: ContextVar[_Calling | None] = ContextVar("rune_langchain_calling", default=None)

_REMEMBERED = 2048
_SESSIONS = 8192
_COPIES = 256
_NAMES = 4096

ADAPTER = adapter_name("rune-langchain")


class Memory:
    """What the guards of one shield know of earlier calls. Bounded, shared by threads.

    Attributes:
        tools: Names of guarded tools, each with the hash of its definition: these refuse a
            stopped call themselves.
        answers: Names of the tools that are none: the way a model gives a structured answer.
        plans: Rulings on calls that stand in an answer and were not made yet, by session and call.
        stops: What was said about content, by the neutral message that stands for it.
        runs: Model runs whose answer a guarded model has checked.
    """

    def __init__(self) -> None:
        self.tools: Recent[str, str] = Recent(_NAMES)
        self.answers: Recent[str, bool] = Recent(_NAMES)
        self.plans: Recent[tuple[str, str], tuple[bytes, str]] = Recent(_SESSIONS)
        self.stops: Recent[str, ScanResult] = Recent(_NAMES)
        self.runs: Recent[str, bool] = Recent(_SESSIONS)
        self.rulings: Rulings = Recent(_REMEMBERED)
        self.texts: WeakKeyDictionary[Session, Rulings] = WeakKeyDictionary()
        self.sessions: Recent[str, ref[Session]] = Recent(_SESSIONS)


@lru_cache(maxsize=64)
def _memory_of(shield: Shield) -> Memory:
    del shield
    return Memory()


@dataclass(frozen=True)
class Guard(AdapterGuard):
    """One shield, under one agent id. Guards that are equal guard alike.

    Attributes:
        interrupts: Whether a question about a tool call pauses the graph instead of going to the
            shield's approval handler.
        token: Names this guard to unpickled objects of the same process.
        copies: Guarded copies that were made, by the id of the original.
        memory: What all guards of the shield know.
    """

    framework: str = "langchain"
    adapter: ClassVar[str] = ADAPTER
    guarded: ClassVar[Rows] = (
        ("guarded models", "input, tool definitions, answers, calls; streams held back"),
        ("guarded tools", "definition, call before it is made, result before anyone reads it"),
        ("guarded retrievers", "documents before anyone reads them"),
        ("guarded nodes", "messages and told keys of the state, handoffs"),
        ("callback handler, instrument()", "stops only: cannot redact, cannot unsend"),
    )
    unguarded: ClassVar[Rows] = (
        (
            "models, tools, retrievers not handed over",
            "use shield_chain, shield_node, instrument()",
        ),
        ("tools that a provider runs", "only their definition and what the model says of them"),
        ("images, sound, files", "passed unread"),
        ("the first checkpoint of a graph", "holds the user's words as they were said"),
        ("text-completion models (BaseLLM)", "callback handler only"),
    )
    interrupts: bool = False
    token: str = field(default_factory=lambda: uuid4().hex, compare=False)
    copies: Recent[int, tuple[Any, Any]] = field(
        default_factory=lambda: Recent(_COPIES), compare=False, repr=False
    )
    memory: Memory = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "memory", _memory_of(self.shield))

    def __reduce__(self) -> tuple[Any, ...]:
        """A shield stays in its process; on the other side the guard is found or made anew."""
        return _find_guard, (self.token, self.agent_id, self.interrupts)

    # -- sessions

    def session(self, ids: Iterable[str | None] = ()) -> Session:
        """The session of the running call.

        One opened by hand wins; then the thread of the running graph; then what ``calling`` knows;
        then the session in which one of these message or call ids was met last; otherwise a new
        one.
        """
        opened = current_session.get()
        if opened is not None:
            return opened
        thread = (ensure_config().get("configurable") or {}).get("thread_id")
        if thread is not None:
            # Thread ids may be names of people, and session ids go into events.
            return self._open(f"thread-{keyed_hash(str(thread))}")
        asked, call = tuple(ids), _calling.get()
        if call is not None and call.shield is self.shield and asked == (call.call_id,):
            return call.session
        for known in asked:
            session = self.memory.sessions.get(known) if known else None
            kept = session() if session is not None else None
            if kept is not None:
                return kept
        return self._open(None)

    @contextmanager
    def calling(self, call_id: str | None, ids: Iterable[str | None]) -> Iterator[None]:
        """Say in which run a tool call is made: the one with these messages.

        Servers there are that number the calls of every answer alike, so that an id does not tell
        apart runs that go on at the same time.
        """
        known = tuple(ids)
        if call_id is None or not known:
            yield
            return
        token = _calling.set(_Calling(self.shield, call_id, self.session(known)))
        try:
            yield
        finally:
            _calling.reset(token)

    def _open(self, session_id: str | None) -> Session:
        return self.shield.open_session(
            session_id=session_id, agent_id=self.agent_id, framework=self.framework
        )

    def belongs(self, ids: Iterable[str | None], session: Session) -> None:
        """Remember that messages or calls with these ids are part of a session."""
        for known in ids:
            if known:
                self.memory.sessions.put(known, ref(session))

    # -- calls

    def offers(self, tools: Iterable[tuple[str, str]]) -> None:
        """Remember guarded tools, by name and hash of the definition."""
        for name, digest in tools:
            self.memory.tools.put(name, digest)

    def answers(self, run_manager: Any) -> None:
        """Remember that a guarded model checks what is said in this run."""
        if run_manager is not None:
            self.memory.runs.put(str(run_manager.run_id), True)

    def cleared(
        self, session: Session, call_id: str | None, tool: str, args: Mapping[str, Any]
    ) -> bool:
        """Whether this very call was ruled on when the model asked for it. True only once."""
        if call_id is None:
            return False
        plan = self.memory.plans.pop((session.id, call_id))
        return plan == (_call_digest(tool, args), self.shield.policy_revision)

    # -- carrying out

    def _fed(self, gate: StreamGate, shown: str) -> None:
        if gate.stopped:
            assert gate.result is not None
            raise Stopped(gate.result, shown)

    def _ask(self, check: Check, session: Session) -> GuardedCall | GuardedValue:
        if check.surface is not Surface.TOOL_CALL:
            return super()._ask(check, session)
        fields, on_block = self._fields(check, session), self._on_block
        tool = check.tool or ""
        if check.planned:
            return self.shield.guard_call(tool, check.value, fields, on_block=on_block, defer=True)
        approve = None
        if self.interrupts:
            first = self.shield.guard_call(tool, check.value, fields, on_block=on_block, defer=True)
            if first.action is not Action.ASK:
                return first
            if first.result.decision.approval != "approved":
                approve = _interrupted(tool, first)
        return self.shield.guard_call(tool, check.value, fields, on_block=on_block, approve=approve)

    async def _aask(self, check: Check, session: Session) -> GuardedCall | GuardedValue:
        if check.surface is not Surface.TOOL_CALL:
            return await super()._aask(check, session)
        fields, on_block = self._fields(check, session), self._on_block
        tool = check.tool or ""
        if check.planned:
            return await self.shield.aguard_call(
                tool, check.value, fields, on_block=on_block, defer=True
            )
        approve = None
        if self.interrupts:
            first = await self.shield.aguard_call(
                tool, check.value, fields, on_block=on_block, defer=True
            )
            if first.action is not Action.ASK:
                return first
            if first.result.decision.approval != "approved":
                approve = _interrupted(tool, first)
        return await self.shield.aguard_call(
            tool, check.value, fields, on_block=on_block, approve=approve
        )

    # -- remembering

    def _note(self, check: Check, session: Session, answer: GuardedCall | GuardedValue) -> Ruling:
        ruling = super()._note(check, session, answer)
        if ruling.stopped:
            self.memory.stops.put(ruling.value, answer.result)
        elif check.planned and check.call_id is not None and answer.action is not Action.ASK:
            digest = _call_digest(check.tool or "", ruling.value)
            revision = answer.result.decision.revision
            self.memory.plans.put((session.id, check.call_id), (digest, revision))
        return ruling

    def _rulings_of(self, check: Check, session: Session) -> Rulings:
        # A tool's definition is the same in every session of a process. The rest goes with its
        # session: one that is evicted and opened anew reads everything again.
        if check.surface is Surface.TOOL_DEFINITION:
            return self.memory.rulings
        known = self.memory.texts.get(session)
        if known is None:
            known = self.memory.texts.setdefault(session, Recent(_REMEMBERED))
        return known


def _interrupted(tool: str, asked: GuardedCall) -> Any:
    """Pause the graph with the question; when it is resumed, an approval handler that knows.

    Raises:
        GraphInterrupt: The graph pauses here.
    """
    from rune_langchain.interrupt import ask_person

    approved = ask_person(tool, asked)
    return lambda _request: approved


def _call_digest(tool: str, args: Any) -> bytes:
    return cache_digest(f"{tool}\n{json.dumps(args, sort_keys=True, default=repr)}")


_guards: WeakValueDictionary[str, Guard] = WeakValueDictionary()


@lru_cache(maxsize=64)
def _guard(shield: Shield, agent_id: str | None, interrupts: bool) -> Guard:
    guard = Guard(shield, agent_id, interrupts=interrupts)
    _guards[guard.token] = guard
    return guard


@lru_cache(maxsize=1)
def default_shield() -> Shield:
    """The shield used where none is given: settings from the environment, made when needed."""
    return Shield()


def guard_for(shield: Shield | None, agent_id: str | None, *, interrupts: bool = False) -> Guard:
    """The guard of a shield under an agent id.

    Raises:
        ConfigError: It is no shield, or no agent id.
    """
    check_handed(shield, agent_id)
    return _guard(default_shield() if shield is None else shield, agent_id, interrupts)


def _find_guard(token: str, agent_id: str | None, interrupts: bool = False) -> Guard:
    return _guards.get(token) or guard_for(None, agent_id, interrupts=interrupts)
