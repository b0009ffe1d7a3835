"""Streams of answers: chunks are held until their text may be shown, and then go on unchanged.

Where nothing is cut, the consumer gets the very chunks that the model gave, a little later. From
the first cut on, chunks are made anew from the text that may be shown.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from llama_index.core.base.llms.types import (
    ChatResponse,
    CompletionResponse,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from rune_core.adapters.walk import Feed, Walk, has_text
from rune_llamaindex.blocks import over_text
from rune_llamaindex.messages import figures, over_answer, over_completion
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_core.gate import StreamGate
    from rune_llamaindex.calls import Offered

_R = TypeVar("_R")
_THOUGHT = "thinking_delta"
_MANY = 64


class Shape(Protocol[_R]):
    """What a held stream must know of its chunks."""

    def content(self, chunk: _R) -> str:
        """The whole text so far."""

    def delta(self, chunk: _R) -> str:
        """The text that is new."""

    def thought(self, chunk: _R) -> str:
        """The reasoning that is new."""

    def thoughts(self, chunk: _R) -> str:
        """The whole reasoning so far, where the chunk says it."""

    def calls(self, chunk: _R) -> bool:
        """Whether there is something in it that can be judged only when it is complete."""

    def check(self, chunk: _R, offered: Offered, *, text: bool) -> Walk[_R]:
        """Check the last chunk: all of it, or all but its texts and thoughts."""

    def rebuilt(
        self, chunk: _R, text: str, delta: str, thoughts: str, thought: str, *, calls: bool
    ) -> _R:
        """A chunk with other text and reasoning, and nothing that repeats what it had."""


class _Channel:
    """One text on its way through a gate."""

    def __init__(self, new_gate: Callable[[], StreamGate]) -> None:
        self._new_gate = new_gate
        self._gate: StreamGate | None = None
        self._held = ""
        self.taken = 0
        self.let = 0
        self.cut = False
        self.out = ""

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def pour(self, text: str) -> Walk[None]:
        if self._gate is None:
            self._gate = self._new_gate()
        self._held += text
        self.taken += len(text)
        self._note((yield Feed(self._gate, text)))

    def settle(self) -> Walk[None]:
        """No more text for now: let go what is held."""
        gate, self._gate = self._gate, None
        if gate is None:
            return
        self._note((yield Feed(gate, None)))
        self.cut = self.cut or bool(self._held)
        self._held = ""

    def _note(self, shown: str) -> None:
        self.out += shown
        if self._held.startswith(shown):
            self._held = self._held[len(shown) :]
            if not self.cut:
                self.let += len(shown)
        else:
            self.cut, self._held = True, ""


class HeldStream(Generic[_R]):
    """One stream on its way to its consumer.

    Args:
        shape: How to read its chunks.
        new_gate: Makes a gate for what a model says.
        offered: The tools that the model may call.

    Attributes:
        shown: The text that the consumer has.
        last: The last chunk that came.
        final: The last chunk that was let go.
    """

    def __init__(
        self, shape: Shape[_R], new_gate: Callable[[], StreamGate], offered: Offered
    ) -> None:
        self._shape = shape
        self._offered = offered
        self._text = _Channel(new_gate)
        self._thoughts = _Channel(new_gate)
        self._queue: deque[tuple[_R, int, int]] = deque()
        self._content = ""
        self._parked = False
        self._odd = False
        self._thought_said = ""
        self._thought_shown = 0
        self.shown = ""
        self.last: _R | None = None
        self.final: _R | None = None

    def feed(self, chunk: _R) -> Walk[list[_R]]:
        """Take the next chunk; return those that may be shown now.

        Raises:
            Stopped: Nothing more may be shown.
        """
        self.last = chunk
        delta, thought = self._delta(chunk), self._shape.thought(chunk)
        self._thought_said += thought
        self._odd |= self._shape.thoughts(chunk) not in ("", self._thought_said)
        self._parked = self._parked or self._odd or self._shape.calls(chunk)
        if self._odd:
            self._queue.append((chunk, 0, 0))
            return []
        if thought:
            if delta:
                yield from self._text.settle()
            yield from self._thoughts.pour(thought)
        if delta:
            if self._thoughts.holds:
                yield from self._thoughts.settle()
            yield from self._text.pour(delta)
        self._queue.append((chunk, self._text.taken, self._thoughts.taken))
        if self._parked:
            return []
        return self._free()

    def end(self) -> Walk[list[_R]]:
        """The stream is over; return the rest of what may be shown.

        Raises:
            Stopped: Nothing more may be shown.
        """
        last = self.last
        if last is None:
            return []
        if self._odd:
            return (yield from self._end_odd(last))
        yield from self._thoughts.settle()
        yield from self._text.settle()
        checked = yield from self._shape.check(last, self._offered, text=False)
        cut = self._text.cut or self._thoughts.cut
        if checked is last and not cut:
            return self._let_go([chunk for chunk, _, _ in self._queue])
        self._parked = False
        freed = self._free(with_calls=False)
        return [*freed, self._anew(checked, calls=True)]

    # -- inside

    def _delta(self, chunk: _R) -> str:
        """The new text, by what the chunk says and by what it adds up to."""
        content, delta = self._shape.content(chunk), self._shape.delta(chunk)
        before, self._content = self._content, content or self._content
        if content == before + delta or (not content and not before):
            return delta
        if not content:
            self._content = before + delta
            return delta
        if not delta and content.startswith(before):
            return content[len(before) :]
        self._odd = True
        return ""

    def _free(self, *, with_calls: bool = True) -> list[_R]:
        """The chunks whose text is out; after a cut, one that says what is new."""
        freed: list[_R] = []
        while self._queue:
            chunk, text, thoughts = self._queue[0]
            if text > self._text.let or thoughts > self._thoughts.let:
                break
            if not with_calls and self._shape.calls(chunk):
                break
            self._queue.popleft()
            freed.append(chunk)
        done = self._let_go(freed)
        if self._text.cut or self._thoughts.cut:
            template = self._queue[-1][0] if self._queue else None
            self._queue.clear()
            fresh = len(self._text.out) > len(self.shown)
            fresh = fresh or len(self._thoughts.out) > self._thought_shown
            if template is not None and fresh and with_calls:
                done.append(self._anew(template, calls=False))
        return done

    def _let_go(self, chunks: list[_R]) -> list[_R]:
        self.shown += "".join(map(self._text_of, chunks))
        self._thought_shown += sum(len(self._shape.thought(chunk)) for chunk in chunks)
        if chunks:
            self.final = chunks[-1]
        return chunks

    def _text_of(self, chunk: _R) -> str:
        return self._shape.delta(chunk) or self._shape.content(chunk)[len(self.shown) :]

    def _anew(self, chunk: _R, *, calls: bool) -> _R:
        text, thoughts = self._text.out, self._thoughts.out
        delta, thought = text[len(self.shown) :], thoughts[self._thought_shown :]
        self.shown, self._thought_shown = text, len(thoughts)
        self.final = self._shape.rebuilt(chunk, text, delta, thoughts, thought, calls=calls)
        return self.final

    def _end_odd(self, last: _R) -> Walk[list[_R]]:
        """The chunks do not add up: look at all they say, and show them all or one instead."""
        waiting = [chunk for chunk, _, _ in self._queue]
        checked = yield from self._shape.check(last, self._offered, text=True)
        content = self._shape.content(last)
        said = "".join(map(self._shape.delta, waiting))
        thought = "".join(map(self._shape.thought, waiting))
        delta = said
        if said not in content or checked is not last:
            delta = yield from over_text(said, Surface.OUTPUT, None, remember=False)
        new_thought = yield from over_text(thought, Surface.OUTPUT, None, remember=False)
        clean = checked is last and delta is said and new_thought is thought
        others = {self._shape.content(chunk) for chunk in waiting}
        others = {other for other in others if other not in content and other not in said}
        clean = clean and len(others) <= _MANY
        for other in others if clean else ():
            used = yield from over_text(other, Surface.OUTPUT, None, remember=False)
            clean = clean and used is other
        if clean:
            return self._let_go(waiting)
        text = self._shape.content(checked)
        self.final = self._shape.rebuilt(checked, text, delta, new_thought, new_thought, calls=True)
        self.shown += delta
        return [self.final]


class ChatShape:
    """Chunks of ``stream_chat``."""

    def content(self, chunk: ChatResponse) -> str:
        return chunk.message.content or ""

    def delta(self, chunk: ChatResponse) -> str:
        return chunk.delta or ""

    def thought(self, chunk: ChatResponse) -> str:
        return chunk.additional_kwargs.get(_THOUGHT) or ""

    def thoughts(self, chunk: ChatResponse) -> str:
        blocks = chunk.message.blocks
        return "".join(block.content or "" for block in blocks if isinstance(block, ThinkingBlock))

    def calls(self, chunk: ChatResponse) -> bool:
        return has_text(chunk.message.additional_kwargs) or not all(
            isinstance(block, TextBlock | ThinkingBlock) for block in chunk.message.blocks
        )

    def check(self, chunk: ChatResponse, offered: Offered, *, text: bool) -> Walk[ChatResponse]:
        message = yield from over_answer(chunk.message, offered, text=text)
        return chunk if message is chunk.message else chunk.model_copy(update={"message": message})

    def rebuilt(
        self,
        chunk: ChatResponse,
        text: str,
        delta: str,
        thoughts: str,
        thought: str,
        *,
        calls: bool,
    ) -> ChatResponse:
        message = chunk.message
        blocks: list[Any] = []
        texts, thinking = [TextBlock(text=text)] if text else [], [thoughts] if thoughts else []
        for block in message.blocks:
            if isinstance(block, TextBlock):
                blocks += texts[:1]
                texts = []
            elif isinstance(block, ThinkingBlock):
                empty: dict[str, Any] = {"additional_information": {}}
                blocks += [block.model_copy(update={"content": t, **empty}) for t in thinking[:1]]
                thinking = []
            elif calls or not isinstance(block, ToolCallBlock):
                blocks.append(block)
        extra = message.additional_kwargs if calls else figures(message.additional_kwargs)
        added = figures(chunk.additional_kwargs)
        if thought:
            added[_THOUGHT] = thought
        return chunk.model_copy(
            update={
                "message": message.model_copy(
                    update={"blocks": texts + blocks, "additional_kwargs": extra}
                ),
                "delta": delta,
                "raw": None,
                "logprobs": None,
                "additional_kwargs": added,
            }
        )


class CompletionShape:
    """Chunks of ``stream_complete``."""

    def content(self, chunk: CompletionResponse) -> str:
        return chunk.text

    def delta(self, chunk: CompletionResponse) -> str:
        return chunk.delta or ""

    def thought(self, chunk: CompletionResponse) -> str:
        return chunk.additional_kwargs.get(_THOUGHT) or ""

    def thoughts(self, chunk: CompletionResponse) -> str:  # noqa: ARG002 - it has none
        return ""

    def calls(self, chunk: CompletionResponse) -> bool:
        return bool(chunk.additional_kwargs.get("tool_calls"))

    def check(
        self, chunk: CompletionResponse, offered: Offered, *, text: bool
    ) -> Walk[CompletionResponse]:
        if text:
            return (yield from over_completion(chunk, offered))
        bare = chunk.model_copy(update={"text": ""})
        checked = yield from over_completion(bare, offered)
        return chunk if checked is bare else checked.model_copy(update={"text": chunk.text})

    def rebuilt(
        self,
        chunk: CompletionResponse,
        text: str,
        delta: str,
        thoughts: str,  # noqa: ARG002 - only deltas tell of them
        thought: str,
        *,
        calls: bool,
    ) -> CompletionResponse:
        extra = dict(chunk.additional_kwargs if calls else figures(chunk.additional_kwargs))
        extra.pop(_THOUGHT, None)
        if thought:
            extra[_THOUGHT] = thought
        return chunk.model_copy(
            update={
                "text": text,
                "delta": delta,
                "raw": None,
                "logprobs": None,
                "additional_kwargs": extra,
            }
        )
