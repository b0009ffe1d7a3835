"""Walk through what goes into a model and what comes out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)

from rune_core.adapters.walk import Check, Stopped, Walk, has_text, must_pass, same
from rune_llamaindex.blocks import over_blocks, over_text
from rune_llamaindex.calls import Calls, Offered
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OBSERVATION = "Observation: "
_RESULTS = (MessageRole.TOOL, MessageRole.FUNCTION)
_CALLS = ("tool_calls", "function_call")
_NO_LANGUAGE = frozenset(("tool_call_id", "id", "name", "role", "type", "thought_signature"))


def over_messages(messages: Sequence[ChatMessage]) -> Walk[Sequence[ChatMessage]]:
    """Check a conversation before a model reads it.

    The developer's system prompt and the model's own words are not checked. Tool results and
    earlier user messages that may not pass are replaced by a neutral message, so that a stopped
    message in the history does not stop the conversation for ever.

    Returns:
        The messages to use. Messages with nothing to cut are the very objects that were given.

    Raises:
        Stopped: The user's last message may not pass.
    """
    surfaces = [surface_of(messages, at) for at in range(len(messages))]
    last = max((at for at, known in enumerate(surfaces) if known is Surface.INPUT), default=-1)
    tools = tool_names(messages)
    kept: list[ChatMessage] = []
    for at, (message, surface) in enumerate(zip(messages, surfaces, strict=True)):
        if surface is None:
            kept.append(message)
            continue
        tool = tools.get(message.additional_kwargs.get("tool_call_id", ""))
        try:
            kept.append((yield from _over_message(message, surface, tool)))
        except Stopped as stop:
            if at == last:
                raise
            kept.append(_with_blocks(message, [TextBlock(text=stop.neutral)]))
    return messages if same(messages, kept) else kept


def _over_message(message: ChatMessage, surface: Surface, tool: str | None) -> Walk[ChatMessage]:
    text = message.content
    if surface is Surface.TOOL_RESULT and message.role is MessageRole.USER and text:
        # As the tool gave it, so that a result is not checked again for what ReAct puts before it.
        seen = text.removeprefix(_OBSERVATION)
        used = yield from over_text(seen, surface, tool, remember=True)
        if used is seen:
            return message
        return _with_blocks(message, [TextBlock(text=_OBSERVATION + used)])
    blocks = yield from over_blocks(message.blocks, surface, tool, remember=True)
    return _with_blocks(message, blocks)


def surface_of(messages: Sequence[ChatMessage], at: int) -> Surface | None:
    """Where a message's text was met; None for texts that the application itself vouches for."""
    message = messages[at]
    if message.role in _RESULTS:
        return Surface.TOOL_RESULT
    if message.role is not MessageRole.USER:
        return None
    asked = at > 0 and messages[at - 1].role is MessageRole.ASSISTANT
    if asked and (message.content or "").startswith(_OBSERVATION):
        # ReAct hands tool results to the model as the user's words.
        before = messages[at - 1].content or ""
        return Surface.TOOL_RESULT if "Action:" in before else Surface.INPUT
    return Surface.INPUT


def own_texts(messages: Sequence[ChatMessage]) -> list[str]:
    """What the application itself tells the model."""
    system = (MessageRole.SYSTEM, MessageRole.DEVELOPER)
    return [message.content for message in messages if message.role in system and message.content]


def tool_names(messages: Sequence[ChatMessage]) -> dict[str, str]:
    """The names of the tools that were called, by the ids of the calls."""
    names: dict[str, str] = {}
    for message in messages:
        for block in message.blocks:
            if isinstance(block, ToolCallBlock) and block.tool_call_id:
                names[block.tool_call_id] = block.tool_name
    return names


