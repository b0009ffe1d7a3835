"""Shield: the public face."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from rune_core.action import OnBlock
from rune_core.config import BUILTIN_STYLES, ShieldConfig
from rune_core.context import (
    CONTEXT_KEYS,
    TOOL_RISKS,
    CallFields,
    ContextFields,
    ContextLike,
    ScanContext,
    surface_named,
)
from rune_core.errors import ConfigError, ShieldClosedError
from rune_core.guarded import (
    GuardedCall,
    GuardedText,
    GuardedValue,
    guarded_call,
    guarded_text,
    guarded_value,
)
from rune_core.session.session import Session, SessionTable, current_session
from rune_scanner.finding import Surface, Threat

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self, Unpack

    from rune_core.bundle.sync import SyncState
    from rune_core.coverage import Coverage
    from rune_core.effects import ApprovalHandler, Effect
    from rune_core.engine import Engine
    from rune_core.layers.attack_memory import Signature
    from rune_core.layers.l2_vector import VectorLayer
    from rune_core.policy.store import ReloadResult
    from rune_core.result import ScanResult
    from rune_core.stats import Stats
    from rune_core.tool_pins import ToolPins
    from rune_core.values import Rendered

_F = TypeVar("_F", bound=Callable[..., Any])


class Shield:
    """Guards one agent process. Threads and tasks may share it.

    Cheap to make: rules are compiled by the first scan; policies of your own are read here, so
    that their faults show at start-up.

    ``scan_*`` and ``validate_action`` return what was found and decided and never raise for a
    block. ``protect``, the ``guard_*`` methods and the adapters act on it as ``on_block`` says.

    Args:
        api_key: Key of a Rune server, whose address is `url`. Without both, all is local.
        config: Settings; by default from the environment (see ShieldConfig).
        local_policies_path: A policy file or a folder of them, added to the built-in policy.
        on_block: ``raise``, ``replace``, ``log`` or ``alert``.
        approval_handler: Asked when a decision is ``ask``: takes an ApprovalRequest, returns True
            to approve. May be a coroutine function for the asynchronous methods. Without one,
            ``ask`` acts as ``block``.
        plugins: Plug-ins (see hookspecs) for this Shield, besides those installed.
        policy: A policy as YAML text, besides the files: for notebooks and tests.

    Raises:
        PolicyLoadError: Your policies have faults; all are listed.
        ConfigError: A setting cannot be used.
    """

    def __init__(
        self,
        api_key: str | None = None,
        config: ShieldConfig | None = None,
        local_policies_path: str | Path | None = None,
        on_block: str | OnBlock | None = None,
        *,
        approval_handler: ApprovalHandler | None = None,
        plugins: Iterable[object] = (),
        policy: str | None = None,
    ) -> None:
        if isinstance(api_key, ShieldConfig):
            raise ConfigError("api_key: settings are handed over by name: Shield(config=...)")
        if config is not None and not isinstance(config, ShieldConfig):
            raise ConfigError(
                f"config: takes a ShieldConfig, not {type(config).__name__}: "
                "Shield(config=ShieldConfig(...))"
            )
        if approval_handler is not None and not callable(approval_handler):
            raise ConfigError(
                "approval_handler: takes a function, which gets an ApprovalRequest and returns "
                f"True to approve, not {type(approval_handler).__name__}"
            )
        given: dict[str, Any] = {
            "api_key": api_key,
            "local_policies_path": local_policies_path,
            "on_block": on_block,
        }
        given = {name: value for name, value in given.items() if value is not None}
        self.config = ShieldConfig(**given) if config is None else replace(config, **given)
        self.approval_handler = approval_handler
        if self.config.debug:
            logging.getLogger("rune_core").setLevel(logging.DEBUG)
        from rune_core.engine import Engine

        self._engine: Engine = Engine(self.config, plugins, policy=policy)
        if self.config.redaction_style not in BUILTIN_STYLES:
            # A style that does not exist should show at start-up, not at the first cut.
            self._engine.redactor()
        self._sessions = SessionTable(self.config.max_sessions, self.config.session_idle_seconds)
        self._ambient = self._new_session(
            None, self.config.default_agent_id, (), None, traced=False
        )
        self._closed = False
        if self._engine.sync is not None:
            self._engine.sync.start()

    # -- scanning: look and decide

    def scan_input(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """Scan what a user says to the agent.

        Args:
            content: A text, or any value; values are scanned as JSON.
            context: A ScanContext, or a mapping with fields of one; other keys are ignored.
            fields: Fields of a ScanContext; they beat ``context``.

        Returns:
            What was found and decided. Never raises for a block.
        """
        return self.scan(Surface.INPUT, content, context, **fields)

    def scan_output(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """Scan what the agent says. See ``scan_input``."""
        return self.scan(Surface.OUTPUT, content, context, **fields)

    def scan_document(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """Scan a retrieved document. See ``scan_input``."""
        return self.scan(Surface.DOCUMENT, content, context, **fields)

    def scan_tool_result(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """Scan what a tool gave back. See ``scan_input``; pass ``tool=``."""
        return self.scan(Surface.TOOL_RESULT, content, context, **fields)

    def scan_tool_definition(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """Scan a tool's name, description and schema. See ``scan_input``; pass ``tool=``."""
        return self.scan(Surface.TOOL_DEFINITION, content, context, **fields)

    def scan_handoff(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """Scan what one agent tells another. See ``scan_input``."""
        return self.scan(Surface.HANDOFF, content, context, **fields)

    def scan(
        self,
        surface: Surface | str,
        content: object,
        context: ContextLike = None,
        **fields: Unpack[ContextFields],
    ) -> ScanResult:
        """Scan a text or value on any surface. See ``scan_input``."""
        from rune_core.effects import drive

        return drive(self._pipeline(surface, content, context, fields)[1])

    def validate_action(
        self,
        tool: str,
        args: object = None,
        context: ContextLike = None,
        **fields: Unpack[CallFields],
    ) -> ScanResult:
        """Decide about a tool call before it is made.

        Args:
            tool: The tool's name.
            args: Its arguments: a mapping, any value, or a text.
            context: As in ``scan_input``.
            fields: As in ``scan_input``.

        Returns:
            What was found and decided; ``sanitized_value`` holds the arguments with cuts.
        """
        from rune_core.effects import drive

        return drive(
            self._pipeline(Surface.TOOL_CALL, _args(args), context, {**fields, "tool": tool})[1]
        )

    async def ascan_input(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """``scan_input`` on an event loop."""
        return await self.ascan(Surface.INPUT, content, context, **fields)

    async def ascan_output(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """``scan_output`` on an event loop."""
        return await self.ascan(Surface.OUTPUT, content, context, **fields)

    async def ascan_document(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """``scan_document`` on an event loop."""
        return await self.ascan(Surface.DOCUMENT, content, context, **fields)

    async def ascan_tool_result(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """``scan_tool_result`` on an event loop."""
        return await self.ascan(Surface.TOOL_RESULT, content, context, **fields)

    async def ascan_tool_definition(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """``scan_tool_definition`` on an event loop."""
        return await self.ascan(Surface.TOOL_DEFINITION, content, context, **fields)

    async def ascan_handoff(
        self, content: object, context: ContextLike = None, **fields: Unpack[ContextFields]
    ) -> ScanResult:
        """``scan_handoff`` on an event loop."""
        return await self.ascan(Surface.HANDOFF, content, context, **fields)

    async def ascan(
        self,
        surface: Surface | str,
        content: object,
        context: ContextLike = None,
        **fields: Unpack[ContextFields],
    ) -> ScanResult:
        """``scan`` on an event loop."""
        from rune_core.effects import adrive

        return await adrive(self._pipeline(surface, content, context, fields)[1])

    async def avalidate_action(
        self,
        tool: str,
        args: object = None,
        context: ContextLike = None,
        **fields: Unpack[CallFields],
    ) -> ScanResult:
        """``validate_action`` on an event loop."""
        from rune_core.effects import adrive

        return await adrive(
            self._pipeline(Surface.TOOL_CALL, _args(args), context, {**fields, "tool": tool})[1]
        )

    # -- guarding: look, decide and act on it. The one door for adapters

    def guard_text(
        self,
        surface: Surface | str,
        text: str,
        context: ContextLike = None,
        *,
        on_block: str | OnBlock | None = None,
        **fields: Unpack[ContextFields],
    ) -> GuardedText:
        """Scan a text, ask for approval if it must be, and say what to go on with.

        Args:
            surface: Where the text was met.
            text: The text.
            context: As in ``scan_input``.
            on_block: What to do when it is stopped; by default as the Shield is set.
            fields: As in ``scan_input``.

        Raises:
            ShieldBlockedError: It is stopped and ``on_block`` is ``raise``.
        """
        from rune_core.effects import drive

        stop = self._on_block(on_block)
        _, pipeline = self._pipeline(surface, text, context, fields, on_block=stop)
        return guarded_text(text, drive(pipeline), stop)

    async def aguard_text(
        self,
        surface: Surface | str,
        text: str,
        context: ContextLike = None,
        *,
        on_block: str | OnBlock | None = None,
        **fields: Unpack[ContextFields],
    ) -> GuardedText:
        """``guard_text`` on an event loop."""
        from rune_core.effects import adrive

        stop = self._on_block(on_block)
        _, pipeline = self._pipeline(surface, text, context, fields, on_block=stop)
        return guarded_text(text, await adrive(pipeline), stop)

    def guard_value(
        self,
        surface: Surface | str,
        value: object,
        context: ContextLike = None,
        *,
        on_block: str | OnBlock | None = None,
        **fields: Unpack[ContextFields],
    ) -> GuardedValue:
        """``guard_text`` for any value: cuts are made in the texts inside, its shape stays.

        Raises:
            ShieldBlockedError: It is stopped and ``on_block`` is ``raise``.
        """
        from rune_core.effects import drive

        stop = self._on_block(on_block)
        rendered, pipeline = self._pipeline(surface, value, context, fields, on_block=stop)
        return guarded_value(value, rendered, drive(pipeline), stop)

    async def aguard_value(
        self,
        surface: Surface | str,
        value: object,
        context: ContextLike = None,
        *,
        on_block: str | OnBlock | None = None,
        **fields: Unpack[ContextFields],
    ) -> GuardedValue:
        """``guard_value`` on an event loop."""
        from rune_core.effects import adrive

        stop = self._on_block(on_block)
        rendered, pipeline = self._pipeline(surface, value, context, fields, on_block=stop)
        return guarded_value(value, rendered, await adrive(pipeline), stop)

    def guard_call(
        self,
        tool: str,
        args: Mapping[str, Any],
        context: ContextLike = None,
        *,
        on_block: str | OnBlock | None = None,
        approve: ApprovalHandler | None = None,
        defer: bool = False,
        **fields: Unpack[CallFields],
    ) -> GuardedCall:
        """Decide about a tool call, ask for approval if it must be, and say how to call.

        Args:
            tool: The tool's name.
            args: Its arguments by name.
            context: As in ``scan_input``.
            on_block: What to do when it is stopped; by default as the Shield is set.
            approve: Asked instead of the Shield's approval handler.
            defer: Ask nobody yet. A call that has to be asked about comes back with its arguments
                and ``action`` ``ask``; it must be guarded again when it is about to be made.
            fields: As in ``scan_input``.

        Raises:
            ShieldBlockedError: It is stopped and ``on_block`` is ``raise``.
        """
        from rune_core.effects import drive

        stop = self._on_block(on_block)
        rendered, pipeline = self._pipeline(
            Surface.TOOL_CALL,
            args,
            context,
            {**fields, "tool": tool},
            on_block=stop,
            approve=approve,
            defer=defer,
        )
        return guarded_call(args, rendered, drive(pipeline), stop, defer=defer)

    async def aguard_call(
        self,
        tool: str,
        args: Mapping[str, Any],
        context: ContextLike = None,
        *,
        on_block: str | OnBlock | None = None,
        approve: ApprovalHandler | None = None,
        defer: bool = False,
        **fields: Unpack[CallFields],
    ) -> GuardedCall:
        """``guard_call`` on an event loop."""
        from rune_core.effects import adrive

        stop = self._on_block(on_block)
        rendered, pipeline = self._pipeline(
            Surface.TOOL_CALL,
            args,
            context,
            {**fields, "tool": tool},
            on_block=stop,
            approve=approve,
            defer=defer,
        )
        return guarded_call(args, rendered, await adrive(pipeline), stop, defer=defer)

    @overload
    def protect(self, function: _F, /) -> _F: ...

    @overload
    def protect(
        self,
        function: None = None,
        /,
        *,
        tool: str | None = None,
        surface: Surface | str = Surface.TOOL_RESULT,
        **fields: Unpack[CallFields],
    ) -> Callable[[_F], _F]: ...

    def protect(
        self,
        function: _F | None = None,
        /,
        *,
        tool: str | None = None,
        surface: Surface | str = Surface.TOOL_RESULT,
        **fields: Any,
    ) -> _F | Callable[[_F], _F]:
        """Guard a function's arguments before each call and its result after.

        Args:
            function: The function, when used without parentheses.
            tool: The tool's name; by default the function's.
            surface: What the result is; ``tool_result`` unless you say otherwise.
            fields: Context fields for every call.

        Raises:
            UnguardableError: The function is a generator or a class.
        """
        from rune_core.protect import protect

        def decorate(target: _F) -> _F:
            return protect(self, target, tool=tool, surface=surface_named(surface), fields=fields)

        return decorate if function is None else decorate(function)

    # -- attack memory

    def remember(
        self, text: str, threat: Threat | str = Threat.PROMPT_INJECTION, *, label: str = ""
    ) -> str:
        """Recognise a text, and texts close to it, from now on.

        The words are not kept, only vectors made from them: see docs/detection.md.

        Args:
            text: What was seen, best without what surrounded it.
            threat: What a match warns of.
            label: A note of your own, such as a ticket number; kept as it is.

        Returns:
            The signature's name; findings that it brings are called ``memory-`` and this name.

        Raises:
            ConfigError: Layer 2 is not installed or switched off, or the memory cannot be opened.
            ValueError: The text holds no words, the label is too long, or there is no such threat.
        """
        return self._memory().remember(text, Threat(threat), label=label)

    def forget(self, name: str) -> bool:
        """Drop what ``remember`` named so; False when there is nothing of that name.

        Raises:
            ConfigError: As ``remember``.
        """
        return self._memory().forget(name)

    def remembered(self) -> Sequence[Signature]:
        """Everything that is remembered.

        Raises:
            ConfigError: As ``remember``.
        """
        return self._memory().recognizer.store.signatures()

    def _memory(self) -> VectorLayer:
        layer = self._engine.vector_layer
        reason = layer.skip_reason(None, ())
        if reason is not None:
            raise ConfigError(f"the attack memory needs layer 2, which is not there: {reason}")
        return layer

    # -- sessions

    @contextmanager
    def session(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        agent_tags: Iterable[str] = (),
        framework: str | None = None,
    ) -> Iterator[Session]:
        """Open a session around a block of code, where no adapter keeps one.

        The running task and what it starts find it by themselves; threads of a pool do not, so
        hand them ``session=`` explicitly.
        """
        session = self.open_session(
            session_id=session_id, agent_id=agent_id, agent_tags=agent_tags, framework=framework
        )
        token = current_session.set(session)
        try:
            yield session
        finally:
            with suppress(ValueError):
                # Left in another context than it was entered in, as fixtures and generators are:
                # the context that held the value is gone, and with it the value.
                current_session.reset(token)

    def open_session(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        agent_tags: Iterable[str] = (),
        framework: str | None = None,
    ) -> Session:
        """The session with this id, or a new one; to be passed on as ``session=``."""
        if session_id is not None:
            kept = self._sessions.get(session_id)
            if kept is not None:
                return kept
        return self._sessions.add(
            self._new_session(session_id, agent_id, tuple(agent_tags), framework)
        )

    # -- looking after it

    @property
    def stats(self) -> Stats:
        """A snapshot of the counters."""
        return self._engine.tally.snapshot()

    def coverage(self) -> Coverage:
        """What is guarded and what is not; print it for a table."""
        from rune_core.coverage import coverage_of

        return coverage_of(self._engine)

    @property
    def tool_pins(self) -> ToolPins:
        """The tool definitions that are known: one that changes is a finding."""
        return self._engine.pins

    def reload_policies(self) -> ReloadResult:
        """Read the policy files again. Faulty files are reported and change nothing."""
        return self._engine.policies.reload()

    @property
    def policy_sync(self) -> SyncState | None:
        """Where the policies of the server stand; None when there is no server."""
        sync = self._engine.sync
        return None if sync is None else sync.state

    def sync_policies(self, seconds: float = 10.0) -> SyncState | None:
        """Ask the server for its policies now, and wait at most ``seconds``. Never raises.

        A Shield does not wait for a server by itself. Call this at start-up where no decision may
        be made by older policies, and look at the answer's ``is_current``.
        """
        sync = self._engine.sync
        return None if sync is None else sync.refresh(seconds)

    @property
    def policy_revision(self) -> str:
        """Content hash of the policies in force."""
        return self._engine.policies.current().revision

    def flush(self, seconds: float = 2.0) -> bool:
        """Wait until what waits for the judge was asked and the events so far are written.

        Returns:
            False when that takes longer than ``seconds``.
        """
        deadline = time.monotonic() + seconds
        asked = self._engine.flush_judge(seconds)
        emitter = self._engine.emitter
        left = max(0.0, deadline - time.monotonic())
        return (emitter is None or emitter.flush(left)) and asked

    def close(self, seconds: float = 2.0) -> None:
        """Write the events and release everything, within ``seconds``. May be called twice."""
        if not self._closed:
            self._closed = True
            self._engine.close(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Shield(on_block={self.config.on_block.value!r}, closed={self._closed})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        """The Shield itself: settings that hold one may be copied, its threads and files not."""
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Shield has threads and files of its own and cannot be pickled: make one in each "
            "process. Results, errors and configurations can be pickled"
        )

    # -- inside

    def _pipeline(
        self,
        surface: Surface | str,
        content: object,
        context: ContextLike,
        fields: ContextFields,
        *,
        on_block: OnBlock | None = None,
        approve: ApprovalHandler | None = None,
        defer: bool = False,
    ) -> tuple[Rendered, Generator[Effect, Any, ScanResult]]:
        from rune_core.pipeline import Request, inspect_text
        from rune_core.values import render

        if self._closed:
            raise ShieldClosedError("this Shield is closed; make a new one")
        sync = self._engine.sync
        if sync is not None and not sync.running:
            sync.start()  # a child after a fork
        rendered = render(content)
        request = Request(
            rendered=rendered,
            value=content,
            context=self._context(surface_named(surface), context, fields),
            approve=(
                None if on_block is None else approve or self.approval_handler or _unavailable
            ),
            alert=on_block is OnBlock.ALERT,
            defer=defer,
        )
        return rendered, inspect_text(request, self._engine)

    def _context(
        self, surface: Surface, context: ContextLike, fields: ContextFields
    ) -> ScanContext:
        known: dict[str, Any] = {}
        if isinstance(context, ScanContext):
            known = {name: getattr(context, name) for name in CONTEXT_KEYS}
        elif context is not None:
            if not isinstance(context, Mapping):
                raise TypeError(
                    "context must be a ScanContext or a mapping with fields of one, not "
                    f"{type(context).__name__}; fields can be given by name, as in agent_id=…"
                )
            known = {name: context[name] for name in CONTEXT_KEYS if name in context}
            if "session_id" in context and "session" not in known:
                known["session"] = self.open_session(
                    session_id=str(context["session_id"]), agent_id=known.get("agent_id")
                )
        known.update({name: value for name, value in fields.items() if value is not None})
        unknown = fields.keys() - set(CONTEXT_KEYS)
        if unknown:
            raise TypeError(f"unknown arguments: {', '.join(sorted(unknown))}")
        risk = known.get("tool_risk")
        if risk is not None and risk not in TOOL_RISKS:
            raise ValueError(f"tool_risk must be one of {', '.join(TOOL_RISKS)}, not {risk!r}")
        session: Session = known.pop("session", None) or current_session.get() or self._ambient
        if not isinstance(session, Session):
            raise TypeError(
                f"session must be a Session, not {type(session).__name__}; "
                "shield.open_session(session_id=…) finds or makes one"
            )
        tags = known.pop("agent_tags", None) or session.agent_tags
        agent_id = known.pop("agent_id", None) or session.agent_id
        return ScanContext(
            surface=surface,
            session=session,
            agent_id=agent_id or self.config.default_agent_id,
            agent_tags=tuple(tags) or self.config.default_agent_tags,
            **known,
        )

    def _new_session(
        self,
        session_id: str | None,
        agent_id: str | None,
        agent_tags: tuple[str, ...],
        framework: str | None,
        *,
        traced: bool = True,
    ) -> Session:
        return Session(
            session_id=session_id,
            agent_id=agent_id,
            agent_tags=agent_tags,
            framework=framework,
            cache_size=self.config.cache_size,
            traced=traced,
            clock=self._engine.clock,
            on_tokens=self._engine.count_tokens,
            on_told=None if self._engine.journal is None else self._engine.journal.told,
        )

    def _on_block(self, given: str | OnBlock | None) -> OnBlock:
        if given is None:
            return self.config.on_block
        try:
            return OnBlock(given)
        except ValueError:
            raise ValueError(f"on_block must be one of {', '.join(OnBlock)}") from None


def _unavailable(_request: object) -> bool:
    from rune_core.approval import NoApprovalHandlerError

    raise NoApprovalHandlerError


def _args(args: object) -> object:
    return {} if args is None else args
