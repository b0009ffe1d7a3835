"""``shield_tools``, ``shield_model`` and ``shield_retriever``: guarded copies of what you have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.tools import tool as as_tool

from rune_core.errors import UnguardableError
from rune_langchain.guard import guard_for
from rune_langchain.inside import guard_inside, guard_runnable
from rune_langchain.model import model_overrides
from rune_langchain.retriever import guard_retriever, retriever_overrides
from rune_langchain.tool import guard_tool, tool_overrides

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_core import Shield
    from rune_langchain.guarded import Overrides

_R = TypeVar("_R", bound=Runnable[Any, Any])
_B = TypeVar("_B", bound=BaseRetriever)


def shield_tools(
    tools: Iterable[BaseTool | Callable[..., Any]],
    shield: Shield | None = None,
    *,
    agent_id: str | None = None,
    interrupts: bool = False,
) -> list[BaseTool]:
    """Guarded copies of tools.

    Calls are decided before the tool runs, results are checked before the model or a stream sees
    them. In an agent a stopped call returns an error ``ToolMessage`` that names rule and reason,
    never content. Called directly, it raises ``ToolBlockedError`` or, with ``on_block="replace"``,
    returns the same sentence.

    Args:
        tools: Tools, or functions to make tools of. They stay as they are.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
        interrupts: Put a policy's ``ask`` to a person by LangGraph's ``interrupt``, in the form of
            ``HumanInTheLoopMiddleware``, instead of the shield's approval handler. The graph
            needs a checkpointer; ``Command(resume=…)`` answers.

    Raises:
        UnguardableError: Something in ``tools`` is neither, or has another shield already.
    """
    guard = guard_for(shield, agent_id, interrupts=interrupts)
    return [guard_tool(_tool(item), guard) for item in _listed(tools)]


def shield_model(model: _R, shield: Shield | None = None, *, agent_id: str | None = None) -> _R:
    """A guarded copy of a chat model, or of what is built around one.

    Messages and tool definitions are checked before the model reads them, its answer before
    anyone reads it. Streams are held back only as far as a finding could still reach.

    Args:
        model: A chat model; also with bound tools, retries or fallbacks (all are guarded), or a
            sequence with one in it, such as ``model.with_structured_output(…)``.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: No chat model is in it, or it has another shield already.
    """
    return guard_runnable(model, guard_for(shield, agent_id))


def shield_retriever(
    retriever: _B, shield: Shield | None = None, *, agent_id: str | None = None
) -> _B:
    """A guarded copy of a retriever: injections are cut out of documents.

    Args:
        retriever: The retriever. It stays as it is.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: It is no retriever, or it has another shield already.
    """
    if not isinstance(retriever, BaseRetriever):
        raise UnguardableError(
            f"{type(retriever).__name__} is no LangChain retriever; "
            "of a vector store, guard store.as_retriever()"
        )
    return cast("_B", guard_retriever(retriever, guard_for(shield, agent_id)))


def shield_chain(chain: _R, shield: Shield | None = None, *, agent_id: str | None = None) -> _R:
    """A copy of a chain in which every chat model, retriever and tool is guarded.

    Reaches into sequences, parallel steps, assignments, branches, routers, bindings and fallbacks.
    What a function returns (``RunnableLambda``) is not reached: put a ``ShieldRunnable`` behind it.

    Args:
        chain: Any Runnable. It stays as it is.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: There is nothing to guard in it, or it has another shield already.
    """
    guarded = guard_inside(chain, guard_for(shield, agent_id), everything=True)
    if guarded is None:
        raise UnguardableError(
            f"there is no chat model, retriever or tool in this {type(chain).__name__}; "
            "put a ShieldRunnable where texts come in and go out"
        )
    return cast("_R", guarded)


def overrides_for(base: type) -> Overrides:
    """What a guarded copy of an object of this class replaces."""
    if issubclass(base, BaseTool):
        return tool_overrides
    if issubclass(base, BaseChatModel):
        return model_overrides
    return retriever_overrides


def _listed(tools: Any) -> Iterable[Any]:
    if isinstance(tools, BaseTool) or not isinstance(tools, Iterable):
        raise UnguardableError(
            f"tools: takes a list, not one {type(tools).__name__}: (guarded,) = shield_tools([it])"
        )
    return tools


def _tool(item: Any) -> BaseTool:
    if isinstance(item, BaseTool):
        return item
    if callable(item) and not isinstance(item, type):
        return cast("BaseTool", as_tool(item))
    raise UnguardableError(
        f"{type(item).__name__} is no tool that runs in this process; hand definitions of tools "
        "that a provider runs to create_agent or bind_tools as they are"
    )
