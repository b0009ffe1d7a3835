"""Tool calls in a model's answer, in each of the places where LangChain and providers keep them.

A call stands in an answer several times: parsed in ``tool_calls``, in pieces in
``tool_call_chunks``, raw in ``additional_kwargs`` and in the provider's own content blocks. It is
ruled on once, and whatever was ruled is written to all of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from rune_core.adapters.walk import Check, Ruling, Stopped, Walk, as_it_is, each
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from rune_langchain.guard import Memory

MARK = "rune_blocked"
"""The only argument of a call that was stopped; its value says why, in neutral words."""

CALL_BLOCKS = frozenset(
    ("tool_use", "tool_call", "tool_call_chunk", "function_call", "custom_tool_call")
)
"""Content blocks that ask for a tool of the application. Those that a provider runs itself are
part of what it says."""
CALL_DELTA = "input_json_delta"
CALL_KEYS = ("tool_calls", "function_call")
_ARGS = ("input", "arguments", "args")


def has_calls(message: BaseMessage) -> bool:
    """Whether a call, or a piece of one, stands anywhere in a message."""
    if not isinstance(message, AIMessage):
        return False
    if message.tool_calls or message.invalid_tool_calls:
        return True
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return True
    return any(message.additional_kwargs.get(key) for key in CALL_KEYS) or any(
        map(is_call_block, message.content if isinstance(message.content, list) else ())
    )


def is_call_block(block: Any) -> bool:
    """Whether a content block is a call."""
    return isinstance(block, dict) and block.get("type") in CALL_BLOCKS


def over_calls(message: BaseMessage, memory: Memory) -> Walk[BaseMessage]:
    """Check the calls in an answer before anyone sees them.

    Of a stopped call only a mark is left, which the guarded tool answers with an error message.

    Returns:
        The message to use: the very object where nothing was cut.

    Raises:
        Stopped: A call of a tool that is not guarded may not be made.
    """
    if not isinstance(message, AIMessage) or not has_calls(message):
        return message
    ruled = _Ruled(memory)
    tool_calls = []
    for call in message.tool_calls:
        args = yield from ruled.over(call["name"], call["args"], call["id"])
        tool_calls.append(call if args is call["args"] else {**call, "args": args})
    invalid = []
    for bad in message.invalid_tool_calls:
        text = yield from ruled.over(bad["name"] or "", bad["args"] or "", bad["id"])
        invalid.append(bad if text == (bad["args"] or "") else {**bad, "args": _raw(text)})
    extra = message.additional_kwargs
    for key in CALL_KEYS:
        found = extra.get(key)
        if found:
            listed = found if isinstance(found, list) else [found]
            done = yield from each(_over_entry(entry, ruled) for entry in listed)
            if ruled.changed:
                extra = {**extra, key: done if isinstance(found, list) else done[0]}
    content = message.content
    if isinstance(content, list):
        content = yield from each(
            _over_block(block, ruled) if is_call_block(block) else as_it_is(block)
            for block in content
        )
    for piece in getattr(message, "tool_call_chunks", ()):
        yield from _like(piece["name"] or "", piece["args"], piece["id"], ruled)
    if not ruled.changed:
        return message
    update: dict[str, Any] = {
        "tool_calls": tool_calls,
        "invalid_tool_calls": invalid,
        "additional_kwargs": extra,
        "content": content,
        "response_metadata": without_logprobs(message.response_metadata),
    }
    if isinstance(message, AIMessageChunk):
        calls = [*tool_calls, *invalid]
        update["tool_call_chunks"] = [
            tool_call_chunk(
                name=call["name"], args=_raw(call["args"]), id=call["id"], index=position
            )
            for position, call in enumerate(calls)
        ]
    return message.model_copy(update=update)


class _Ruled:
    """Rulings on the calls of one answer."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._known: dict[tuple[str, str | None], tuple[Any, Any]] = {}
        self.changed = False

    def known(self, name: str, call_id: str | None) -> tuple[Any, Any] | None:
        """What a call was given and what is to be used."""
        return self._known.get((name, call_id))

    def over(self, name: str, args: Any, call_id: str | None) -> Walk[Any]:
        """The arguments to use: the very object where nothing was cut."""
        plain = args if isinstance(args, dict) else {"arguments": args}
        used = yield from self._over(name, plain, call_id)
        if used is plain:
            self._known[name, call_id] = (args, args)
            return args
        self.changed = True
        if not isinstance(args, dict) and MARK not in used:
            used = used["arguments"]
        self._known[name, call_id] = (args, used)
        return used

    def _over(self, name: str, args: dict[str, Any], call_id: str | None) -> Walk[dict[str, Any]]:
        guarded = self._memory.tools.get(name)
        surface = Surface.TOOL_CALL
        if guarded is None and self._memory.answers.get(name):
            surface = Surface.OUTPUT
        ruling: Ruling = yield Check(
            surface,
            args,
            name or None,
            definition_hash=guarded,
            planned=guarded is not None,
            call_id=call_id,
        )
        if ruling.stopped:
            assert ruling.result is not None
            if guarded is None:
                raise Stopped(ruling.result, ruling.value)
            return {MARK: ruling.value}
        return dict(ruling.value) if ruling.changed else args


def _over_entry(entry: Any, ruled: _Ruled) -> Walk[Any]:
    """A raw call as OpenAI's API has it."""
    if not isinstance(entry, dict):
        return entry
    inner = entry.get("function")
    told = inner if isinstance(inner, dict) else entry
    args = yield from _like(told.get("name") or "", told.get("arguments"), entry.get("id"), ruled)
    if args is told.get("arguments"):
        return entry
    changed = {**told, "arguments": args}
    return {**entry, "function": changed} if told is inner else changed


def _over_block(block: Any, ruled: _Ruled) -> Walk[Any]:
    """A provider's content block that is a call."""
    call_id = block.get("call_id") or block.get("id")
    used = block
    for key in (*_ARGS, "partial_json"):
        if not block.get(key):
            continue
        args = yield from _like(block.get("name") or "", block[key], call_id, ruled)
        if args is not block[key]:
            used = {**used, key: args}
    return used


def _like(name: str, args: Any, call_id: str | None, ruled: _Ruled) -> Walk[Any]:
    """Arguments in the form in which they stand here, as they were ruled on elsewhere."""
    if args is None:
        return args
    known = ruled.known(name, call_id)
    plain = _parsed(args) if isinstance(args, str) else args
    if known is None:
        used = yield from ruled.over(name, args if plain is None else plain, call_id)
        known = (args if plain is None else plain, used)
    given, used = known
    if used is given and given in (plain, args):
        return args
    # Cut; or it says something else here than where it was parsed.
    ruled.changed = True
    return _raw(used) if isinstance(args, str) else used


def _parsed(text: str) -> Any:
    """A JSON object; None for anything else, also for one that says a thing twice."""
    try:
        found = json.loads(text, object_pairs_hook=_each_once)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _raw(args: Any) -> str:
    if isinstance(args, str):
        return args
    return json.dumps(args, ensure_ascii=False, default=str)


def without_logprobs(info: dict[str, Any]) -> dict[str, Any]:
    """Metadata without log-probabilities: the tokens of a cut text stand in them, too."""
    return {k: v for k, v in info.items() if k != "logprobs"} if "logprobs" in info else info
