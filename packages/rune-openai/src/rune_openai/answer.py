"""Walk through complete answers: chat completions, completions, responses.

Works on plain JSON values, as the server sends them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rune_core.adapters.usage import tokens_in
from rune_core.adapters.walk import Check, Stopped, Walk, must_pass
from rune_openai.ids import answer_id
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.gate import StreamGate
    from rune_core.result import ScanResult

_LOCAL = {
    "local_shell_call": "action",
    "shell_call": "action",
    "apply_patch_call": "operation",
    "computer_call": "action",
}
CALLS = frozenset(("function_call", "custom_tool_call", *_LOCAL))
"""Items that somebody will carry out on this side; those in ``_LOCAL`` without naming a tool."""
_SPOKEN = ("content", "refusal", "reasoning_content", "reasoning", "reasoning_text")


@dataclass
class Answer:
    """What is known about the answer to one request.

    Attributes:
        gate: Makes a gate for a text of a stream.
        raises: What is stopped ends the answer, rather than being replaced.
        is_json: The text is to be JSON and must stay it.
        stopped: The result that stopped something of the answer.
        ids: Ids by which a later request of the same run can be recognised.
        handoffs: Names of calls that hand over to another agent rather than call a tool.
        spend: Counts tokens.
        spent: Tokens counted so far.
    """

    gate: Callable[[], StreamGate]
    raises: bool
    is_json: bool = False
    stopped: ScanResult | None = None
    ids: list[str | None] = field(default_factory=list)
    handoffs: frozenset[str] = frozenset()
    spend: Callable[[int], None] = lambda _tokens: None
    spent: int = 0

    def used(self, usage: Any) -> None:
        """Count what a report of usage tells; some servers repeat it, grown, in every chunk."""
        more = tokens_in(usage) - self.spent
        if more > 0:
            self.spent += more
            self.spend(more)

    def stop(self, stop: Stopped) -> str:
        """Note what was stopped; the message to use instead.

        Raises:
            Stopped: It ends the answer.
        """
        self.stopped = stop.result
        if self.raises:
            raise stop
        return stop.neutral


def over_answer(body: Any, answer: Answer) -> Walk[Any]:
    """Check an answer's body.

    Raises:
        Stopped: Something in it may not pass, and that ends the answer.
    """
    if not isinstance(body, Mapping):
        return body
    answer.ids.append(body.get("id"))
    answer.used(body.get("usage"))
    if isinstance(body.get("choices"), list):
        choices = []
        for choice in body["choices"]:
            choices.append((yield from _over_choice(choice, answer)))  # noqa: PERF401
        return _with(body, "choices", choices)
    if isinstance(body.get("output"), list) and body.get("object") == "response":
        items = []
        for item in body["output"]:
            items.append((yield from over_item(item, answer)))  # noqa: PERF401
        body = _with(body, "output", items)
        # Some servers send the whole text along once more.
        if isinstance(body.get("output_text"), str):
            body = yield from _over_text(body, "output_text", answer)
        return body
    if body.get("object") == "thread.message" and isinstance(body.get("content"), list):
        parts = []
        for part in body["content"]:
            text = part.get("text") if isinstance(part, Mapping) else None
            if isinstance(text, Mapping):
                text = yield from _over_text(text, "value", answer)
                part = part if text is part["text"] else {**part, "text": text}  # noqa: PLW2901
            parts.append(part)
        return _with(body, "content", parts)
    if isinstance(body.get("text"), str):  # a transcription
        return (yield from _over_text(body, "text", answer))
    return body


def _over_choice(choice: Any, answer: Answer) -> Walk[Any]:
    if not isinstance(choice, Mapping):
        return choice
    before = choice
    if isinstance(choice.get("text"), str):
        choice = yield from _over_text(choice, "text", answer)
    message = choice.get("message")
    if isinstance(message, Mapping):
        calls = message.get("tool_calls")
        message = yield from over_message(message, answer)
        if message is not choice["message"]:
            choice = {**choice, "message": message}
            if calls and not message.get("tool_calls"):
                choice["finish_reason"] = "stop"
    if choice is not before and choice.get("logprobs"):
        # The tokens of a cut text stand in its log-probabilities, too.
        choice = {**choice, "logprobs": None}
    return choice


def over_message(message: Mapping[str, Any], answer: Answer) -> Walk[Mapping[str, Any]]:
    """Check a chat message of the model."""
    for name in _SPOKEN:
        if isinstance(message.get(name), str):
            message = yield from _over_text(message, name, answer, json=name == "content")
        elif isinstance(message.get(name), list):
            parts = []
            for part in message[name]:
                if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                    part = yield from _over_text(part, "text", answer)  # noqa: PLW2901
                parts.append(part)
            message = _with(message, name, parts)
    audio = message.get("audio")
    if isinstance(audio, Mapping) and isinstance(audio.get("transcript"), str):
        audio = yield from _over_text(audio, "transcript", answer)
        message = message if audio is message["audio"] else {**message, "audio": audio}
    answer.ids.append(answer_id(message.get("content")))
    told: list[str] = []
    if isinstance(message.get("tool_calls"), list):
        kept = []
        for call in message["tool_calls"]:
            try:
                kept.append((yield from over_chat_call(call, answer)))
            except Stopped as stop:
                told.append(answer.stop(stop))
        message = _with(message, "tool_calls", kept)
        if told and not kept:
            message = {key: value for key, value in message.items() if key != "tool_calls"}
    if isinstance(message.get("function_call"), Mapping):
        try:
            call = yield from _over_function(message["function_call"])
            message = (
                message if call is message["function_call"] else {**message, "function_call": call}
            )
        except Stopped as stop:
            told.append(answer.stop(stop))
            message = {key: value for key, value in message.items() if key != "function_call"}
    if told:
        name = "refusal" if answer.is_json else "content"
        said = [message.get(name) or "", *told]
        message = {**message, name: "\n".join(part for part in said if part)}
    return message


def over_chat_call(call: Any, answer: Answer) -> Walk[Any]:
    """Check a tool call of a chat message.

    Raises:
        Stopped: It may not be made.
    """
    if not isinstance(call, Mapping):
        return call
    answer.ids.append(call.get("id"))
    for kind in ("function", "custom"):
        inner = call.get(kind)
        if isinstance(inner, Mapping):
            used = yield from _over_function(inner)
            call = call if used is inner else {**call, kind: used}
    return call


def over_item(item: Any, answer: Answer) -> Walk[Any]:
    """Check an output item of a response."""
    if not isinstance(item, Mapping):
        return item
    kind = item.get("type")
    answer.ids += [item.get("id"), item.get("call_id")]
    if kind in CALLS:
        try:
            if kind in _LOCAL:
                return (yield from _over_local(item, kind))
            return (yield from _over_function(item, answer.handoffs))
        except Stopped as stop:
            return refusal_item(item, answer.stop(stop), is_json=answer.is_json)
    for name in ("content", "summary"):
        if isinstance(item.get(name), list):
            parts = []
            for part in item[name]:
                if isinstance(part, Mapping):
                    for key in ("text", "refusal", "transcript"):
                        if isinstance(part.get(key), str):
                            whole = part
                            part = yield from _over_text(  # noqa: PLW2901
                                part, key, answer, json=key == "text" and kind == "message"
                            )
                            if part is not whole and part.get("logprobs"):
                                part = {**part, "logprobs": []}  # noqa: PLW2901
                            if part.get("type") != whole.get("type"):
                                break
                parts.append(part)
            item = _with(item, name, parts)
    if kind == "message":
        answer.ids.append(answer_id(item.get("content")))
    elif kind not in ("reasoning", "compaction"):
        # What a hosted tool did: it has run already, so only its words can be kept back.
        for key in ("code", "output", "arguments", "error"):
            if isinstance(item.get(key), str):
                item = yield from _over_text(item, key, answer)
    return item


def refusal_part(message: str, *, is_json: bool) -> dict[str, Any]:
    """The part of a message that says what was stopped.

    A sentence is no JSON; whoever parses an answer looks for a refusal first.
    """
    if is_json:
        return {"type": "refusal", "refusal": message}
    return {"type": "output_text", "text": message, "annotations": [], "logprobs": []}


def refusal_item(item: Mapping[str, Any], message: str, *, is_json: bool) -> dict[str, Any]:
    """The output message that stands in for a call that may not be made."""
    return {
        "id": f"msg_rune_{item.get('id') or item.get('call_id')}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [refusal_part(message, is_json=is_json)],
    }


def _over_local(item: Mapping[str, Any], kind: str) -> Walk[Mapping[str, Any]]:
    """Check a command, patch or click that is carried out without naming a tool."""
    key = _LOCAL[kind]
    action = item.get(key)
    if not isinstance(action, Mapping):
        return item
    used = yield from must_pass(Check(Surface.TOOL_CALL, dict(action), kind.removesuffix("_call")))
    return item if used == action else {**item, key: used}


def _over_function(
    call: Mapping[str, Any], handoffs: frozenset[str] = frozenset()
) -> Walk[Mapping[str, Any]]:
    """Check the arguments (JSON, or read already) or the input (any text) of a call.

    Raises:
        Stopped: It may not be made.
    """
    name = call.get("name")
    key = "arguments" if isinstance(call.get("arguments"), str | Mapping) else "input"
    text = call.get(key)
    if isinstance(text, Mapping):
        args, is_json = dict(text), False
    elif not isinstance(text, str):
        return call
    else:
        args, is_json = parse_arguments(text) if key == "arguments" else ({key: text}, False)
    surface = Surface.HANDOFF if name in handoffs else Surface.TOOL_CALL
    check = Check(surface, args, name if isinstance(name, str) else None)
    used = yield from must_pass(check)
    if used is args or used == args:
        return call
    if isinstance(text, Mapping):
        return {**call, key: used}
    return {
        **call,
        key: json.dumps(used, ensure_ascii=False) if is_json else used[next(iter(args))],
    }


def parse_arguments(text: str) -> tuple[dict[str, Any], bool]:
    """The arguments of a call, and whether they are JSON: models also write what is not."""
    try:
        args = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        args = None
    return (args, True) if isinstance(args, dict) else ({"input": text}, False)


def _over_text(
    holder: Mapping[str, Any], name: str, answer: Answer, *, json: bool = False
) -> Walk[Any]:
    text = holder[name]
    if not text.strip():
        return holder
    try:
        used = yield from must_pass(Check(Surface.OUTPUT, text))
    except Stopped as stop:
        used = answer.stop(stop)
        if json and answer.is_json:
            if holder.get("type") == "output_text":
                return refusal_part(used, is_json=True)
            return {**holder, name: None, "refusal": used}
    return holder if used is text or used == text else {**holder, name: used}


def _with(body: Mapping[str, Any], name: str, items: list[Any]) -> Mapping[str, Any]:
    if len(items) == len(body[name]) and all(
        old is new for old, new in zip(body[name], items, strict=True)
    ):
        return body
    return {**body, name: items}
