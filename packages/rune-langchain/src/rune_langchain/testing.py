"""Fakes for testing guarded LangChain code without a model. The ones Rune is tested with."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.callbacks import CallbackManagerForLLMRun
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.runnables import Runnable

__all__ = ["FakeChat"]


class FakeChat(BaseChatModel):
    """Gives the answers it was told to give, and keeps what it was asked.

    ::

        model = FakeChat(answers=["hello"])

    Attributes:
        answers: Texts or messages, given one after the other; the last one for ever.
        piece: Characters in a piece of a stream; by default it streams word by word.
        seen: The messages of each call.
        offered: The tool definitions of each call.
    """

    answers: list[str | AIMessage]
    piece: int | None = None
    seen: list[list[BaseMessage]] = Field(default_factory=list)
    offered: list[list[dict[str, Any]]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "rune-fake"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the model."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _next(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        answer = self.answers[min(len(self.seen), len(self.answers) - 1)]
        self.seen.append(list(messages))
        self.offered.append(list(kwargs.get("tools") or ()))
        return AIMessage(answer) if isinstance(answer, str) else answer.model_copy()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager
        return ChatResult(generations=[ChatGeneration(message=self._next(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        del stop, run_manager
        answer = self._next(messages, kwargs)
        for message in self._chunks(answer):
            yield ChatGenerationChunk(message=message)

    def _chunks(self, answer: AIMessage) -> Iterator[AIMessageChunk]:
        """Thoughts, then words, then the calls, each call's arguments in pieces."""
        for thought in self._pieces(str(answer.additional_kwargs.get("reasoning_content") or "")):
            yield AIMessageChunk(content="", additional_kwargs={"reasoning_content": thought})
        if isinstance(answer.content, str):
            for word in self._pieces(answer.content):
                yield AIMessageChunk(content=word)
        else:
            for index, block in enumerate(answer.content):
                yield from self._block(index, block)
        for index, call in enumerate(answer.tool_calls):
            named = tool_call_chunk(name=call["name"], args="", id=call["id"], index=index)
            yield AIMessageChunk(content="", tool_call_chunks=[named])
            for part in self._pieces(json.dumps(call["args"])):
                piece = tool_call_chunk(name=None, args=part, id=None, index=index)
                yield AIMessageChunk(content="", tool_call_chunks=[piece])

    def _block(self, index: int, block: str | dict[Any, Any]) -> Iterator[AIMessageChunk]:
        if isinstance(block, str):
            block = {"type": "text", "text": block}
        kind = str(block.get("type"))
        text = block.get(kind)
        if not isinstance(text, str):
            yield AIMessageChunk(content=[{**block, "index": index}])
            return
        for part in self._pieces(text):
            yield AIMessageChunk(content=[{**block, kind: part, "index": index}])

    def _pieces(self, text: str) -> list[str]:
        if self.piece is None:
            return re.findall(r"\S+\s*|\s+", text)
        return [text[at : at + self.piece] for at in range(0, len(text), self.piece)]
