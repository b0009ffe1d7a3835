"""Fakes for testing guarded LlamaIndex code without a model. The ones Rune is tested with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llama_index.core.tools.types import BaseTool

__all__ = ["ScriptedLLM", "tool_call"]


def tool_call(name: str, /, *, id: str = "call-1", **args: Any) -> ChatMessage:  # noqa: A002
    """An answer that calls a tool, for ``ScriptedLLM``."""
    block = ToolCallBlock(tool_call_id=id, tool_name=name, tool_kwargs=args)
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=[block])


class ScriptedLLM(FunctionCallingLLM):
    """Gives the answers it was told to give, and keeps what it was asked.

    ::

        llm = ScriptedLLM(answers=[tool_call("read_mail", mail_id="m1"), "It is about cats."])

    Streams come word by word. Copies of it share what it keeps.

    Attributes:
        answers: Texts or messages, given one after the other; the last one for ever.
        calls_tools: Whether it says that it can call tools; if not, agents use ReAct.
        chats: Whether it says that it is a chat model; if not, engines use completion.
    """

    # Left out of events: those of older versions tell all that a model is made of.
    answers: list[Any] = Field(default_factory=list, exclude=True)
    calls_tools: bool = True
    chats: bool = True
    _seen: list[list[ChatMessage]] = PrivateAttr(default_factory=list)
    _offered: list[list[dict[str, Any]]] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex knows it."""
        return "ScriptedLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """What it says of itself."""
        return LLMMetadata(
            is_chat_model=self.chats,
            is_function_calling_model=self.calls_tools,
            model_name="scripted",
        )

    @property
    def seen(self) -> list[list[ChatMessage]]:
        """The messages of each call; of a completion, one message with the prompt."""
        return self._seen

    @property
    def offered(self) -> list[list[dict[str, Any]]]:
        """The tool definitions of each call."""
        return self._offered

    def _next(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatMessage:
        answer = self.answers[min(len(self._seen), len(self.answers) - 1)]
        self._seen.append(list(messages))
        self._offered.append([tool.metadata.to_openai_tool() for tool in kwargs.get("tools") or ()])
        if isinstance(answer, ChatMessage):
            return answer.model_copy(deep=True)
        return ChatMessage(role=MessageRole.ASSISTANT, content=answer)

    def _chunks(self, message: ChatMessage) -> Iterator[ChatResponse]:
        """Thoughts, then words, then the whole message with its calls."""
        thoughts = "".join(b.content or "" for b in message.blocks if isinstance(b, ThinkingBlock))
        said = ""
        for piece in _pieces(thoughts):
            said += piece
            yield self._chunk([ThinkingBlock(content=said)], "", piece, message)
        before = [ThinkingBlock(content=thoughts)] if thoughts else []
        said = ""
        for piece in _pieces(message.content or ""):
            said += piece
            yield self._chunk([*before, TextBlock(text=said)], piece, "", message)
        if any(isinstance(block, ToolCallBlock) for block in message.blocks):
            yield self._chunk(list(message.blocks), "", "", message)

    def _chunk(
        self, blocks: list[Any], delta: str, thought: str, message: ChatMessage
    ) -> ChatResponse:
        return ChatResponse(
            message=ChatMessage(role=message.role, blocks=blocks),
            delta=delta,
            raw={"delta": delta, "thought": thought},
            additional_kwargs={"thinking_delta": thought} if thought else {},
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The next answer."""
        message = self._next(messages, kwargs)
        return ChatResponse(message=message, raw=message.model_dump())

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The next answer."""
        message = self._next(messages, kwargs)
        return ChatResponse(message=message, raw=message.model_dump())

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The next answer, word by word."""
        message = self._next(messages, kwargs)

        def chunks() -> ChatResponseGen:
            yield from self._chunks(message)

        return chunks()

    @llm_chat_callback()
    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """The next answer, word by word."""
        message = self._next(messages, kwargs)

        async def chunks() -> ChatResponseAsyncGen:
            for chunk in self._chunks(message):
                yield chunk

        return chunks()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The next answer."""
        del formatted
        text = self._next([ChatMessage(content=prompt)], kwargs).content or ""
        return CompletionResponse(text=text, raw={"text": text})

    @llm_completion_callback()
    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        """The next answer."""
        del formatted
        text = self._next([ChatMessage(content=prompt)], kwargs).content or ""
        return CompletionResponse(text=text, raw={"text": text})

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """The next answer, word by word."""
        del formatted
        text = self._next([ChatMessage(content=prompt)], kwargs).content or ""

        def chunks() -> CompletionResponseGen:
            yield from _completions(text)

        return chunks()

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """The next answer, word by word."""
        del formatted
        text = self._next([ChatMessage(content=prompt)], kwargs).content or ""

        async def chunks() -> CompletionResponseAsyncGen:
            for chunk in _completions(text):
                yield chunk

        return chunks()

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        del verbose, allow_parallel_tool_calls, tool_required, kwargs
        messages = list(chat_history or [])
        if user_msg:
            messages.append(
                ChatMessage(content=user_msg) if isinstance(user_msg, str) else user_msg
            )
        return {"messages": messages, "tools": list(tools)}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls in an answer."""
        del kwargs
        calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if not calls and error_on_no_tool_call:
            raise ValueError("the answer calls no tool")
        return [
            ToolSelection(
                tool_id=call.tool_call_id or "",
                tool_name=call.tool_name,
                tool_kwargs=call.tool_kwargs if isinstance(call.tool_kwargs, dict) else {},
            )
            for call in calls
        ]


def _pieces(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def _completions(text: str) -> Iterator[CompletionResponse]:
    said = ""
    for piece in _pieces(text):
        said += piece
        yield CompletionResponse(text=said, delta=piece, raw={"delta": piece})
