"""The guard of this adapter: knows sessions by ids, and calls that were decided before.

``AdapterGuard`` carries checks out. There is no policy in either.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import ref

from rune_core import Shield
from rune_core.action import Action, OnBlock
from rune_core.adapters.covers import Rows, passed_unread
from rune_core.adapters.guard import AdapterGuard, adapter_name, check_handed
from rune_core.adapters.owners import Owners
from rune_core.adapters.recent import Recent
from rune_core.guarded import GuardedCall, guarded_call
from rune_core.session.session import Session, current_session
from rune_core.values import render
from rune_openai.decisions import Decisions
from rune_openai.ids import id_in_run, placed_id
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping

    from rune_core.adapters.walk import Check
    from rune_core.guarded import GuardedValue
    from rune_openai.approval import Approvable

_NO_ID = "__fake_id__"  # what the Agents SDK writes where a provider gave no id
_REMEMBERED = 8192
_SESSIONS = 32768

ADAPTER = adapter_name("rune-openai")

CLIENT_GUARDED: Rows = (
    ("chat completions, text completions", "guarded, streams and tool calls included"),
    ("responses", "guarded, streams, tool calls and snapshots included"),
    ("agent sessions (beta)", "messages, results, text, and calls before a handler makes them"),
    ("embeddings", "texts guarded; lists of tokens cannot be read"),
    ("transcriptions, translations", "text guarded; sound passes unread"),
)
CLIENT_UNGUARDED: Rows = (
    ("clients not handed over", "use shield_client on each, or ShieldOpenAI"),
    ("images, audio and files in messages", "pass unread, counted below"),
    ("hosted tools (search, code, MCP)", "run on the server: only their words are checked"),
    ("realtime and websocket connections", "another protocol"),
    ("assistants (threads) streams", "messages read afterwards are guarded"),
)
AGENTS_GUARDED: Rows = (
    ("models of guarded agents", "input, tool definitions, answers, calls, handoffs; streams"),
    ("function tools", "call before it is made, result before the model reads it"),
    ("MCP servers", "definitions, calls, results"),
    ("a policy's ask", "interrupts the run like needs_approval"),
    ("guardrail objects", "stop only: cannot redact, cannot unsend"),
)
AGENTS_UNGUARDED: Rows = (
    ("RunConfig(model=...)", "beats an agent's model: hand it to shield_run_config"),
    ("hosted tools (search, code, MCP)", "run on the server: only their words are checked"),
    ("realtime and voice agents", "another protocol"),
    ("inside of agent.as_tool()", "guarded from outside: guard the inner agent as well"),
    ("images and files", "pass unread, counted below"),
)


@dataclass(frozen=True)
class Guard(AdapterGuard):
    """One shield, under one agent id. Guards that are equal guard alike.

    Attributes:
        framework: What calls: ``openai`` or ``openai-agents``.
        passed: Kinds of content that went through unread, such as images, and how often.
        approvable: Tools of the running agent that put an ``ask`` to the user themselves, by the
            names that they are offered under.
    """

    framework: str = "openai"
    adapter: ClassVar[str] = ADAPTER
    keeps_every_text: ClassVar[bool] = False
    passed: Counter[str] = field(init=False, compare=False, repr=False)
    approvable: ContextVar[Mapping[str, Approvable]] = field(
        default_factory=lambda: ContextVar("rune_openai_approvable", default=MappingProxyType({})),
        compare=False,
        repr=False,
    )
    _decided: Decisions = field(default_factory=Decisions, compare=False, repr=False)
    _asked: Recent[str, bool] = field(
        default_factory=lambda: Recent(_REMEMBERED), compare=False, repr=False
    )
    _sessions: Owners[str] = field(
        default_factory=lambda: Owners(_SESSIONS), compare=False, repr=False
    )
    _items: Recent[int, tuple[ref[Any], Session]] = field(
        default_factory=lambda: Recent(_REMEMBERED), compare=False, repr=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        counter = passed_unread(self.shield._engine, self.framework)
        object.__setattr__(self, "passed", counter)

    def _covers(self) -> tuple[Rows, Rows]:
        if self.framework == "openai":
            return CLIENT_GUARDED, CLIENT_UNGUARDED
        return AGENTS_GUARDED, AGENTS_UNGUARDED

    # -- sessions

    def session(self, ids: Iterable[str | None] = ()) -> Session:
        """The session of the running call.

        As ``known_session``; otherwise a new one.
        """
        return self.known_session(ids) or self.new_session()

    def new_session(self) -> Session:
        """A session of a run that nothing is known of."""
        return self.shield.open_session(agent_id=self.agent_id, framework=self.framework)

    @cached_property
    def definitions_session(self) -> Session:
        """Where definitions are looked at that a server lists: it is asked again at every turn."""
        return self.new_session()

    def known_session(self, ids: Iterable[str | None] = ()) -> Session | None:
        """The session opened by hand, or else the one in which alone one of these ids was met.

        What several sessions have in common tells nothing.
        """
        opened = current_session.get()
        if opened is not None:
            return opened
        for known in ids:
            session = self._sessions.get(known) if known and known != _NO_ID else None
            if session is not None:
                return session
        return None

    def belongs(
        self,
        ids: Iterable[str | None],
        session: Session,
        said: bytes,
        run: Iterable[str] = (),
    ) -> None:
        """Remember that messages, calls or answers with these ids are part of a session.

        Args:
            ids: Those in an answer.
            session: Where it was given.
            said: Stands for what was said before it, see ``Conversation``.
            run: What stands for the run, where the framework tells.
        """
        # Ids of a stream repeat in every chunk.
        alone = {known for known in ids if known and known != _NO_ID}
        placed = {placed_id(known, said) for known in alone}
        of_run = {id_in_run(known, mark) for mark in run for known in alone}
        for known in (*alone, *placed, *of_run):
            self._sessions.claim(known, session)

    def asked_for(self, items: Iterable[Any], session: Session) -> None:
        """Remember the very objects that stand for calls in an answer: no other run has them."""
        for item in items:
            if getattr(item, "call_id", None):
                self._items.put(id(item), (ref(item), session))

    def session_of_call(self, context: Any) -> Session | None:
        """The session of a tool call, by what the Agents SDK says of it, if that tells."""
        item = getattr(context, "tool_call", None)
        known = None if item is None else self._items.get(id(item))
        if current_session.get() is None and known is not None and known[0]() is item:
            return known[1]
        from rune_openai.runs import ids_of_call

        return self.known_session(ids_of_call(getattr(context, "tool_call_id", None)))

    @staticmethod
    def approved(context: Any) -> bool:
        """Whether a person approved of a tool call, by what the Agents SDK says of it."""
        ask = getattr(context, "is_tool_approved", None)
        name, call_id = getattr(context, "tool_name", None), getattr(context, "tool_call_id", None)
        return callable(ask) and bool(name and call_id) and ask(name, call_id) is True

    # -- calls that are decided where the model asks for them, and made elsewhere

    def decided(self, tool: str, args: Any, session: Session, *, asks: bool) -> None:
        """Remember that a call was decided, so that the tool need not decide again."""
        self._decided.put(tool, args, session, asks=asks)
        if asks:
            self._asked.put(tool, True)

    def asks_about(self, tool: str) -> bool:
        """Whether a person was ever to be asked about a call of this tool."""
        return self._asked.get(tool) is not None

    def was_decided(self, tool: str, args: Any, session: Session | None) -> bool | None:
        """None when the call was not decided yet, True when a person has to approve it."""
        return self._decided.get(tool, args, session)

    def made(self, tool: str, args: Any, session: Session | None) -> tuple[bool, Session]:
        """A call is made now: the next one like it is decided anew.

        Args:
            tool: The tool.
            args: The arguments of the call.
            session: Where it is made, if that is known.

        Returns:
            Whether it was decided already, and the session it is made in.
        """
        decided, known = self._decided.use(tool, args, session)
        return decided, known or self.new_session()

    async def _aask(self, check: Check, session: Session) -> GuardedCall | GuardedValue:
        approvable = self.approvable.get().get(check.tool or "")
        if check.surface is not Surface.TOOL_CALL or (approvable is None and not check.approved):
            return await super()._aask(check, session)
        if approvable is None:
            return (await self._adecide(check, session))[0]
        guarded, asks = await self._adecide(check, session)
        if approvable.name != check.tool and not guarded.stopped:
            # A policy may name the tool either way.
            under = replace(check, tool=approvable.name, value=guarded.args_to_use)
            again, asks_again = await self._adecide(under, session)
            guarded, asks = (
                again if again.stopped or again.redacted else guarded,
                asks or asks_again,
            )
        if guarded.stopped:
            return guarded
        self.decided(approvable.decided_as, guarded.args_to_use, session, asks=asks)
        if asks:
            approvable.ask()
        return guarded

    async def _adecide(self, check: Check, session: Session) -> tuple[GuardedCall, bool]:
        """Decide about a call that a guarded tool will make, and whether it puts a question.

        That one need not decide again, and asks the user in the framework's own way.
        """
        shield, tool, args = self.shield, check.tool or "", check.value
        fields, on_block = self._fields(check, session), self._on_block
        if shield.approval_handler is not None or on_block is not OnBlock.REPLACE:
            return await shield.aguard_call(tool, args, fields, on_block=on_block), False
        result = await shield.avalidate_action(tool, args, fields)
        asks = result.action is Action.ASK
        on_block = OnBlock.LOG if asks else on_block
        return guarded_call(args, render(args), result, on_block), asks


@lru_cache(maxsize=64)
def _guard(shield: Shield, agent_id: str | None, framework: str) -> Guard:
    return Guard(shield, agent_id, framework)


@lru_cache(maxsize=1)
def default_shield() -> Shield:
    """The shield used where none is given: settings from the environment, made when needed."""
    return Shield()


def guard_for(shield: Shield | None, agent_id: str | None, framework: str = "openai") -> Guard:
    """The guard of a shield under an agent id.

    Raises:
        ConfigError: It is no shield, or no agent id.
    """
    check_handed(shield, agent_id)
    return _guard(default_shield() if shield is None else shield, agent_id, framework)