def texts_of(messages: Sequence[ChatMessage]) -> Iterator[Check]:
    """The checks of a conversation, for those who cannot change it."""
    tools = tool_names(messages)
    for at, message in enumerate(messages):
        surface = surface_of(messages, at)
        tool = tools.get(message.additional_kwargs.get("tool_call_id", ""))
        for block in message.blocks:
            if surface is None or not isinstance(block, TextBlock):
                continue
            text = block.text
            if surface is Surface.TOOL_RESULT:
                text = text.removeprefix(_OBSERVATION)
            if text.strip():
                yield Check(surface, text, tool, remember=True)


def over_answer(message: ChatMessage, offered: Offered, *, text: bool = True) -> Walk[ChatMessage]:
    """Check what a model said, and the calls it asks for, before anyone sees them.

    Args:
        message: The answer.
        offered: The tools that the model may call.
        text: False when texts and thoughts were checked already, as they came.

    Raises:
        Stopped: It may not pass.
    """
    calls = Calls(offered)
    blocks: Sequence[Any]
    if text:
        blocks = yield from over_blocks(
            message.blocks, Surface.OUTPUT, None, remember=False, calls=calls
        )
    else:
        done: list[Any] = []
        for block in message.blocks:
            if isinstance(block, ToolCallBlock):
                done.append((yield from calls.over_block(block)))
            else:
                done.append(block)
        blocks = message.blocks if same(message.blocks, done) else done
    extra = yield from _over_extra(message.additional_kwargs, calls)
    if blocks is message.blocks and extra is message.additional_kwargs:
        return message
    return message.model_copy(update={"blocks": list(blocks), "additional_kwargs": extra})


def over_chat(response: ChatResponse, offered: Offered) -> Walk[ChatResponse]:
    """Check an answer. What repeats it unchecked is left out of an answer that was cut.

    Raises:
        Stopped: It may not pass.
    """
    message = yield from over_answer(response.message, offered)
    if message is response.message:
        return response
    return cut_chat(response, message)


def cut_chat(response: ChatResponse, message: ChatMessage) -> ChatResponse:
    """A response with another message, without what repeats the one it had."""
    return response.model_copy(
        update={
            "message": message,
            "delta": None if response.delta is None else message.content or "",
            "raw": None,
            "logprobs": None,
            "additional_kwargs": figures(response.additional_kwargs),
        }
    )


def over_completion(response: CompletionResponse, offered: Offered) -> Walk[CompletionResponse]:
    """``over_chat`` for completions.

    Raises:
        Stopped: It may not pass.
    """
    text = yield from over_text(response.text, Surface.OUTPUT, None, remember=False)
    extra = yield from _over_extra(response.additional_kwargs, Calls(offered))
    if text is response.text and extra is response.additional_kwargs:
        return response
    return response.model_copy(
        update={
            "text": text,
            "delta": None if response.delta is None else text,
            "raw": None,
            "logprobs": None,
            "additional_kwargs": extra,
        }
    )


def figures(extra: dict[str, Any]) -> dict[str, Any]:
    """What of a response's additional values cannot repeat its text: token counts and the like."""
    return {k: v for k, v in extra.items() if v is None or isinstance(v, bool | int | float)}


def _over_extra(extra: dict[str, Any], calls: Calls) -> Walk[dict[str, Any]]:
    """Check what stands beside a message's blocks: calls, refusals and what providers add."""
    changed: dict[str, Any] = {}
    for key in _CALLS:
        found = extra.get(key)
        if not found:
            continue
        listed = found if isinstance(found, list | tuple) else [found]
        done = yield from calls.over_list(listed)
        if not same(listed, done):
            changed[key] = done if isinstance(found, list | tuple) else done[0]
    texts = {
        key: value
        for key, value in extra.items()
        if key not in _CALLS and key not in _NO_LANGUAGE and has_text(value)
    }
    if texts:
        kept = yield from must_pass(Check(Surface.OUTPUT, texts))
        if kept is not texts:
            changed.update(kept)
    return {**extra, **changed} if changed else extra


def _with_blocks(message: ChatMessage, blocks: Sequence[Any]) -> ChatMessage:
    if blocks is message.blocks:
        return message
    return message.model_copy(update={"blocks": list(blocks)})
