"""``shield_tools``, ``shield_model`` and ``shield_retriever``: guarded copies of what you have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableSequence, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.tools import BaseTool
from langchain_core.tools import tool as as_tool

from rune_core.errors import UnguardableError
from rune_langchain.guard import Guard, guard_for
from rune_langchain.model import guard_model, model_overrides
from rune_langchain.retriever import guard_retriever, retriever_overrides
from rune_langchain.tool import guard_tool, tool_overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_core.retrievers import BaseRetriever

    from rune_core import Shield
    from rune_langchain.guarded import Overrides

_R = TypeVar("_R")


def shield_tools(
    tools: Iterable[BaseTool | Callable[..., Any]],
    shield: Shield | None = None,
    *,
    agent_id: str | None = None,
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

    Raises:
        UnguardableError: Something in ``tools`` is neither, or has another shield already.
    """
    guard = guard_for(shield, agent_id)
    return [guard_tool(_tool(item), guard) for item in tools]


def shield_model(model: _R, shield: Shield | None = None, *, agent_id: str | None = None) -> _R:
    """A guarded copy of a chat model, or of what is built around one.

    Messages and tool definitions are checked before the model reads them, its answer before
    anyone reads it. Streams are held back until the answer is complete and checked.

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
    retriever: BaseRetriever, shield: Shield | None = None, *, agent_id: str | None = None
) -> BaseRetriever:
    """A guarded copy of a retriever: injections are cut out of documents.

    Args:
        retriever: The retriever. It stays as it is.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: It has another shield already.
    """
    return guard_retriever(retriever, guard_for(shield, agent_id))


def guard_runnable(value: _R, guard: Guard) -> _R:
    """A copy of a runnable in which every chat model is guarded."""
    guarded = _guarded(value, guard)
    if guarded is None:
        raise UnguardableError(
            f"there is no chat model in this {type(value).__name__}; "
            "guard the chat model itself before you build on it"
        )
    return cast("_R", guarded)


def _guarded(value: Any, guard: Guard) -> Any:
    """The guarded copy, or None when there is no chat model in ``value``."""
    if isinstance(value, BaseChatModel):
        return guard_model(value, guard)
    if isinstance(value, RunnableBindingBase):
        bound = _guarded(value.bound, guard)
        return None if bound is None else value.model_copy(update={"bound": bound})
    if isinstance(value, RunnableWithFallbacks):
        first = guard_runnable(value.runnable, guard)
        others = [guard_runnable(item, guard) for item in value.fallbacks]
        return value.model_copy(update={"runnable": first, "fallbacks": others})
    if isinstance(value, RunnableSequence):
        steps = [_guarded(step, guard) for step in value.steps]
        if not any(step is not None for step in steps):
            return None
        kept = [old if new is None else new for old, new in zip(value.steps, steps, strict=True)]
        return RunnableSequence(*kept, name=value.name)
    return None


def overrides_for(base: type) -> Overrides:
    """What a guarded copy of an object of this class replaces."""
    if issubclass(base, BaseTool):
        return tool_overrides
    if issubclass(base, BaseChatModel):
        return model_overrides
    return retriever_overrides


def _tool(item: Any) -> BaseTool:
    if isinstance(item, BaseTool):
        return item
    if callable(item) and not isinstance(item, type):
        return cast("BaseTool", as_tool(item))
    raise UnguardableError(
        f"{type(item).__name__} is no tool that runs in this process; hand definitions of tools "
        "that a provider runs to create_agent or bind_tools as they are"
    )
