"""The guard of this adapter: holds calls to what was planned, and ends runs.

``AdapterGuard`` carries checks out, ``Sessions`` knows which session they belong to. There is no
policy in any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4
from weakref import WeakValueDictionary

from rune_core import Shield
from rune_core.adapters.guard import AdapterGuard, Rulings, adapter_name, check_handed
from rune_core.adapters.recent import Recent
from rune_core.adapters.walk import Check, Ruling, Stopped
from rune_core.errors import ShieldBlockedError
from rune_llamaindex.sessions import Sessions, call_digest
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.adapters.covers import Rows
    from rune_core.gate import StreamGate
    from rune_core.guarded import GuardedCall, GuardedValue
    from rune_core.result import ScanResult
    from rune_core.session.session import Session

_REMEMBERED = 8192
_LATCHED = 1024

ADAPTER = adapter_name("rune-llamaindex")


@dataclass(frozen=True)
class Guard(AdapterGuard):
    """One shield, under one agent id. Guards that are equal guard alike.

    Attributes:
        stops_run: Whether a stopped tool call ends the run when the model is called next.
        token: Names this guard to unpickled objects of the same process.
        sessions: Which session a call belongs to.
    """

    framework: str = "llamaindex"
    adapter: ClassVar[str] = ADAPTER
    guarded: ClassVar[Rows] = (
        ("guarded LLMs", "input, tool definitions, answers, thoughts, calls, handoffs; streams"),
        ("guarded tools", "definition, call before it is made, result, errors, spans"),
        ("guarded retrievers, postprocessor", "nodes before the engine reads them"),
        ("event handler", "observes only"),
    )
    unguarded: ClassVar[Rows] = (
        ("LLMs, tools, retrievers not handed over", "use shield_llm, shield_tools, ..."),
        ("AgentInput events, memory", "hold the user's words as they were said"),
        ("calls that ReAct states as text", "cut when they are made; the text stays"),
        ("images, sound, files", "passed unread"),
    )
    stops_run: bool = False
    token: str = field(default_factory=lambda: uuid4().hex, compare=False)
    sessions: Sessions = field(init=False, compare=False, repr=False)
    _memory: _Memory = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        # One memory for all guards of a shield and agent: what one has ruled on, all have.
        memory = _memory_of(self.shield, self.agent_id)
        object.__setattr__(self, "_memory", memory)
        object.__setattr__(self, "_rulings", memory.rulings)
        object.__setattr__(self, "sessions", memory.sessions)

    def __reduce__(self) -> tuple[Any, ...]:
        """A shield stays in its process; on the other side the guard is found or made anew."""
        return _find_guard, (self.token, self.agent_id, self.stops_run)

    def _fed(self, gate: StreamGate, shown: str) -> None:
        if gate.stopped:
            assert gate.result is not None
            raise Stopped(gate.result, shown)

    # -- remembering

    def _known(self, check: Check, session: Session) -> Ruling | None:
        if check.surface is Surface.TOOL_CALL and not check.planned:
            return self._memory.take(session, check, self.shield.policy_revision)
        return super()._known(check, session)

    def _note(self, check: Check, session: Session, answer: GuardedCall | GuardedValue) -> Ruling:
        ruling = super()._note(check, session, answer)
        if ruling.stopped:
            self._memory.stops.put(ruling.value, answer.result)
        elif check.surface is Surface.TOOL_CALL and check.planned:
            self._memory.plan(session, check.tool or "", ruling)
            self.sessions.planned(check.tool or "", ruling.value, session)
        return ruling

    def answered(self, session: Session) -> None:
        """A model answers anew: calls it asked for before and that were not made are void."""
        self._memory.plans.pop(session.id)

    def stop_behind(self, neutral: object) -> ScanResult | None:
        """What was said about content that this neutral message stands for."""
        return self._memory.stops.get(neutral) if isinstance(neutral, str) else None

    # -- ending a run

    def latch(self, session: Session, result: ScanResult) -> None:
        """Let the next model call of a session end its run."""
        if self.stops_run:
            self._memory.latched.put(session.id, result)

    def check_latch(self, session: Session) -> None:
        """End the run if a stopped tool call has to. Once: the next run is another one.

        Raises:
            ShieldBlockedError: It has to.
        """
        result = self._memory.latched.pop(session.id)
        if result is not None:
            raise ShieldBlockedError(result)


class _Memory:
    """What guards of one shield and agent know of earlier rulings."""

    def __init__(self, shield: Shield, agent_id: str | None) -> None:
        self.sessions = Sessions(
            lambda: shield.open_session(agent_id=agent_id, framework="llamaindex")
        )
        self.rulings: Rulings = Recent(_REMEMBERED)
        self.plans: Recent[str, dict[bytes, list[Ruling]]] = Recent(_LATCHED)
        self.stops: Recent[str, ScanResult] = Recent(_LATCHED)
        self.latched: Recent[str, ScanResult] = Recent(_LATCHED)

    def plan(self, session: Session, tool: str, ruling: Ruling) -> None:
        plans = self.plans.get(session.id) or {}
        plans.setdefault(call_digest(tool, ruling.value), []).append(ruling)
        self.plans.put(session.id, plans)

    def take(self, session: Session, check: Check, revision: str) -> Ruling | None:
        """The ruling on a call that a model planned. Each serves once."""
        plans = self.plans.get(session.id)
        if not plans:
            return None
        waiting = plans.get(call_digest(check.tool or "", check.value))
        if not waiting:
            return None
        ruling = waiting.pop()
        if ruling.result is None or ruling.result.decision.revision != revision:
            return None
        return Ruling(check.value, ruling.result)


_guards: WeakValueDictionary[str, Guard] = WeakValueDictionary()


@lru_cache(maxsize=64)
def _memory_of(shield: Shield, agent_id: str | None) -> _Memory:
    return _Memory(shield, agent_id)


@lru_cache(maxsize=64)
def _guard(shield: Shield, agent_id: str | None, stops_run: bool) -> Guard:
    guard = Guard(shield, agent_id, stops_run=stops_run)
    _guards[guard.token] = guard
    return guard


@lru_cache(maxsize=1)
def default_shield() -> Shield:
    """The shield used where none is given: settings from the environment, made when needed."""
    return Shield()


def guard_for(shield: Shield | None, agent_id: str | None, *, stops_run: bool = False) -> Guard:
    """The guard of a shield under an agent id.

    Raises:
        ConfigError: It is no shield, or no agent id.
    """
    check_handed(shield, agent_id)
    return _guard(default_shield() if shield is None else shield, agent_id, stops_run)


def _find_guard(token: str, agent_id: str | None, stops_run: bool) -> Guard:
    return _guards.get(token) or guard_for(None, agent_id, stops_run=stops_run)
