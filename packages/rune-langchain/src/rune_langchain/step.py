"""ShieldRunnable: a guard as a step of a chain, for places where there is no object to guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable

from rune_core.adapters.walk import Check, Feed, Stopped, Walk, each, must_pass
from rune_core.context import surface_named
from rune_core.errors import ShieldBlockedError
from rune_langchain.content import over_content
from rune_langchain.guard import guard_for
from rune_langchain.messages import ids_of, over_answer, over_messages
from rune_langchain.retriever import over_documents
from rune_langchain.stream import HeldAnswer
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from rune_core import Shield
    from rune_core.session.session import Session
    from rune_langchain.guard import Guard


class ShieldRunnable(Runnable[Any, Any]):
    """Checks what passes through it: texts, messages, prompts, documents, or mappings of them.

    ::

        chain = ShieldRunnable("input") | {"pages": search, "question": RunnablePassthrough()} | …

    Streams flow through it: text is held back only as far as a finding could still reach. It sees
    what comes to its place and nothing else: steps before it report what they say to event streams
    and tracers before it comes here. A model is guarded whole by ``shield_model``, a chain by
    ``shield_chain``.

    Args:
        surface: What passes through: ``input``, ``output``, ``document``, ``tool_result`` or
            ``handoff``. Documents are always ``document``, tool messages ``tool_result``.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        ShieldBlockedError: On running, when something may not pass and ``on_block`` is ``raise``;
            otherwise a short neutral text or message takes its place.
    """

    def __init__(
        self,
        surface: Surface | str = Surface.INPUT,
        shield: Shield | None = None,
        *,
        agent_id: str | None = None,
    ) -> None:
        self._surface = surface_named(surface)
        self._guard = guard_for(shield, agent_id)
        self.name = f"rune {self._surface.value}"

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:  # noqa: A002
        """The value to go on with."""
        del config
        try:
            return self._guard.run(
                over_any(input, self._surface, self._guard), self._session(input)
            )
        except Stopped as stop:
            return instead(self._guard, stop, input)

    async def ainvoke(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> Any:
        """``invoke`` on an event loop."""
        del config
        walk = over_any(input, self._surface, self._guard)
        try:
            return await self._guard.arun(walk, self._session(input))
        except Stopped as stop:
            return instead(self._guard, stop, input)

    def transform(
        self,
        input: Iterator[Any],  # noqa: A002
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> Iterator[Any]:
        """Check a stream: pieces go on as soon as they may be shown."""
        flow = _Flow(self._guard, self._surface)
        try:
            for piece in input:
                yield from self._guard.run(flow.feed(piece), flow.session)
            yield from self._guard.run(flow.end(), flow.session)
        except Stopped as stop:
            yield instead(self._guard, stop, flow.whole)
            return
        if flow.whole is not None:
            yield self.invoke(flow.whole, config)

    async def atransform(
        self,
        input: AsyncIterator[Any],  # noqa: A002
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> AsyncIterator[Any]:
        """``transform`` on an event loop."""
        flow = _Flow(self._guard, self._surface)
        try:
            async for piece in input:
                for shown in await self._guard.arun(flow.feed(piece), flow.session):
                    yield shown
            for shown in await self._guard.arun(flow.end(), flow.session):
                yield shown
        except Stopped as stop:
            yield instead(self._guard, stop, flow.whole)
            return
        if flow.whole is not None:
            yield await self.ainvoke(flow.whole, config)

    def stream(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Check one value."""
        yield self.invoke(input, config, **kwargs)

    async def astream(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Check one value."""
        yield await self.ainvoke(input, config, **kwargs)

    def _session(self, value: Any) -> Session:
        return self._guard.session(ids_of(_messages(value)))


class _Flow:
    """One stream on its way through.

    Attributes:
        session: The run it belongs to.
        whole: What cannot be judged in pieces, put together; None where everything could be.
    """

    def __init__(self, guard: Guard, surface: Surface) -> None:
        self._guard = guard
        self._surface = surface
        self.session = guard.session()
        self.whole: Any = None
        self._gate = guard.gate(surface, self.session)
        self._answer: HeldAnswer | None = None

    def feed(self, piece: Any) -> Walk[list[Any]]:
        if self.whole is None and isinstance(piece, str):
            shown = yield Feed(self._gate, piece)
            return [shown] if shown else []
        if self.whole is None and isinstance(piece, AIMessageChunk):
            if self._answer is None:
                self._answer = HeldAnswer(
                    lambda: self._guard.gate(self._surface, self.session), self._guard.memory
                )
            return self._messages(
                (yield from self._answer.feed(ChatGenerationChunk(message=piece)))
            )
        self.whole = piece if self.whole is None else _added(self.whole, piece)
        return []

    def end(self) -> Walk[list[Any]]:
        if self._answer is not None:
            return self._messages((yield from self._answer.end()))
        shown = yield Feed(self._gate, None)
        return [shown] if shown else []

    @staticmethod
    def _messages(chunks: list[ChatGenerationChunk]) -> list[Any]:
        return [chunk.message for chunk in chunks]


def _added(before: Any, piece: Any) -> Any:
    try:
        return before + piece
    except TypeError:  # what does not add up: the last is the whole, as everywhere in LangChain
        return piece


def over_any(value: Any, surface: Surface, guard: Guard) -> Walk[Any]:
    """Check whatever passes between the steps of a chain.

    Raises:
        Stopped: It may not pass.
    """
    if isinstance(value, str):
        if not value.strip():
            return value
        return (yield from must_pass(Check(surface, value, remember=True)))
    if isinstance(value, Document):
        kept = yield from over_documents([value])
        return kept[0] if kept else Document("")
    if isinstance(value, PromptValue):
        messages = value.to_messages()
        used = yield from over_messages(messages)
        if all(old is new for old, new in zip(messages, used, strict=True)):
            return value
        return ChatPromptValue(messages=used)
    if isinstance(value, AIMessage):
        return (yield from over_answer(value, guard.memory, remember=True))
    if isinstance(value, BaseMessage):
        (message,) = yield from over_messages([value])
        return message
    if isinstance(value, list):
        if value and all(isinstance(item, Document) for item in value):
            return (yield from over_documents(value))
        if value and all(isinstance(item, BaseMessage) for item in value):
            return (yield from over_messages(value))
        kept = yield from each(over_any(item, surface, guard) for item in value)
        return value if all(a is b for a, b in zip(value, kept, strict=True)) else kept
    if isinstance(value, Mapping):
        parts = yield from each(over_any(item, surface, guard) for item in value.values())
        if all(a is b for a, b in zip(value.values(), parts, strict=True)):
            return value
        return dict(zip(value, parts, strict=True))
    if value is None or isinstance(value, bool | int | float | bytes):
        return value
    return (yield from over_content(value, surface, None, remember=True))


def instead(guard: Guard, stop: Stopped, value: Any) -> Any:
    """What stands in for a value that may not pass.

    Raises:
        ShieldBlockedError: ``on_block`` is ``raise``.
    """
    if guard.raises:
        raise ShieldBlockedError(stop.result) from None
    if isinstance(value, BaseMessage):
        return AIMessage(stop.neutral)
    if isinstance(value, PromptValue):
        return ChatPromptValue(messages=[cast("Any", AIMessage(stop.neutral))])
    if isinstance(value, list):
        return [AIMessage(stop.neutral)] if _messages(value) else [stop.neutral]
    return stop.neutral


def _messages(value: Any) -> list[BaseMessage]:
    if isinstance(value, BaseMessage):
        return [value]
    if isinstance(value, PromptValue):
        return value.to_messages()
    if isinstance(value, list):
        return [item for item in value if isinstance(item, BaseMessage)]
    return []
