"""The adapter's side of the shield: carries walks out and remembers what was ruled.

There is no policy in here. What to cut, ask or stop is decided by the shield's ``guard_*`` methods.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar, cast

from rune_core.action import OnBlock
from rune_core.adapters.covers import AdapterCoverage, Rows, uses
from rune_core.adapters.recent import Recent
from rune_core.adapters.walk import Check, Feed, Ruling, Walk
from rune_core.errors import ConfigError
from rune_core.gate import StreamGate
from rune_core.guarded import GuardedCall
from rune_core.ids import cache_digest
from rune_core.shield import Shield
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.guarded import GuardedValue
    from rune_core.session.session import Session

_T = TypeVar("_T")
_REMEMBERED = 8192

Rulings: TypeAlias = Recent[tuple[str, Surface, str, bytes], tuple[str, Ruling | None]]
"""By session, surface, tool and text: the policies in force and the ruling, None for a clean text.

A tool's definition is the same in every session of an agent, so it is kept under the agent.
"""


def adapter_name(distribution: str) -> str:
    """An adapter's name and version, as they stand in events."""
    try:
        return f"{distribution}/{version(distribution)}"
    except PackageNotFoundError:  # running from a source tree that was never installed
        return f"{distribution}/0+unknown"


def check_handed(shield: object, agent_id: object) -> None:
    """Check what a user hands to an adapter before anything depends on it.

    Raises:
        ConfigError: It is no shield, or no agent id. Names the argument, never a value.
    """
    if shield is not None and not isinstance(shield, Shield):
        kind = shield.__name__ if isinstance(shield, type) else type(shield).__name__
        raise ConfigError(
            f"shield: takes a Shield, such as Shield(on_block='replace'), not {kind}; "
            "without one, settings come from the environment"
        )
    if agent_id is not None and not isinstance(agent_id, str):
        raise ConfigError(f"agent_id: takes a text, not {type(agent_id).__name__}")


