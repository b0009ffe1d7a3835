"""Walk through the chunks of a streamed chat completion (or text completion).

Text goes through a gate per choice and field. Tool calls are held until their choice is finished,
then checked whole, and sent in the pieces they came in, or as one chunk each where one was changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rune_core.adapters.walk import Feed, Stopped, Walk
from rune_openai.answer import over_chat_call

if TYPE_CHECKING:
    from rune_core.gate import StreamGate
    from rune_openai.answer import Answer

_TEXTS = ("content", "refusal", "reasoning_content", "reasoning", "reasoning_text")
_SPOKEN = (*_TEXTS, "audio", "function_call")


@dataclass
class _Choice:
    """What is held back of one choice."""

    gates: dict[str, StreamGate] = field(default_factory=dict)
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    pieces: list[Mapping[str, Any]] = field(default_factory=list)
    ambiguous: bool = False
    function: dict[str, Any] | None = None
    logprobs: dict[str, list[Any]] = field(default_factory=dict)
    refused: str = ""
    said: Any = field(default_factory=hashlib.sha256)
    length: int = 0
    finished: bool = False


class ChatStream:
    """Guards the chunks of one answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._choices: dict[int, _Choice] = {}
        self._last: Mapping[str, Any] = {}

    def over(self, chunk: Mapping[str, Any]) -> Walk[list[Mapping[str, Any]]]:
        """Check a chunk.

        Returns:
            The chunks to send instead; the very object where nothing changed.

        Raises:
            Stopped: Something in it may not pass, and that ends the answer.
        """
        self._answer.used(chunk.get("usage"))
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices:
            return [chunk]
        self._last = chunk
        self._answer.ids.append(chunk.get("id"))
        sent: list[Mapping[str, Any]] = []
        kept: list[Any] = []
        for choice in choices:
            if not isinstance(choice, Mapping):
                kept.append(choice)
                continue
            used = yield from self._over_choice(choice)
            if used is not choice:
                used = self._hold(chunk, choice, used)
            if choice.get("finish_reason"):
                index = choice.get("index", 0)
                more, used = yield from self._finish(index, used, chunk)
                sent += more
            if used is choice or not _is_empty(used):
                kept.append(used)
        if len(kept) == len(choices) and all(
            old is new for old, new in zip(choices, kept, strict=True)
        ):
            return [*sent, chunk]
        if kept or chunk.get("usage"):
            sent.append({**chunk, "choices": kept})
        return sent

    def end(self) -> Walk[list[Mapping[str, Any]]]:
        """Release what is left when the stream ends without finishing its choices.

        Raises:
            Stopped: As in ``over``.
        """
        sent: list[Mapping[str, Any]] = []
        for index, state in self._choices.items():
            if not state.finished:
                more, _ = yield from self._finish(index, {"delta": {}}, self._last)
                sent += more
        return sent

    def _hold(
        self, chunk: Mapping[str, Any], choice: Mapping[str, Any], used: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Keep the chunk that a piece of a call came in; what is left of its choice to send now."""
        delta = choice.get("delta")
        if not isinstance(delta, Mapping) or not delta.get("tool_calls"):
            return used
        index = choice.get("index", 0)
        pieces = self._choices[index].pieces
        rest = {key: value for key, value in delta.items() if key != "tool_calls"}
        alone = len(chunk["choices"]) == 1 and not choice.get("finish_reason")
        if alone and rest == used.get("delta") and not any(rest.get(name) for name in _SPOKEN):
            pieces.append(chunk)
            return {**used, "delta": {}}
        pieces.append(_chunk(chunk, index, {"tool_calls": delta["tool_calls"]}))
        return used

    def _over_choice(self, choice: Mapping[str, Any]) -> Walk[Mapping[str, Any]]:
        state = self._choices.setdefault(choice.get("index", 0), _Choice())
        changed: dict[str, Any] = {}
        if isinstance(choice.get("text"), str):
            text = yield from self._through(state, "text", choice["text"])
            if text != choice["text"]:
                changed["text"] = text
        delta = choice.get("delta")
        if isinstance(delta, Mapping):
            used = yield from self._over_delta(state, delta)
            if used is not delta:
                changed["delta"] = used
        if isinstance(choice.get("logprobs"), Mapping):
            for name, tokens in choice["logprobs"].items():
                if isinstance(tokens, list):
                    state.logprobs.setdefault(name, []).extend(tokens)
            changed["logprobs"] = None
        return {**choice, **changed} if changed else choice

    def _over_delta(self, state: _Choice, delta: Mapping[str, Any]) -> Walk[Mapping[str, Any]]:
        changed: dict[str, Any] = {}
        speaks = next((name for name in _TEXTS if delta.get(name)), None)
        if speaks is not None or delta.get("tool_calls"):
            # Whoever goes on to another text, or to a call, has finished the one before.
            for name, gate in state.gates.items():
                if name in _TEXTS and name != speaks and gate.held and not delta.get(name):
                    changed[name] = yield from self._fed(state, name, None)
        for name in _TEXTS:
            value = delta.get(name)
            if isinstance(value, str) and value:
                text = yield from self._through(state, name, value)
                if text != value:
                    changed[name] = text
            elif isinstance(value, list):
                parts = []
                for part in value:
                    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                        text = yield from self._through(state, name, part["text"])
                        part = {**part, "text": text}  # noqa: PLW2901
                    parts.append(part)
                changed[name] = parts
        audio = delta.get("audio")
        if isinstance(audio, Mapping) and isinstance(audio.get("transcript"), str):
            text = yield from self._through(state, "transcript", audio["transcript"])
            changed["audio"] = {**audio, "transcript": text}
        used = {**delta, **changed} if changed else delta
        if delta.get("tool_calls"):
            for call in delta["tool_calls"]:
                position = call.get("index")
                whole = state.calls.setdefault(
                    len(state.calls) if position is None else position, {}
                )
                # Clients add such pieces up in ways of their own, not all of them as merge() does.
                state.ambiguous |= position is None or _names_again(whole, call)
                merge(whole, call)
            used = {key: value for key, value in used.items() if key != "tool_calls"}
        if isinstance(delta.get("function_call"), Mapping):
            state.function = merge(state.function or {}, delta["function_call"])
            used = {key: value for key, value in used.items() if key != "function_call"}
        return used

    def _through(self, state: _Choice, name: str, delta: str) -> Walk[str]:
        if name not in state.gates:
            state.gates[name] = self._answer.gate()
        return (yield from self._fed(state, name, delta))

    def _fed(self, state: _Choice, name: str, delta: str | None) -> Walk[str]:
        gate = state.gates[name]
        was_stopped = gate.stopped
        text: str = yield Feed(gate, delta)
        if gate.stopped and not was_stopped:
            assert gate.result is not None
            text = self._answer.stop(Stopped(gate.result, text))
            if self._answer.is_json and name == "content":
                # A sentence is no JSON; whoever parses the answer looks for a refusal first.
                state.refused, text = text, ""
        if name == "content":
            state.said.update(text.encode("utf-8", "surrogatepass"))
            state.length += len(text)
        return text

    def _finish(
        self, index: int, choice: Mapping[str, Any], chunk: Mapping[str, Any]
    ) -> Walk[tuple[list[Mapping[str, Any]], Mapping[str, Any]]]:
        """Release what is held of a choice; the chunks before its last, and its last."""
        state = self._choices.setdefault(index, _Choice())
        state.finished = True
        last_delta = dict(choice.get("delta") or {})
        carried = any(isinstance(last_delta.get(name), str) for name in state.gates)
        rest: dict[str, Any] = {}
        spoken: dict[str, Any] = {}
        for name in state.gates:
            text = yield from self._fed(state, name, None)
            if name == "text":
                rest["text"] = text
            elif name == "transcript":
                if text:
                    spoken["audio"] = {"transcript": text}
            elif text or last_delta.get(name):
                spoken[name] = (last_delta.pop(name, "") or "") + text
        told: list[str] = [state.refused] if state.refused else []
        calls: list[dict[str, Any]] = []
        changed = False
        for _, call in sorted(state.calls.items()):
            try:
                used = yield from over_chat_call(call, self._answer)
                changed |= used is not call
                calls.append({**used, "index": len(calls)})
            except Stopped as stop:
                told.append(self._answer.stop(stop))
        function = None
        if state.function is not None:
            try:
                whole = yield from over_chat_call({"function": state.function}, self._answer)
                function = whole["function"]
            except Stopped as stop:
                told.append(self._answer.stop(stop))
        if told:
            name = "refusal" if self._answer.is_json else "content"
            spoken[name] = "\n".join(part for part in (spoken.get(name), *told) if part)
        logprobs = None
        if state.logprobs and not any(gate.changed for gate in state.gates.values()):
            logprobs = state.logprobs
        self._answer.ids.append(self._text_id(state))
        sent: list[Mapping[str, Any]] = []
        if spoken and carried and not (calls or told or logprobs or function):
            # The server sent its last words with the end, so they stay together.
            last_delta.update(spoken)
        elif spoken or logprobs:
            sent.append(_chunk(chunk, index, spoken, logprobs))
        if changed or told or state.ambiguous:
            sent += [_chunk(chunk, index, {"tool_calls": [call]}) for call in calls]
        else:
            sent += state.pieces
        state.pieces = []
        if function is not None:
            sent.append(_chunk(chunk, index, {"function_call": function}))
        used = choice
        if spoken and choice.get("delta") != last_delta:
            used = {**choice, "delta": last_delta}
        if rest.get("text"):
            used = {**used, "text": (choice.get("text") or "") + rest["text"]}
            if logprobs:
                used = {**used, "logprobs": sent.pop(0)["choices"][0]["logprobs"]}
        elif logprobs and "text" in state.gates:
            used = {**used, "logprobs": sent.pop(0)["choices"][0]["logprobs"]}
        if told and not calls and function is None and used.get("finish_reason"):
            used = {**used, "finish_reason": "stop"}
        return sent, used

    def _text_id(self, state: _Choice) -> str | None:
        # The same as ids.answer_id() of the whole text.
        return f"text:{state.said.hexdigest()}" if state.length >= 40 else None


def merge(whole: dict[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Add a piece of a tool call to what came before: its texts follow one another."""
    for key, value in part.items():
        if isinstance(value, Mapping):
            whole[key] = merge(dict(whole.get(key) or {}), value)
        elif key in ("arguments", "input") and isinstance(value, str):
            whole[key] = (whole.get(key) or "") + value
        elif value is not None or key not in whole:
            whole[key] = value
    return whole


def _names_again(whole: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    """Whether a piece tells a text a second time that only a call's first piece should."""
    for key, value in part.items():
        if isinstance(value, Mapping):
            if _names_again(whole.get(key) or {}, value):
                return True
        elif key not in ("arguments", "input", "type", "index") and value and whole.get(key):
            return True
    return False


def _chunk(
    template: Mapping[str, Any], index: int, delta: dict[str, Any], logprobs: Any = None
) -> dict[str, Any]:
    made = {key: value for key, value in template.items() if key != "usage"}
    if "usage" in template:
        made["usage"] = None
    made["choices"] = [
        {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
    ]
    return made


def _is_empty(choice: Mapping[str, Any]) -> bool:
    """Whether a changed choice says nothing any more."""
    if choice.get("finish_reason") or choice.get("text") or choice.get("logprobs"):
        return False
    delta = choice.get("delta")
    return not isinstance(delta, Mapping) or not any(
        value and value != [] for value in delta.values()
    )
