"""Guarded LLMs: what goes in and what comes out is checked inside the LLM object.

Every public method of an LLM ends in one of eight: ``chat`` and ``complete``, streamed or not, sync
or async. Those are replaced. LlamaIndex's callbacks and spans are put around the checked core, so
that what they report is what was let through.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
    TextBlock,
)
from llama_index.core.llms import callbacks
from llama_index_instrumentation import get_dispatcher

from rune_core.adapters.usage import count_usage
from rune_core.adapters.walk import Check, Stopped, Walk, must_pass
from rune_core.errors import ShieldBlockedError
from rune_llamaindex.calls import Offered
from rune_llamaindex.guarded import guard_of, guarded_copy, is_running, require_guard, running
from rune_llamaindex.messages import over_chat, over_completion, over_messages, own_texts
from rune_llamaindex.sessions import Conversation, conversation
from rune_llamaindex.stream import ChatShape, CompletionShape, HeldStream, Shape
from rune_llamaindex.tool import guard_tool, may_offer
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from llama_index.core.llms import LLM

    from rune_core.gate import StreamGate
    from rune_core.session.session import Session
    from rune_llamaindex.guard import Guard

_R = TypeVar("_R")
_OFFERED = "_rune_offered"
_PROGRAMS = "llama_index.core.program."
_END: Any = object()


def guard_llm(llm: LLM, guard: Guard) -> LLM:
    """A guarded copy of an LLM."""
    return guarded_copy(llm, guard, llm_overrides)


def llm_overrides(base: type) -> dict[str, Any]:
    """What a guarded LLM replaces."""
    replaced: dict[str, Any] = {
        "chat": _sync(base, "chat", _CHAT),
        "achat": _async(base, "achat", _CHAT),
        "stream_chat": _sync_stream(base, "stream_chat", _CHAT),
        "astream_chat": _async_stream(base, "astream_chat", _CHAT),
        "complete": _sync(base, "complete", _COMPLETION),
        "acomplete": _async(base, "acomplete", _COMPLETION),
        "stream_complete": _sync_stream(base, "stream_complete", _COMPLETION),
        "astream_complete": _async_stream(base, "astream_complete", _COMPLETION),
    }
    if hasattr(base, "_prepare_chat_with_tools"):
        replaced["_prepare_chat_with_tools"] = _prepare(base)
    return replaced


@dataclass(frozen=True, slots=True)
class _Kind(Generic[_R]):
    """What differs between chat and completion.

    Attributes:
        argument: The name of the first argument; LlamaIndex passes it by name as well.
        callback: LlamaIndex's decorator.
        said: Makes a conversation of the first argument.
        own: The application's own words in the first argument.
        over_request: Checks the first argument.
        over_response: Checks a response.
        shape: Reads chunks.
        response: Makes a response from a text, and a delta if it is a chunk.
        answer: The message that a response is.
    """

    argument: str
    callback: Callable[[], Any]
    said: Callable[[Any], Conversation]
    own: Callable[[Any], list[str]]
    over_request: Callable[[Any], Walk[Any]]
    over_response: Callable[[_R, Offered], Walk[_R]]
    shape: Shape[_R]
    response: Callable[[str, str | None], _R]
    answer: Callable[[_R], ChatMessage]


@dataclass(frozen=True, slots=True)
class _Call(Generic[_R]):
    """One call of a guarded LLM.

    Attributes:
        kind: What is called.
        guard: What guards it.
        session: What it belongs to.
        said: The conversation before the answer, as the caller knows it.
        offered: The tools that the model may call.
    """

    kind: _Kind[_R]
    guard: Guard
    session: Session
    said: Conversation
    offered: Offered

    def over_response(self, response: _R) -> Walk[_R]:
        self.guard.answered(self.session)
        return (yield from self.kind.over_response(response, self.offered))

    def went_on(self, response: _R) -> _R:
        self.guard.sessions.went_on(self.said, self.kind.answer(response), self.session)
        raw = getattr(response, "raw", None)
        usage = raw.get("usage") if isinstance(raw, dict) else getattr(raw, "usage", None)
        count_usage(self.session, usage)
        return response

    def held(self) -> HeldStream[_R]:
        self.guard.answered(self.session)

        def new_gate() -> StreamGate:
            return self.guard.gate(Surface.OUTPUT, self.session)

        return HeldStream(self.kind.shape, new_gate, self.offered)

    def instead(self, halt: Stopped, held: HeldStream[_R] | None = None) -> _R:
        """The answer in place of one that may not be asked for or given.

        Raises:
            ShieldBlockedError: ``on_block`` is ``raise``.
        """
        if self.guard.raises:
            raise ShieldBlockedError(halt.result) from None
        if held is None:
            return self.kind.response(halt.neutral, None)
        return self.kind.response(held.shown + halt.neutral, halt.neutral)


_call: ContextVar[_Call[Any]] = ContextVar("rune_llamaindex_call")


def _begin(
    self: Any, kind: _Kind[_R], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[_Call[_R], Any]:
    """The call and its first argument.

    Raises:
        ShieldBlockedError: The run has to end.
    """
    guard = require_guard(self)
    offered = kwargs.pop(_OFFERED, None) or Offered()
    request = args[0] if args else kwargs.get(kind.argument)
    said = kind.said(request)
    session = guard.sessions.of_conversation(said)
    guard.check_latch(session)
    for text in kind.own(request):
        session.system(text)
    return _Call(kind, guard, session, said, offered), request


def _given(
    kind: _Kind[Any], args: tuple[Any, ...], kwargs: dict[str, Any], used: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with another first one, given the same way."""
    return ((used, *args[1:]), kwargs) if args else (args, {**kwargs, kind.argument: used})


