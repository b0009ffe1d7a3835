"""Guarded MCP servers: definitions, calls and results are checked."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rune_core.adapters.walk import Check, Ruling, Stopped, Walk, must_pass
from rune_openai.approval import Approval
from rune_openai.model import AgentsBlockedError
from rune_openai.proxy import Proxy, guard_of
from rune_openai.request import check_definition
from rune_openai.tool import over_result
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agents.mcp import MCPServer

    from rune_core.session.session import Session
    from rune_openai.guard import Guard


@dataclass(frozen=True, slots=True)
class _Announced:
    """A call that the SDK is about to make in this task."""

    tool: str
    arguments: Mapping[str, Any] = field(repr=False)
    session: Session | None
    approved: bool


_announced: ContextVar[_Announced | None] = ContextVar("rune_openai_announced", default=None)


class GuardedServer(Proxy):
    """An MCP server behind a guard."""

    async def list_tools(self, *args: Any, **kwargs: Any) -> list[Any]:
        """The server's tools. One whose description may not pass is left out."""
        tools = await self._rune_inner.list_tools(*args, **kwargs)
        guard: Guard = self._rune_guard
        session = guard.known_session() or guard.definitions_session
        return await guard.arun(_over_tools(tools), session)

    @property
    def tool_meta_resolver(self) -> Callable[[Any], Any]:
        """The server's own. The SDK asks it before each call, and tells it in which run."""
        inner: Callable[[Any], Any] | None = getattr(self._rune_inner, "tool_meta_resolver", None)

        def resolve(context: Any) -> Any:
            guard: Guard = self._rune_guard
            call = context.run_context
            announced = _Announced(
                context.tool_name,
                context.arguments or {},
                guard.session_of_call(call),
                guard.approved(call),
            )
            _announced.set(announced)
            return None if inner is None else inner(context)

        return resolve

    async def call_tool(self, tool_name: str, arguments: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a tool of the server.

        Raises:
            AgentsBlockedError: It may not be called, or nobody may see what it answered.
        """
        guard: Guard = self._rune_guard
        given = dict(arguments or {})
        announced = _announced.get()
        if announced and (announced.tool, announced.arguments) != (tool_name, given):
            announced = None
        known = guard.known_session() or (announced.session if announced else None)
        decided, session = guard.made(self._rune_decided_as(tool_name), given, known)
        try:
            if not decided:
                approved = announced is not None and announced.approved
                check = Check(Surface.TOOL_CALL, given, tool_name, approved=approved)
                used = await guard.arun(must_pass(check), session)
                if used != given:
                    arguments = used
            result = await self._rune_inner.call_tool(tool_name, arguments, *args, **kwargs)
            return await guard.arun(_over_mcp_result(result, tool_name), session)
        except Stopped as stop:
            # The SDK makes a message to the model of whatever is raised here, unless it is its own.
            raise AgentsBlockedError(stop.result) from None

    def _get_needs_approval_for_tool(self, tool: Any, agent: Any) -> Any:
        """As the SDK's, which asks it for every tool: the policy may have a question, too."""
        own = self._rune_inner._get_needs_approval_for_tool(tool, agent)
        return Approval(tool, self._rune_guard, own, self._rune_decided_as(tool.name))

    def _rune_decided_as(self, tool: str) -> str:
        # Two servers may have tools of one name, and the SDK may offer them under others.
        return f"{self._rune_inner.name}\n{tool}"

    async def __aenter__(self) -> Any:
        await self._rune_inner.__aenter__()
        return self

    async def __aexit__(self, *details: Any) -> Any:
        return await self._rune_inner.__aexit__(*details)


def guard_server(server: MCPServer, guard: Guard) -> MCPServer:
    """A guarded MCP server."""
    if guard_of(server) is not None:
        return server
    proxy: Any = GuardedServer(server, guard)
    return proxy  # type: ignore[no-any-return]


def _over_tools(tools: list[Any]) -> Walk[list[Any]]:
    kept: list[Any] = []
    for tool in tools:
        schema = "input_schema" if hasattr(tool, "input_schema") else "inputSchema"
        check = check_definition(
            {
                "name": tool.name,
                "description": tool.description,
                "parameters": getattr(tool, schema),
            }
        )
        assert check is not None
        ruling: Ruling = yield check
        if ruling.stopped:
            continue
        if ruling.changed:
            tool = tool.model_copy(  # noqa: PLW2901
                update={
                    "description": ruling.value["description"],
                    schema: ruling.value["parameters"],
                }
            )
        kept.append(tool)
    return kept


def _over_mcp_result(result: Any, tool: str) -> Walk[Any]:
    changed: dict[str, Any] = {}
    content = yield from over_result(result.content, tool)
    if content is not result.content:
        changed["content"] = content
    for name in ("structured_content", "structuredContent"):
        value = getattr(result, name, None)
        if value is not None and name in type(result).model_fields:
            used = yield from must_pass(Check(Surface.TOOL_RESULT, value, tool))
            if used != value:
                changed[name] = used
    return result.model_copy(update=changed) if changed else result
