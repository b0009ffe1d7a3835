"""Guarded function tools: calls are decided before, results checked after."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from agents import FunctionTool

from rune_core.adapters.walk import Check, Stopped, Walk, must_pass
from rune_core.errors import UnguardableError
from rune_openai.answer import parse_arguments
from rune_openai.approval import Approval, same_wrap
from rune_openai.model import AgentsBlockedError, definition
from rune_openai.request import check_definition
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_openai.guard import Guard


def guard_tool(tool: Any, guard: Guard) -> Any:
    """A guarded copy of a function tool. Other tools come back as they are: see ``coverage``.

    Raises:
        UnguardableError: It has another shield already.
    """
    if not isinstance(tool, FunctionTool):
        return tool
    present = getattr(tool.on_invoke_tool, "rune_guard", None)
    if present is not None:
        if present.shield is guard.shield:
            return tool
        raise UnguardableError(f"tool {tool.name} is guarded by another shield already")
    copied = dataclasses.replace(tool, on_invoke_tool=_Invoker(tool, guard))
    kind: Any = type(tool)
    copied.__class__ = _guarded_class(kind)
    return copied


@lru_cache(maxsize=64)
def _guarded_class(base: type) -> type:
    """``base``, whose ``needs_approval`` is a question only while there is one.

    Where it is a function, the SDK interrupts a run for any call whose arguments it cannot read,
    which it would otherwise hand to the tool.
    """

    def asks(self: Any) -> Any:
        invoker = self.on_invoke_tool
        if not isinstance(invoker, _Invoker):
            return self.__dict__["needs_approval"]
        return invoker.approval(self.__dict__["needs_approval"])

    def take(self: Any, value: Any) -> None:
        self.__dict__["needs_approval"] = value

    def is_like(self: Any, other: object) -> bool:
        """As the tool without a guard: whoever looks for that one finds the guarded one."""
        return isinstance(other, FunctionTool) and _told(self) == _told(other)

    namespace: dict[str, Any] = {
        "needs_approval": property(asks, take),
        "__eq__": is_like,
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
    }
    return type(base.__name__, (base,), namespace)


def _told(tool: FunctionTool) -> dict[str, Any]:
    """What a tool is made of, without its guard."""
    fields = vars(tool)
    original = getattr(tool.on_invoke_tool, "original", None)
    if original is None:
        return fields
    return {**fields, "on_invoke_tool": original.on_invoke_tool}


_OF_INVOKERS = frozenset(("prepare_arguments", "_get_wrapped_callable", "_invoke_tool_impl"))


class _Invoker:
    """Decides about a call, makes it, and checks what comes back.

    Attributes:
        original: The tool without a guard.
        offered: Whether a guarded model was told of the tool: then it decides about its calls.
    """

    def __init__(self, tool: FunctionTool, guard: Guard, inner: Any = None) -> None:
        self.rune_guard = guard
        self.original = tool
        self._inner = tool.on_invoke_tool if inner is None else inner
        self.offered = False
        functools.update_wrapper(self, tool.on_invoke_tool, updated=())

    if not TYPE_CHECKING:  # a class that changes cannot be told to a type checker

        @property
        def __class__(self) -> type:
            # Before it asks a user about a call, the SDK reads the arguments with an invoker of its
            # own kind, and asks whatever the tool says where they would not be used as they are.
            return _Invoker if inspect.isroutine(self._inner) else type(self._inner)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_INVOKERS:
            return getattr(self._inner, name)
        raise AttributeError(name)

    @property
    def __agents_bind_function_tool__(self) -> Any:
        bind = getattr(self._inner, "__agents_bind_function_tool__", None)
        if bind is None:
            return None

        def bound(tool: FunctionTool) -> _Invoker:
            """For a copy of the tool, whose own error handler is asked."""
            inner = bind(tool)
            if inner is self._inner:
                return self
            made = _Invoker(self.original, self.rune_guard, inner)
            made.offered = self.offered
            return made

        return bound

    def approval(self, own: Any) -> Any:
        """The tool's own setting, or the guard's question."""
        if own is True or (self.offered and not self.rune_guard.asks_about(self.original.name)):
            # A guarded model rules on each call in its answer, and there was nothing to ask.
            return own
        return Approval(self.original, self.rune_guard, own)

    def __eq__(self, other: object) -> bool:
        """Two guarded copies of one tool are equal, as the SDK's own copies are."""
        return same_wrap(self, other)

    def __hash__(self) -> int:
        return hash((type(self), self.original.name))

    async def __call__(self, context: Any, arguments: str) -> Any:
        tool, guard = self.original, self.rune_guard
        args, is_json = parse_arguments(arguments)
        decided, session = guard.made(tool.name, args, guard.session_of_call(context))
        try:
            if not decided:
                used = await guard.arun(
                    _over_call(tool, args, approved=guard.approved(context)), session
                )
                if used != args:
                    arguments = (
                        json.dumps(used, ensure_ascii=False) if is_json else str(used["input"])
                    )
                    # What the SDK has read ahead are the arguments as they were.
                    context._function_tool_arguments = None
            result = await self._inner(context, arguments)
            return await guard.arun(over_result(result, tool.name), session)
        except Stopped as stop:
            if guard.raises:
                raise AgentsBlockedError(stop.result) from None
            return stop.neutral


def _over_call(tool: FunctionTool, args: dict[str, Any], *, approved: bool) -> Walk[Any]:
    """Check a tool's definition, then the arguments of a call."""
    told = check_definition(definition(tool))
    if told is not None:
        yield from must_pass(told)
    return (
        yield from must_pass(
            Check(
                Surface.TOOL_CALL,
                args,
                tool.name,
                definition_hash=told.definition_hash if told else None,
                approved=approved,
            )
        )
    )


def over_result(value: Any, tool: str) -> Walk[Any]:
    """Check what a tool gave back.

    Raises:
        Stopped: Nobody may see it.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        kept = []
        for item in value:
            kept.append((yield from over_result(item, tool)))  # noqa: PERF401
        return value if all(a is b for a, b in zip(value, kept, strict=True)) else kept
    if getattr(value, "type", None) in ("image", "file"):
        return value
    text = getattr(value, "text", None)
    if isinstance(text, str) and hasattr(value, "model_copy"):
        used = yield from must_pass(Check(Surface.TOOL_RESULT, text, tool))
        return value if used == text else value.model_copy(update={"text": used})
    return (yield from must_pass(Check(Surface.TOOL_RESULT, value, tool)))
