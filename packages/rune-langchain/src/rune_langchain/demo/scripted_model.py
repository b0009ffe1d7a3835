"""A chat model without weights, for the demo and for tests that need no network.

It decides from the very messages and tool definitions that it is given: text that a guard cut
out cannot move it, and a tool that a guard withheld cannot be called.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from rune_langchain.demo.hearing import Call, Heard
from rune_langchain.demo.plans import next_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_core.callbacks import CallbackManagerForLLMRun
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool


class ScriptedModel(BaseChatModel):
    """Follows the user's request by plans, and obeys any text that gives it orders."""

    @property
    def _llm_type(self) -> str:
        return "rune-scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the model; ``tool_choice`` changes nothing."""
        del tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager
        step = next_step(Heard.from_messages(messages, kwargs.get("tools") or ()))
        if isinstance(step, Call):
            call = tool_call(name=step.tool, args=step.args, id=f"call_{uuid4().hex[:12]}")
            message = AIMessage(content="", tool_calls=[call])
        else:
            message = AIMessage(content=step)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._generate(messages, stop, run_manager, **kwargs).generations[0].message
        assert isinstance(answer, AIMessage)
        for call in answer.tool_calls:
            args = json.dumps(call["args"])
            chunk = tool_call_chunk(name=call["name"], args=args, id=call["id"], index=0)
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[chunk]))
        for word in re.findall(r"\S+\s*", answer.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
