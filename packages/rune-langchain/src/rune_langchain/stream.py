"""Streams of answers: chunks are held until their text may be shown, and then go on.

Every chunk stays the chunk it was: where nothing is cut it is handed on as the very object, and
where something is, only the text in it changes. Calls wait for the end of the answer, for only a
whole call can be judged; so does what comes after them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from rune_core.adapters.walk import Feed, Walk
from rune_langchain.calls import CALL_BLOCKS, CALL_DELTA, CALL_KEYS, over_calls, without_logprobs
from rune_langchain.content import OPAQUE_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.messages import BaseMessage

    from rune_core.gate import StreamGate
    from rune_langchain.guard import Memory

_MISSED = 2
"""A text that so many chunks say nothing more of is complete. One is not enough: where two texts
come by turns, each would be judged piece by piece."""

Key: TypeAlias = tuple[Any, ...]
Path: TypeAlias = tuple[Any, ...]


class _Channel:
    """One text on its way through a gate: what came in, what it became, and how far it may go."""

    def __init__(self, gate: StreamGate) -> None:
        self._gate = gate
        self._raw = ""
        self._ready: deque[tuple[int, str | None]] = deque()
        self.taken = 0
        self.let = 0
        self.missed = 0
        self.settled = False

    @property
    def holds(self) -> bool:
        return self.let < self.taken

    def pour(self, text: str) -> Walk[None]:
        self._raw += text
        self.taken += len(text)
        self._note((yield Feed(self._gate, text)))

    def settle(self) -> Walk[None]:
        """The text is complete: let go what is held."""
        if self.holds:
            self._note((yield Feed(self._gate, None)))
        self.settled = True

    def _note(self, shown: str) -> None:
        through = self.taken - self._gate.held - self.let
        raw, self._raw = self._raw[:through], self._raw[through:]
        self.let += through
        if through or shown:
            self._ready.append((through, None if shown == raw else shown))

    def take(self, text: str) -> str:
        """What a piece that came in may be shown as. Pieces are taken in their order."""
        left, shown = len(text), []
        at = 0
        while left:
            count, instead = self._ready[0]
            used = min(count, left)
            if instead is None:
                shown.append(text[at : at + used])
            elif instead:
                shown.append(instead)
                instead = ""
            at, left = at + used, left - used
            if used == count:
                self._ready.popleft()
            else:
                self._ready[0] = (count - used, instead)
        return "".join(shown)


@dataclass(slots=True)
class _Waiting:
    """A chunk and the texts in it, each with its channel and how far that must have let go."""

    chunk: ChatGenerationChunk
    texts: list[tuple[Path, _Channel, int]] = field(default_factory=list)


class HeldAnswer:
    """One streamed answer on its way to its consumer.

    Args:
        new_gate: Makes a gate for what a model says.
        memory: Knows the tools that refuse a stopped call themselves.
    """

    def __init__(self, new_gate: Callable[[], StreamGate], memory: Memory) -> None:
        self._new_gate = new_gate
        self._memory = memory
        self._channels: dict[Key, _Channel] = {}
        self._queue: deque[_Waiting] = deque()
        self._calls: set[Any] = set()
        self._parked = False

    def feed(self, chunk: ChatGenerationChunk) -> Walk[list[ChatGenerationChunk]]:
        """Take the next chunk; return those that may be shown now.

        Raises:
            Stopped: Nothing more may be shown.
        """
        waiting = _Waiting(chunk)
        self._parked |= _has_calls(chunk.message, self._calls)
        for path, key, text in _texts(chunk.message, self._calls):
            channel = self._channels.get(key)
            if channel is None:
                channel = self._channels[key] = _Channel(self._new_gate())
            channel.missed = 0
            if channel.settled:
                # A text that was thought complete goes on: what else is so is known at the end.
                self._parked = True
            yield from channel.pour(text)
            waiting.texts.append((path, channel, channel.taken))
        if waiting.texts:
            for channel in self._channels.values():
                channel.missed += 1
                if channel.missed > _MISSED and not channel.settled:
                    yield from channel.settle()
        self._queue.append(waiting)
        return [] if self._parked else self._free()

    def end(self) -> Walk[list[ChatGenerationChunk]]:
        """The stream is over; return the rest of what may be shown.

        Raises:
            Stopped: Nothing more may be shown.
        """
        for channel in self._channels.values():
            yield from channel.settle()
        parked = self._parked
        freed = self._free()
        if not parked or not freed:
            return freed
        merged = merge_chat_generation_chunks(freed)
        assert merged is not None
        message = yield from over_calls(merged.message, self._memory)
        if message is merged.message:
            return freed
        # One chunk instead of many: the pieces of a call that was cut are worth nothing.
        return [_rebuilt(merged, message)]

    def _free(self) -> list[ChatGenerationChunk]:
        freed: list[ChatGenerationChunk] = []
        while self._queue:
            waiting = self._queue[0]
            if any(upto > channel.let for _, channel, upto in waiting.texts):
                break
            freed.append(_shown(self._queue.popleft()))
        return freed


def _shown(waiting: _Waiting) -> ChatGenerationChunk:
    """A chunk with what may be shown of its texts: the very object where nothing was cut."""
    message = waiting.chunk.message
    changed: dict[str, Any] = {}
    for path, channel, _ in waiting.texts:
        root = path[0]
        before = changed.get(root, getattr(message, root))
        text = _at(before, path[1:])
        used = channel.take(text)
        if used != text:
            changed[root] = _with(before, path[1:], used)
    if not changed:
        return waiting.chunk
    changed["response_metadata"] = without_logprobs(message.response_metadata)
    return _rebuilt(waiting.chunk, message.model_copy(update=changed))


def _rebuilt(chunk: ChatGenerationChunk, message: Any) -> ChatGenerationChunk:
    info = without_logprobs(chunk.generation_info or {})
    return ChatGenerationChunk(message=message, generation_info=info or None)


def _has_calls(message: BaseMessage, calls: set[Any]) -> bool:
    """Whether pieces of calls stand in a chunk. Notes the blocks that are calls."""
    content = message.content if isinstance(message.content, list) else ()
    found = False
    for block in content:
        if not isinstance(block, dict):
            continue
        if block.get("type") in CALL_BLOCKS:
            calls.add(block.get("index"))
            found = True
        elif block.get("type") == CALL_DELTA:
            found |= block.get("index") in calls
    if isinstance(message, AIMessageChunk):
        found |= bool(message.tool_call_chunks or message.tool_calls or message.invalid_tool_calls)
    return found or any(message.additional_kwargs.get(key) for key in CALL_KEYS)


def _texts(message: BaseMessage, calls: set[Any]) -> Iterator[tuple[Path, Key, str]]:
    """The texts in a chunk: where each stands, and which text it is a piece of."""
    content = message.content
    if isinstance(content, str):
        if content:
            yield ("content",), ("text",), content
    else:
        for position, block in enumerate(content):
            if isinstance(block, str):
                if block:
                    yield ("content", position), ("text",), block
                continue
            kind, index = block.get("type"), block.get("index")
            if kind in CALL_BLOCKS or (kind == CALL_DELTA and index in calls):
                continue
            for path, key, text in _inside(block, ("content", position), (kind, index)):
                # Without an index it is the same text as that of chunks whose content is a text.
                yield path, ("text",) if key == ("text", None, "text") else key, text
    for key, value in message.additional_kwargs.items():
        if key not in CALL_KEYS:
            yield from _inside({key: value}, ("additional_kwargs",), ("additional_kwargs",))


def _inside(value: Any, path: Path, key: Key) -> Iterator[tuple[Path, Key, str]]:
    if isinstance(value, str):
        if value:
            yield path, key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in OPAQUE_KEYS:
                yield from _inside(item, (*path, name), (*key, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            index = item.get("index", position) if isinstance(item, dict) else position
            yield from _inside(item, (*path, position), (*key, index))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: Path, text: str) -> Any:
    """A copy of a value with another text in one place."""
    if not path:
        return text
    step, rest = path[0], path[1:]
    changed = _with(value[step], rest, text)
    if isinstance(value, list):
        return [*value[:step], changed, *value[step + 1 :]]
    return {**value, step: changed}
