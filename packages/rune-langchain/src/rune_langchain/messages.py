"""Walk through what goes into a model and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from rune_core.adapters.walk import Check, Ruling, Stopped, Walk
from rune_core.tool_pins import definition_hash
from rune_langchain.calls import CALL_KEYS, over_calls, without_logprobs
from rune_langchain.content import over_content
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from langgraph.prebuilt.tool_node import ToolCallRequest

    from rune_langchain.guard import Guard, Memory

_OWN_ROLES = frozenset(("assistant", "ai", "system", "developer"))


def over_messages(messages: Sequence[BaseMessage]) -> Walk[list[BaseMessage]]:
    """Check a conversation before a model reads it.

    The developer's system prompt and the model's own words are not checked. Tool results and
    earlier user messages that may not pass are replaced by a neutral message, so that a stopped
    message in the history does not stop the conversation for ever.

    Returns:
        The messages to use. Messages with nothing to cut are the very objects that were given.

    Raises:
        Stopped: The user's last message may not pass.
    """
    surfaces = [_surface(message) for message in messages]
    last = max((i for i, surface in enumerate(surfaces) if surface is Surface.INPUT), default=-1)
    tools = _tool_names(messages)
    kept: list[BaseMessage] = []
    for index, (message, surface) in enumerate(zip(messages, surfaces, strict=True)):
        if surface is None:
            kept.append(message)
            continue
        tool = None
        if isinstance(message, ToolMessage):
            tool = message.name or tools.get(message.tool_call_id)
        try:
            content = yield from over_content(message.content, surface, tool, remember=True)
        except Stopped as stop:
            if index == last:
                raise
            content = stop.neutral
        kept.append(_with_content(message, content))
    return kept


def texts_of(messages: Sequence[BaseMessage]) -> Iterator[Check]:
    """The checks of a conversation, for those who cannot change it."""
    tools = _tool_names(messages)
    for message in messages:
        surface = _surface(message)
        if surface is None:
            continue
        tool = message.name or tools.get(getattr(message, "tool_call_id", ""))
        texts = over_content(message.content, surface, tool, remember=True)
        try:
            step = next(texts)
            while True:
                assert isinstance(step, Check)  # a message is whole: nothing is fed to a gate
                yield step
                step = texts.send(Ruling(step.value, None))
        except StopIteration:
            continue


def over_answer(
    message: BaseMessage, memory: Memory, *, remember: bool = False
) -> Walk[BaseMessage]:
    """Check what a model said, and the calls it asks for, before anyone sees them.

    Args:
        message: The answer.
        memory: Knows the tools that refuse a stopped call themselves.
        remember: See ``Check``: True where a guarded model may have checked the answer before.

    Raises:
        Stopped: It may not pass.
    """
    message = yield from over_calls(message, memory)
    content = yield from over_content(message.content, Surface.OUTPUT, None, remember=remember)
    extra = message.additional_kwargs
    texts = {key: value for key, value in extra.items() if key not in CALL_KEYS}
    kept = yield from over_content(texts, Surface.OUTPUT, None, remember=remember)
    if content is message.content and kept is texts:
        return message
    return message.model_copy(
        update={
            "content": content,
            "additional_kwargs": {**extra, **kept},
            "response_metadata": without_logprobs(message.response_metadata),
        }
    )


def over_definitions(tools: Sequence[Any]) -> Walk[list[Any]]:
    """Check tool definitions, in whatever format a provider wants them.

    Returns:
        The definitions to offer; one that may not pass is left out.
    """
    kept: list[Any] = []
    for tool in tools:
        ruling = yield check_definition(tool)
        if not ruling.changed:
            kept.append(tool)
        elif ruling.stopped or not isinstance(tool, dict):
            continue
        elif isinstance(tool.get("function"), dict):
            kept.append({**tool, "function": {**tool["function"], **ruling.value}})
        else:
            kept.append({**tool, **ruling.value})
    return kept


def check_definition(tool: Any) -> Check:
    """The check of one definition: the part of it that a model reads."""
    if not isinstance(tool, dict):
        return Check(Surface.TOOL_DEFINITION, str(tool), remember=True)
    inner = tool.get("function")
    told = inner if isinstance(inner, dict) else tool
    name = told.get("name")
    shown = {key: value for key, value in told.items() if key not in ("type", "name", "strict")}
    return Check(
        Surface.TOOL_DEFINITION,
        shown,
        name if isinstance(name, str) else None,
        definition_hash=definition_hash(shown),
        remember=True,
    )


def ids_of(messages: Sequence[BaseMessage]) -> Iterator[str | None]:
    """Ids by which an earlier call of the same run can be recognised, newest first.

    Those of messages come before those of calls, which some servers number alike in every run.
    """
    for message in reversed(messages):
        yield message.id
    for message in reversed(messages):
        for call in getattr(message, "tool_calls", ()):
            yield call["id"]


def messages_in(state: Any) -> list[BaseMessage]:
    """The messages of a graph's state, which may be a list of them; else an empty list."""
    value = state
    if not isinstance(state, list):
        value = (
            state.get("messages")
            if isinstance(state, Mapping)
            else getattr(state, "messages", None)
        )
    if isinstance(value, list) and all(isinstance(item, BaseMessage) for item in value):
        return value
    return []


def in_its_run(guard: Guard, request: ToolCallRequest) -> AbstractContextManager[None]:
    """Around a tool call of a graph: say that it belongs to the run with the state's messages."""
    return guard.calling(request.tool_call["id"], ids_of(messages_in(request.state)))


def _surface(message: BaseMessage) -> Surface | None:
    """Where a message's text was met; None for texts that the application itself vouches for."""
    if isinstance(message, ToolMessage | FunctionMessage):
        return Surface.TOOL_RESULT
    if isinstance(message, AIMessage | SystemMessage | RemoveMessage):
        return None
    if isinstance(message, ChatMessage) and message.role.lower() in _OWN_ROLES:
        return None
    return Surface.INPUT


def _tool_names(messages: Sequence[BaseMessage]) -> dict[str, str]:
    return {
        call["id"]: call["name"]
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["id"]
    }


def _with_content(message: BaseMessage, content: Any) -> BaseMessage:
    return (
        message if content is message.content else message.model_copy(update={"content": content})
    )