def _sync(base: type, name: str, kind: _Kind[Any]) -> Any:
    original, bare = getattr(base, name), _bare(getattr(base, name))

    def core(_self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call.get()
        with running(_self):
            response = bare(_self, *args, **kwargs)
        try:
            response = call.guard.run(call.over_response(response), call.session)
        except Stopped as halt:
            response = call.instead(halt)
        return call.went_on(response)

    inner = _reported(base, name, kind, core)

    @functools.wraps(original)
    def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_running(self):
            kwargs.pop(_OFFERED, None)
            return bare(self, *args, **kwargs)
        call, request = _begin(self, kind, args, kwargs)
        try:
            used = call.guard.run(kind.over_request(request), call.session)
        except Stopped as halt:
            return call.went_on(call.instead(halt))
        args, kwargs = _given(kind, args, kwargs, used)
        token = _call.set(call)
        try:
            return inner.__get__(self)(*args, **kwargs)
        finally:
            _call.reset(token)

    return replaced


def _async(base: type, name: str, kind: _Kind[Any]) -> Any:
    original, bare = getattr(base, name), _bare(getattr(base, name))

    async def core(_self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call.get()
        with running(_self):
            response = await bare(_self, *args, **kwargs)
        try:
            response = await call.guard.arun(call.over_response(response), call.session)
        except Stopped as halt:
            response = call.instead(halt)
        return call.went_on(response)

    inner = _reported(base, name, kind, core)

    @functools.wraps(original)
    async def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_running(self):
            kwargs.pop(_OFFERED, None)
            return await bare(self, *args, **kwargs)
        call, request = _begin(self, kind, args, kwargs)
        try:
            used = await call.guard.arun(kind.over_request(request), call.session)
        except Stopped as halt:
            return call.went_on(call.instead(halt))
        args, kwargs = _given(kind, args, kwargs, used)
        token = _call.set(call)
        try:
            return await inner.__get__(self)(*args, **kwargs)
        finally:
            _call.reset(token)

    return replaced


def _sync_stream(base: type, name: str, kind: _Kind[Any]) -> Any:
    original, bare = getattr(base, name), _bare(getattr(base, name))

    def core(_self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call.get()
        with running(_self):
            chunks = bare(_self, *args, **kwargs)
        return _held(_self, call, chunks)

    inner = _reported(base, name, kind, core)

    @functools.wraps(original)
    def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_running(self):
            kwargs.pop(_OFFERED, None)
            return bare(self, *args, **kwargs)
        call, request = _begin(self, kind, args, kwargs)
        try:
            used = call.guard.run(kind.over_request(request), call.session)
        except Stopped as halt:
            return iter_of(call.went_on(call.instead(halt, call.held())))
        args, kwargs = _given(kind, args, kwargs, used)
        token = _call.set(call)
        try:
            return inner.__get__(self)(*args, **kwargs)
        finally:
            _call.reset(token)

    return replaced


def _async_stream(base: type, name: str, kind: _Kind[Any]) -> Any:
    original, bare = getattr(base, name), _bare(getattr(base, name))

    async def core(_self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call.get()
        with running(_self):
            chunks = await bare(_self, *args, **kwargs)
        return _aheld(_self, call, chunks)

    inner = _reported(base, name, kind, core)

    @functools.wraps(original)
    async def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_running(self):
            kwargs.pop(_OFFERED, None)
            return await bare(self, *args, **kwargs)
        call, request = _begin(self, kind, args, kwargs)
        try:
            used = await call.guard.arun(kind.over_request(request), call.session)
        except Stopped as halt:
            return aiter_of(call.went_on(call.instead(halt, call.held())))
        args, kwargs = _given(kind, args, kwargs, used)
        token = _call.set(call)
        try:
            return await inner.__get__(self)(*args, **kwargs)
        finally:
            _call.reset(token)

    return replaced


def _held(self: Any, call: _Call[_R], chunks: Iterator[_R]) -> Iterator[_R]:
    held = call.held()
    source = iter(chunks)
    try:
        while True:
            # Only while the model's own code runs: between the chunks, the consumer's does.
            with running(self):
                chunk = next(source, _END)
            walk = held.end() if chunk is _END else held.feed(chunk)
            yield from call.guard.run(walk, call.session)
            if chunk is _END:
                break
        if held.final is not None:
            call.went_on(held.final)
    except Stopped as halt:
        yield call.went_on(call.instead(halt, held))
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


async def _aheld(self: Any, call: _Call[_R], chunks: AsyncIterator[_R]) -> AsyncIterator[_R]:
    held = call.held()
    source = aiter(chunks)
    try:
        while True:
            with running(self):
                chunk = await anext(source, _END)
            walk = held.end() if chunk is _END else held.feed(chunk)
            for shown in await call.guard.arun(walk, call.session):
                yield shown
            if chunk is _END:
                break
        if held.final is not None:
            call.went_on(held.final)
    except Stopped as halt:
        yield call.went_on(call.instead(halt, held))
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


def iter_of(item: _R) -> Iterator[_R]:
    """A stream of one."""
    yield item


async def aiter_of(item: _R) -> AsyncIterator[_R]:
    """A stream of one."""
    yield item


def _bare(method: Any) -> Any:
    """A method without LlamaIndex's span and callback: they would report unchecked text."""
    while True:
        if hasattr(method, "_self_wrapper"):
            method = method.__wrapped__
            continue
        inside = _inside_callback(method)
        if inside is None:
            return method
        method = inside


def _inside_callback(method: Any) -> Any:
    code = getattr(method, "__code__", None)
    if code is None or method.__globals__ is not vars(callbacks) or "f" not in code.co_freevars:
        return None
    return method.__closure__[code.co_freevars.index("f")].cell_contents


def _reported(base: type, name: str, kind: _Kind[Any], core: Any) -> Any:
    """The core with as much of LlamaIndex's reporting around it as the original has."""
    original = getattr(base, name)
    spanned = hasattr(original, "_self_wrapper")
    method = original.__wrapped__ if spanned else original
    # No functools.wraps: LlamaIndex takes what has __wrapped__ for decorated already.
    core.__name__, core.__qualname__, core.__module__ = name, method.__qualname__, method.__module__
    if _inside_callback(method) is not None:
        core = kind.callback()(core)
    return get_dispatcher(base.__module__).span(core) if spanned else core


def _prepare(base: Any) -> Any:
    original = base._prepare_chat_with_tools

    @functools.wraps(original)
    def _prepare_chat_with_tools(
        self: Any, tools: Sequence[Any], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        guard = require_guard(self)
        kept, guarded, answers = [], set(), set()
        for tool in tools:
            name = tool.metadata.name or ""
            own = getattr(tool, "real_fn", None)
            if getattr(own, "__module__", "").startswith(_PROGRAMS):
                answers.add(name)
                kept.append(tool)
                continue
            present = guard_of(tool)
            if present is not None and present.shield is guard.shield:
                guarded.add(name)
            # Only its definition matters here; a tool that is not guarded runs as it is.
            shown = tool if present is not None else guard_tool(tool, guard)
            if may_offer(shown):
                kept.append(shown)
        prepared: dict[str, Any] = dict(original(self, kept, *args, **kwargs))
        prepared[_OFFERED] = Offered(frozenset(guarded), frozenset(answers))
        return prepared

    return _prepare_chat_with_tools


def _over_prompt(prompt: str) -> Walk[Any]:
    return (yield from must_pass(Check(Surface.INPUT, prompt, remember=True)))


def _chat_response(text: str, delta: str | None) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text=text)])
    return ChatResponse(message=message, delta=delta)


def _completion_response(text: str, delta: str | None) -> CompletionResponse:
    return CompletionResponse(text=text, delta=delta)


_CHAT: _Kind[ChatResponse] = _Kind(
    argument="messages",
    callback=callbacks.llm_chat_callback,
    said=conversation,
    own=own_texts,
    over_request=over_messages,
    over_response=over_chat,
    shape=ChatShape(),
    response=_chat_response,
    answer=lambda response: response.message,
)
_COMPLETION: _Kind[CompletionResponse] = _Kind(
    argument="prompt",
    callback=callbacks.llm_completion_callback,
    said=lambda prompt: conversation([ChatMessage(content=prompt)]),
    own=lambda _: [],
    over_request=_over_prompt,
    over_response=over_completion,
    shape=CompletionShape(),
    response=_completion_response,
    answer=lambda response: ChatMessage(role=MessageRole.ASSISTANT, content=response.text),
)
