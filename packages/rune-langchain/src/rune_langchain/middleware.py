"""ShieldMiddleware: installs guarded objects into an agent made by ``create_agent``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.tools import BaseTool

from rune_langchain.guard import guard_for
from rune_langchain.messages import in_its_run
from rune_langchain.model import guard_model
from rune_langchain.tool import defined, guard_tool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain.agents.middleware.types import (
        ModelCallResult,
        ModelRequest,
        ModelResponse,
        ToolCallRequest,
    )
    from langchain_core.messages import ToolMessage
    from langgraph.types import Command

    from rune_core import Shield

    _Middleware = AgentMiddleware[Any, Any, Any]
else:
    # The oldest langchain has two type parameters where later ones have three.
    _Middleware = AgentMiddleware


class ShieldMiddleware(_Middleware):
    """Guards everything an agent reads, says and does.

    ::

        agent = create_agent(model, tools, middleware=[ShieldMiddleware(shield)])

    It replaces the model and the tools of each request by guarded copies, so what a stream or a
    tracer sees is guarded, too. Put it last: then the model that another middleware switches to
    is guarded as well, and what others add to a request is checked.

    Args:
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
        interrupts: Put a policy's ``ask`` to a person by LangGraph's ``interrupt``, in the form of
            ``HumanInTheLoopMiddleware``, instead of the shield's approval handler. The agent
            needs a checkpointer; ``Command(resume=…)`` answers.
    """

    def __init__(
        self,
        shield: Shield | None = None,
        *,
        agent_id: str | None = None,
        interrupts: bool = False,
    ) -> None:
        super().__init__()
        self._guard = guard_for(shield, agent_id, interrupts=interrupts)

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelCallResult[Any]:
        """Call a guarded copy of the model."""
        return handler(self._with_model(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelCallResult[Any]:
        """``wrap_model_call`` on an event loop."""
        return await handler(self._with_model(request))

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Run a guarded copy of the tool."""
        with in_its_run(self._guard, request):
            return handler(self._guarded(request))

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """``wrap_tool_call`` on an event loop."""
        with in_its_run(self._guard, request):
            return await handler(self._guarded(request))

    def _with_model(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        # These tools will be run guarded, so the model's guard can leave refusals to them.
        self._guard.offers(defined(tool) for tool in request.tools if isinstance(tool, BaseTool))
        for spec in getattr(request.response_format, "schema_specs", ()):
            self._guard.memory.answers.put(spec.name, True)
        return request.override(model=guard_model(request.model, self._guard))

    def _guarded(self, request: ToolCallRequest) -> ToolCallRequest:
        # A tool that the agent does not know is refused by the agent itself.
        if request.tool is None:
            return request
        return request.override(tool=guard_tool(request.tool, self._guard))
