"""Finds what can be guarded inside of runnables that are built from others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RouterRunnable,
    RunnableAssign,
    RunnableBranch,
    RunnableParallel,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase, RunnableEachBase
from langchain_core.runnables.configurable import DynamicRunnable
from langchain_core.tools import BaseTool

from rune_core.errors import UnguardableError
from rune_langchain.model import guard_model
from rune_langchain.retriever import guard_retriever
from rune_langchain.tool import guard_tool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_langchain.guard import Guard

_R = TypeVar("_R")


def guard_runnable(value: _R, guard: Guard) -> _R:
    """A copy of a runnable in which every chat model is guarded.

    Raises:
        UnguardableError: There is none.
    """
    guarded = guard_inside(value, guard, everything=False)
    if guarded is None:
        raise no_model_in(value)
    return cast("_R", guarded)


def guard_inside(value: Any, guard: Guard, *, everything: bool) -> Any:
    """The guarded copy, or None when there is nothing to guard in ``value``.

    Args:
        value: A runnable.
        guard: What guards it.
        everything: Guard retrievers and tools, too, and not chat models alone. Fallbacks of chat
            models must all be guarded: a stop is an exception, and any other would answer.

    Raises:
        UnguardableError: A fallback cannot be guarded.
    """
    if isinstance(value, BaseChatModel):
        return guard_model(value, guard)
    if everything and isinstance(value, BaseRetriever):
        return guard_retriever(value, guard)
    if everything and isinstance(value, BaseTool):
        return guard_tool(value, guard)
    if isinstance(value, RunnableWithFallbacks) and not everything:
        return _with_fallbacks(value, guard)
    if isinstance(value, RunnableSequence):
        steps = _each(value.steps, guard, everything=everything)
        return None if steps is None else RunnableSequence(*steps, name=value.name)
    return _in_fields(value, guard, everything=everything)


def _with_fallbacks(value: RunnableWithFallbacks[Any, Any], guard: Guard) -> Any:
    """The copy of a model with fallbacks; None where none of them is a model, but a parser, say."""
    made = [
        guard_inside(item, guard, everything=False) for item in (value.runnable, *value.fallbacks)
    ]
    if all(one is None for one in made):
        return None
    for item, one in zip((value.runnable, *value.fallbacks), made, strict=True):
        if one is None:
            raise no_model_in(item)
    return value.model_copy(update={"runnable": made[0], "fallbacks": made[1:]})


def no_model_in(value: object) -> UnguardableError:
    """What says that there is no chat model to guard."""
    return UnguardableError(
        f"there is no chat model in this {type(value).__name__}; "
        "guard the chat model itself before you build on it"
    )


def _in_fields(value: Any, guard: Guard, *, everything: bool) -> Any:
    """The copy of a runnable that keeps others in fields of its own."""
    changed: dict[str, Any] = {}
    for name, held in _held(value).items():
        if isinstance(held, dict):
            kept = _each(held.values(), guard, everything=everything)
            if kept is not None:
                changed[name] = dict(zip(held, kept, strict=True))
        elif isinstance(held, list | tuple):
            kept = _each(held, guard, everything=everything)
            if kept is not None:
                changed[name] = kept
        else:
            inner = guard_inside(held, guard, everything=everything)
            if inner is not None:
                changed[name] = inner
    return value.model_copy(update=changed) if changed else None


def _held(value: Any) -> dict[str, Any]:
    """The fields in which a runnable keeps others."""
    if isinstance(value, RunnableBindingBase | RunnableEachBase):
        return {"bound": value.bound}
    if isinstance(value, RunnableParallel):
        return {"steps__": dict(value.steps__)}
    if isinstance(value, RunnableAssign):
        return {"mapper": value.mapper}
    if isinstance(value, RunnableBranch):
        return {"branches": list(value.branches), "default": value.default}
    if isinstance(value, RouterRunnable):
        return {"runnables": dict(value.runnables)}
    if isinstance(value, RunnableWithFallbacks):
        return {"runnable": value.runnable, "fallbacks": list(value.fallbacks)}
    if isinstance(value, DynamicRunnable):
        held: dict[str, Any] = {"default": value.default}
        if isinstance(getattr(value, "alternatives", None), dict):
            held["alternatives"] = value.alternatives
        return held
    return {}


def _each(items: Iterable[Any], guard: Guard, *, everything: bool) -> list[Any] | None:
    """Guarded copies of some; the others as they are. None where there is nothing to guard."""
    listed = list(items)
    made = [_one(item, guard, everything=everything) for item in listed]
    if all(new is None for new in made):
        return None
    return [old if new is None else new for old, new in zip(listed, made, strict=True)]


def _one(item: Any, guard: Guard, *, everything: bool) -> Any:
    if isinstance(item, tuple):  # a branch: its condition, and what it leads to
        made = _each(item, guard, everything=everything)
        return None if made is None else tuple(made)
    return guard_inside(item, guard, everything=everything)