@dataclass(frozen=True)
class AdapterGuard:
    """One shield, under one agent id. An adapter's guard adds how its framework tells sessions.

    Attributes:
        shield: Decides.
        agent_id: The agent, as the developer names it.
        framework: What calls, as it stands in events.
        adapter: The adapter's name and version, see ``adapter_name``.
        guarded: What the adapter guards, and how, for ``shield.coverage()``.
        unguarded: What it cannot guard, and why.
        keeps_every_text: Whether rulings on texts that were met once are kept as well, for a
            ``Check`` of the same text with ``remember`` to find.
    """

    shield: Shield
    agent_id: str | None = None
    framework: str = ""
    _rulings: Rulings = field(
        default_factory=lambda: Recent(_REMEMBERED), compare=False, repr=False
    )
    adapter: ClassVar[str]
    guarded: ClassVar[Rows] = ()
    unguarded: ClassVar[Rows] = ()
    keeps_every_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        guarded, unguarded = self._covers()
        covers = AdapterCoverage(self.adapter, self.framework, guarded, unguarded)
        uses(self.shield._engine, covers)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: frameworks copy models and tools, and all copies are guarded by one shield."""
        del memo
        return self

    def _covers(self) -> tuple[Rows, Rows]:
        """What is guarded and what is not."""
        return self.guarded, self.unguarded

    @property
    def raises(self) -> bool:
        """True when ``on_block`` is ``raise``."""
        return self.shield.config.on_block is OnBlock.RAISE

    def gate(self, surface: Surface, session: Session, *, whole: bool = False) -> StreamGate:
        """A gate for one text that arrives in pieces; ``whole`` if only all of it can be judged."""
        fields = self._fields(Check(surface, ""), session)
        return StreamGate(self.shield, surface, fields, on_block=self._on_block, whole=whole)

    # -- carrying out

    def run(self, walk: Walk[_T], session: Session) -> _T:
        """Carry out a walk. ``Stopped`` passes through."""
        try:
            step = next(walk)
            while True:
                answer: str | Ruling | None
                if isinstance(step, Feed):
                    gate = step.gate
                    answer = gate.finish() if step.delta is None else gate.push(step.delta)
                    self._fed(gate, answer)
                else:
                    answer = self._known(step, session)
                    if answer is None:
                        answer = self._note(step, session, self._ask(step, session))
                step = walk.send(answer)
        except StopIteration as done:
            return cast("_T", done.value)

    async def arun(self, walk: Walk[_T], session: Session) -> _T:
        """``run`` on an event loop."""
        try:
            step = next(walk)
            while True:
                answer: str | Ruling | None
                if isinstance(step, Feed):
                    gate = step.gate
                    feed = gate.afinish() if step.delta is None else gate.apush(step.delta)
                    answer = await feed
                    self._fed(gate, answer)
                else:
                    answer = self._known(step, session)
                    if answer is None:
                        answer = self._note(step, session, await self._aask(step, session))
                step = walk.send(answer)
        except StopIteration as done:
            return cast("_T", done.value)

    def _fed(self, gate: StreamGate, shown: str) -> None:
        """Called after each ``Feed``; raises ``Stopped`` where a stopped stream ends the walk."""

    def _ask(self, check: Check, session: Session) -> GuardedCall | GuardedValue:
        fields, on_block = self._fields(check, session), self._on_block
        if check.surface is Surface.TOOL_CALL:
            tool = check.tool or ""
            return self.shield.guard_call(tool, check.value, fields, on_block=on_block)
        return self.shield.guard_value(check.surface, check.value, fields, on_block=on_block)

    async def _aask(self, check: Check, session: Session) -> GuardedCall | GuardedValue:
        fields, on_block = self._fields(check, session), self._on_block
        if check.surface is Surface.TOOL_CALL:
            tool = check.tool or ""
            return await self.shield.aguard_call(tool, check.value, fields, on_block=on_block)
        return await self.shield.aguard_value(check.surface, check.value, fields, on_block=on_block)

    @property
    def _on_block(self) -> OnBlock:
        # Whether a stop is raised depends on where it happens, so it is never raised down there.
        return OnBlock.REPLACE if self.raises else self.shield.config.on_block

    def _fields(self, check: Check, session: Session) -> dict[str, Any]:
        return {
            "session": session,
            "agent_id": self.agent_id,
            "tool": check.tool,
            "framework": self.framework,
            "adapter": self.adapter,
            "tool_definition_hash": check.definition_hash,
        }

    # -- remembering

    def _rulings_of(self, check: Check, session: Session) -> Rulings:  # noqa: ARG002 - to override
        """The table that the rulings on such a check are kept in."""
        return self._rulings

    def _known(self, check: Check, session: Session) -> Ruling | None:
        """The ruling of before, if it still holds. A call is ruled on every time."""
        if not check.remember or check.surface is Surface.TOOL_CALL:
            return None
        known = self._rulings_of(check, session).get(self._key(check, session))
        if known is None or known[0] != self.shield.policy_revision:
            return None
        return known[1] or Ruling(check.value, None)

    def _note(self, check: Check, session: Session, answer: GuardedCall | GuardedValue) -> Ruling:
        """Keep an answer, unless it is about a call or part of the shield did not work."""
        ruling = _ruling(answer)
        result = answer.result
        lasting = check.remember or (self.keeps_every_text and isinstance(check.value, str))
        if lasting and check.surface is not Surface.TOOL_CALL and not result.degraded:
            clean = not (ruling.changed or ruling.stopped)
            self._rulings_of(check, session).put(
                self._key(check, session), (result.decision.revision, None if clean else ruling)
            )
        if ruling.changed and not result.degraded and check.surface is not Surface.TOOL_CALL:
            # What is left was looked at until there was nothing to cut: it comes by again.
            left = replace(check, value=ruling.value)
            self._rulings_of(check, session).put(
                self._key(left, session), (result.decision.revision, None)
            )
        return ruling

    def _key(self, check: Check, session: Session) -> tuple[str, Surface, str, bytes]:
        text = check.value if isinstance(check.value, str) else repr(check.value)
        scope = session.id
        if check.surface is Surface.TOOL_DEFINITION:
            # The same in every session of an agent; another agent may know the tool otherwise.
            scope = self.agent_id or session.agent_id or ""
        return scope, check.surface, check.tool or "", cache_digest(text)


def _ruling(answer: GuardedCall | GuardedValue) -> Ruling:
    value = answer.args_to_use if isinstance(answer, GuardedCall) else answer.value_to_use
    return Ruling(
        value=answer.message if answer.stopped else value,
        result=answer.result,
        stopped=answer.stopped,
        changed=answer.redacted or answer.stopped,
    )
