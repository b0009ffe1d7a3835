"""Guarded chat models: what goes in and what comes out is checked inside the model object.

Streams go through stream gates: text is released as soon as no finding can reach into it any more.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from rune_core.adapters.usage import count_usage
from rune_core.adapters.walk import Stopped, Walk
from rune_core.errors import ShieldBlockedError
from rune_langchain.calls import without_logprobs
from rune_langchain.guarded import guarded_copy, is_running, require_guard, running
from rune_langchain.messages import ids_of, over_answer, over_definitions, over_messages
from rune_langchain.stream import HeldAnswer
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from langchain_core.messages import BaseMessage

    from rune_core import Session
    from rune_langchain.guard import Guard

_DEFINITIONS = ("tools", "functions")
_END: Any = object()
_NEEDS_TOOLS = ("tool_choice", "parallel_tool_calls", "function_call")


def guard_model(model: BaseChatModel, guard: Guard) -> BaseChatModel:
    """A guarded copy of a chat model."""
    return guarded_copy(model, guard, model_overrides)


def model_overrides(base: type) -> dict[str, Any]:
    """What a guarded model replaces.

    Every public method ends in one of these four; models that do not stream keep saying so.
    """
    kind = cast("type[BaseChatModel]", base)
    replaced: dict[str, Any] = {
        "_generate": _generate(kind),
        "_agenerate": _agenerate(kind),
        "_get_llm_string": _get_llm_string(kind),
        "with_fallbacks": _with_fallbacks(kind),
    }
    if kind._stream is not BaseChatModel._stream or kind._astream is not BaseChatModel._astream:
        replaced["_astream"] = _astream(kind)
    if kind._stream is not BaseChatModel._stream:
        replaced["_stream"] = _stream(kind)
    # Models that make their own stream events have them made from guarded chunks instead.
    for name in ("_stream_chat_model_events", "_astream_chat_model_events"):
        if getattr(kind, name, None) is not None:
            replaced[name] = None
    return replaced


def _generate(base: type[BaseChatModel]) -> Any:
    original = base._generate

    @functools.wraps(original)
    def _generate(
        self: BaseChatModel,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        if is_running("body", self):
            kwargs |= _manager(original, run_manager)
            return original(self, messages, stop=stop, **kwargs)
        guard = require_guard(self)
        guard.answers(run_manager)
        session = _session(guard, messages)
        try:
            messages, kwargs = guard.run(_over_request(messages, kwargs), session)
            with running("body", self):
                # No run manager: a model that streams inside would hand it unchecked tokens.
                result = original(self, messages, stop=stop, **kwargs)
            result = guard.run(_over_result(result, guard), session)
        except Stopped as halt:
            result = _instead(guard, halt)
        _belong(guard, session, messages, [g.message for g in result.generations])
        return result

    return _generate


def _agenerate(base: type[BaseChatModel]) -> Any:
    original = base._agenerate

    @functools.wraps(original)
    async def _agenerate(
        self: BaseChatModel,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        if is_running("body", self):
            kwargs |= _manager(original, run_manager)
            return await original(self, messages, stop=stop, **kwargs)
        guard = require_guard(self)
        guard.answers(run_manager)
        session = _session(guard, messages)
        try:
            messages, kwargs = await guard.arun(_over_request(messages, kwargs), session)
            with running("body", self):
                result = await original(self, messages, stop=stop, **kwargs)
            result = await guard.arun(_over_result(result, guard), session)
        except Stopped as halt:
            result = _instead(guard, halt)
        _belong(guard, session, messages, [g.message for g in result.generations])
        return result

    return _agenerate


def _stream(base: type[BaseChatModel]) -> Any:
    original = base._stream

    @functools.wraps(original)
    def _stream(
        self: BaseChatModel,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if is_running("body", self):
            kwargs |= _manager(original, run_manager)
            yield from original(self, messages, stop=stop, **kwargs)
            return
        guard = require_guard(self)
        guard.answers(run_manager)
        session = _session(guard, messages)
        seen: list[str | None] = []
        source: Iterator[ChatGenerationChunk] = iter(())
        try:
            messages, kwargs = guard.run(_over_request(messages, kwargs), session)
            held = _held(guard, session)
            # No run manager: the model would hand it unchecked tokens.
            source = original(self, messages, stop=stop, **kwargs)
            while True:
                # Only while the model's own code runs: between the chunks, the consumer's does.
                with running("body", self):
                    chunk = next(source, _END)
                walk = held.end() if chunk is _END else held.feed(chunk)
                for shown in guard.run(walk, session):
                    _met(guard, session, messages, shown, seen)
                    if run_manager is not None:
                        run_manager.on_llm_new_token(shown.text, chunk=shown)
                    yield shown
                if chunk is _END:
                    break
        except Stopped as halt:
            shown = _as_chunk(_instead(guard, halt))
            _met(guard, session, messages, shown, seen)
            if run_manager is not None:
                run_manager.on_llm_new_token(shown.text, chunk=shown)
            yield shown
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    return _stream


def _astream(base: type[BaseChatModel]) -> Any:
    original = base._astream

    @functools.wraps(original)
    async def _astream(
        self: BaseChatModel,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if is_running("body", self):
            kwargs |= _manager(original, run_manager)
            async for chunk in original(self, messages, stop=stop, **kwargs):
                yield chunk
            return
        guard = require_guard(self)
        guard.answers(run_manager)
        session = _session(guard, messages)
        seen: list[str | None] = []
        source: Any = None
        try:
            messages, kwargs = await guard.arun(_over_request(messages, kwargs), session)
            held = _held(guard, session)
            source = original(self, messages, stop=stop, **kwargs)
            while True:
                with running("body", self):
                    chunk = await anext(source, _END)
                walk = held.end() if chunk is _END else held.feed(chunk)
                for shown in await guard.arun(walk, session):
                    _met(guard, session, messages, shown, seen)
                    if run_manager is not None:
                        await run_manager.on_llm_new_token(shown.text, chunk=shown)
                    yield shown
                if chunk is _END:
                    break
        except Stopped as halt:
            shown = _as_chunk(_instead(guard, halt))
            _met(guard, session, messages, shown, seen)
            if run_manager is not None:
                await run_manager.on_llm_new_token(shown.text, chunk=shown)
            yield shown
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()

    return _astream


def _get_llm_string(base: type[BaseChatModel]) -> Any:
    original = base._get_llm_string

    @functools.wraps(original)
    def _get_llm_string(self: BaseChatModel, *args: Any, **kwargs: Any) -> str:
        # An answer cached by the unguarded model, or under other policies, was never checked.
        revision = require_guard(self).shield.policy_revision
        return f"{original(self, *args, **kwargs)}---rune {revision}"

    return _get_llm_string


def _with_fallbacks(base: type[BaseChatModel]) -> Any:
    original = base.with_fallbacks

    @functools.wraps(original)
    def with_fallbacks(self: BaseChatModel, fallbacks: Sequence[Any], **kwargs: Any) -> Any:
        # A stop is an exception, and a fallback would answer in its place.
        from rune_langchain.inside import guard_runnable

        guard = require_guard(self)
        return original(self, [guard_runnable(item, guard) for item in fallbacks], **kwargs)

    return with_fallbacks


def _manager(original: Any, run_manager: Any) -> dict[str, Any]:
    takes = "run_manager" in inspect.signature(original).parameters
    return {"run_manager": run_manager} if takes else {}


def _over_request(
    messages: Sequence[BaseMessage], kwargs: dict[str, Any]
) -> Walk[tuple[list[BaseMessage], dict[str, Any]]]:
    """Check what a model is about to read: tool definitions, then messages."""
    for key in _DEFINITIONS:
        offered = kwargs.get(key)
        if offered:
            kept = yield from over_definitions(offered)
            kwargs = _with_definitions(kwargs, key, offered, kept)
    return (yield from over_messages(messages)), kwargs


def _with_definitions(
    kwargs: dict[str, Any], key: str, offered: Sequence[Any], kept: list[Any]
) -> dict[str, Any]:
    """``kwargs`` with the definitions that are left. A choice of one that is gone goes too."""
    if all(old is new for old, new in zip(offered, kept, strict=False)) and len(offered) == len(
        kept
    ):
        return kwargs
    changed = {**kwargs, key: kept}
    if not kept:
        for name in (key, *_NEEDS_TOOLS):
            changed.pop(name, None)
    elif len(kept) < len(offered):
        changed.pop("tool_choice", None)
    return changed


def _over_result(result: ChatResult, guard: Guard) -> Walk[ChatResult]:
    generations: list[ChatGeneration] = []
    for generation in result.generations:
        message = yield from over_answer(generation.message, guard.memory)
        generations.append(_with_message(generation, message))
    if all(old is new for old, new in zip(result.generations, generations, strict=True)):
        return result
    return ChatResult(generations=generations, llm_output=result.llm_output)


def _held(guard: Guard, session: Session) -> HeldAnswer:
    return HeldAnswer(lambda: guard.gate(Surface.OUTPUT, session), guard.memory)


def _with_message(generation: Any, message: BaseMessage) -> Any:
    if message is generation.message:
        return generation
    info = without_logprobs(generation.generation_info or {})
    return type(generation)(message=message, generation_info=info or None)


def _instead(guard: Guard, halt: Stopped) -> ChatResult:
    """The answer in place of one that may not be asked for or given.

    Raises:
        ShieldBlockedError: ``on_block`` is ``raise``.
    """
    if guard.raises:
        raise ShieldBlockedError(halt.result) from None
    message = AIMessage(
        content=halt.neutral,
        response_metadata={"rune_decision_id": halt.result.decision.id},
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def _as_chunk(result: ChatResult) -> ChatGenerationChunk:
    message = result.generations[0].message
    return ChatGenerationChunk(
        message=AIMessageChunk(content=message.content, response_metadata=message.response_metadata)
    )


def _session(guard: Guard, messages: Sequence[BaseMessage]) -> Session:
    """The session of a call, told what the application itself says in it."""
    session = guard.session(ids_of(messages))
    for message in messages:
        if isinstance(message, SystemMessage):
            session.system(message.text)
    return session


def _belong(
    guard: Guard, session: Session, messages: Sequence[BaseMessage], answers: Sequence[BaseMessage]
) -> None:
    guard.belongs(ids_of([*messages[-4:], *answers]), session)
    for answer in answers:
        count_usage(session, getattr(answer, "usage_metadata", None))


def _met(
    guard: Guard,
    session: Session,
    messages: Sequence[BaseMessage],
    chunk: ChatGenerationChunk,
    seen: list[str | None],
) -> None:
    """Remember whose a chunk is, as soon as its consumer can use the ids in it."""
    count_usage(session, getattr(chunk.message, "usage_metadata", None))
    ids = [*ids_of([chunk.message])]
    if not seen:
        ids += ids_of(messages[-4:])
    fresh = [known for known in ids if known and known not in seen]
    if fresh or not seen:
        seen += fresh or [""]
        guard.belongs(fresh, session)
