"""``shield_llm``, ``shield_tools`` and ``shield_retriever``: guarded copies of what you have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import LLM
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.tools import BaseTool, FunctionTool

from rune_core.errors import UnguardableError
from rune_llamaindex.guard import guard_for
from rune_llamaindex.llm import guard_llm
from rune_llamaindex.retriever import guard_retriever
from rune_llamaindex.tool import guard_tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeVar as TypeVarWithDefault

    from rune_core import Shield

    _Tool = TypeVarWithDefault(
        "_Tool", BaseTool, BaseTool | Callable[..., Any], default=BaseTool
    )  # agents want a list of tools or functions, and lists are invariant

_L = TypeVar("_L", bound=LLM)
_R = TypeVar("_R", bound=BaseRetriever)


def shield_llm(llm: _L, shield: Shield | None = None, *, agent_id: str | None = None) -> _L:
    """A guarded copy of an LLM.

    Messages, prompts and tool definitions are checked before the model reads them; its answers,
    thoughts and tool calls before anyone sees them, streamed or not. A stopped call of a tool that
    is guarded as well is refused by the tool, and the agent goes on; a stopped call of any other
    tool stops the answer it stands in.

    Args:
        llm: The LLM; it stays as it is. Of ``llm.as_structured_llm(…)``, the LLM inside.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: It is no LLM, or it has another shield already.
    """
    if not isinstance(llm, LLM):
        raise UnguardableError(
            f"{type(llm).__name__} is no LlamaIndex LLM; guard the LLM that it uses"
        )
    guard = guard_for(shield, agent_id)
    if isinstance(llm, StructuredLLM):
        inner = guard_llm(llm.llm, guard)
        return cast("_L", llm.model_copy(update={"llm": inner}))
    return cast("_L", guard_llm(llm, guard))


def shield_tools(
    tools: Iterable[BaseTool | Callable[..., Any]],
    shield: Shield | None = None,
    *,
    agent_id: str | None = None,
    stop_run: bool = False,
) -> list[_Tool]:
    """Guarded copies of tools.

    Calls are decided before the tool runs, results and error messages are checked before the model
    or a stream sees them. In a run, a stopped call gives an error ``ToolOutput`` that names rule
    and reason, never content, and the run goes on. Called directly, it raises
    ``ShieldBlockedError`` or, with ``on_block="replace"``, gives the same output.

    Args:
        tools: Tools, or functions to make tools of. They stay as they are.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
        stop_run: End the run after a stopped call: the guarded LLM raises ``ShieldBlockedError``
            when it is called next. LlamaIndex makes an error message of any exception that a tool
            raises, so nothing else would end it. Needs ``shield_llm`` with the same shield.

    Raises:
        UnguardableError: Something in ``tools`` is neither, or has another shield already.
    """
    guard = guard_for(shield, agent_id, stops_run=stop_run)
    if not isinstance(tools, Iterable):
        raise UnguardableError(
            f"tools: takes a list, not one {type(tools).__name__}: (guarded,) = shield_tools([it])"
        )
    return cast("list[_Tool]", [guard_tool(_tool(item), guard) for item in tools])


def shield_retriever(
    retriever: _R, shield: Shield | None = None, *, agent_id: str | None = None
) -> _R:
    """A guarded copy of a retriever: injections are cut out of nodes, before anyone reads them.

    Args:
        retriever: The retriever. It stays as it is, and so do the nodes in its store.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: It is no retriever, or it has another shield already.
    """
    if not isinstance(retriever, BaseRetriever):
        raise UnguardableError(
            f"{type(retriever).__name__} is no LlamaIndex retriever; "
            "of an index, guard index.as_retriever()"
        )
    return cast("_R", guard_retriever(retriever, guard_for(shield, agent_id)))


def _tool(item: Any) -> BaseTool:
    if isinstance(item, BaseTool):
        return item
    if callable(item) and not isinstance(item, type):
        return FunctionTool.from_defaults(item)
    raise UnguardableError(f"{type(item).__name__} is neither a LlamaIndex tool nor a function")
