"""``@shield.protect``: guard a function's arguments before the call and its result after."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rune_core.errors import UnguardableError

if TYPE_CHECKING:
    from rune_core.guarded import GuardedCall
    from rune_core.shield import Shield

_F = TypeVar("_F", bound=Callable[..., Any])


def protect(
    shield: Shield, function: _F, *, tool: str | None, surface: str, fields: Mapping[str, Any]
) -> _F:
    """Wrap a function. Keeps its name, signature and kind (sync or async).

    Args:
        shield: What guards.
        function: A function, method, partial or callable object.
        tool: The tool's name; by default the function's.
        surface: The surface of the result.
        fields: Context fields for every call.

    Raises:
        UnguardableError: ``function`` is a class or generator function.
    """
    if isinstance(function, type) or not callable(cast("Any", function)):
        raise UnguardableError(
            f"protect() takes a function, not {type(function).__name__}; "
            "protect the method that does the work"
        )
    name: str = tool or getattr(function, "__name__", "") or type(function).__name__
    if any(
        check(candidate)
        for check in (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        for candidate in (function, getattr(function, "__call__", None))  # noqa: B004 - inspected
    ):
        raise UnguardableError(
            f"{name} is a generator: what it yields is out before it can be guarded. Protect a "
            "function that returns the whole result, or guard each item with guard_text()"
        )
    arguments = _Arguments(function, name)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - inspected, not asked whether callable
    ):

        @functools.wraps(function)
        async def guarded_async(*args: Any, **kwargs: Any) -> Any:
            bound, named = arguments.bind(args, kwargs)
            before = await shield.aguard_call(name, named, **cast("Any", fields))
            if before.stopped:
                return before.message
            call_args, call_kwargs = arguments.unbind(bound, before)
            value = _returned(name, await function(*call_args, **call_kwargs))
            return await _aguard_result(shield, value, name, surface, before, fields)

        return cast("_F", guarded_async)

    @functools.wraps(function)
    def guarded_sync(*args: Any, **kwargs: Any) -> Any:
        bound, named = arguments.bind(args, kwargs)
        before = shield.guard_call(name, named, **cast("Any", fields))
        if before.stopped:
            return before.message
        call_args, call_kwargs = arguments.unbind(bound, before)
        value = function(*call_args, **call_kwargs)
        if inspect.isawaitable(value):
            # A plain function that returns a coroutine: guard what the coroutine gives.
            return _awaited(shield, value, name, surface, before, fields)
        value = _returned(name, value)
        after = shield.guard_value(surface, value, **_after(name, before, fields))
        return after.value_to_use

    return cast("_F", guarded_sync)


async def _awaited(
    shield: Shield,
    awaitable: Any,
    name: str,
    surface: str,
    before: GuardedCall,
    fields: Mapping[str, Any],
) -> Any:
    value = _returned(name, await awaitable)
    return await _aguard_result(shield, value, name, surface, before, fields)


async def _aguard_result(
    shield: Shield,
    value: Any,
    name: str,
    surface: str,
    before: GuardedCall,
    fields: Mapping[str, Any],
) -> Any:
    after = await shield.aguard_value(surface, value, **_after(name, before, fields))
    return after.value_to_use


def _after(name: str, before: GuardedCall, fields: Mapping[str, Any]) -> Any:
    return {**fields, "tool": name, "parent_id": before.result.decision.id}


def _returned(name: str, value: Any) -> Any:
    if isinstance(value, Iterator | AsyncIterator):
        raise UnguardableError(
            f"{name} returned {type(value).__name__}, which can be read only once and so cannot "
            "be guarded; return a list or a text"
        )
    return value


class _Arguments:
    """Turns a call's arguments into names and values, and back after cuts."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._name = getattr(function, "__name__", name)
        try:
            self._signature: inspect.Signature | None = inspect.signature(function)
        except (ValueError, TypeError):
            # Some functions written in C do not tell.
            self._signature = None
        self._receiver = self._receiver_name()

    def bind(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[inspect.BoundArguments | None, dict[str, Any]]:
        """The arguments by name.

        Raises:
            TypeError: They do not fit the function. Raised here, as the function would.
        """
        if self._signature is None:
            return None, {"args": list(args), "kwargs": dict(kwargs)}
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._name}() {error}") from None
        bound.apply_defaults()
        named = {k: v for k, v in bound.arguments.items() if k != self._receiver}
        return bound, named

    def unbind(
        self, bound: inspect.BoundArguments | None, before: GuardedCall
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments to call with."""
        use = before.args_to_use
        if bound is None:
            return tuple(use["args"]), dict(use["kwargs"])
        if before.redacted:
            for name in bound.arguments:
                if name in use:
                    bound.arguments[name] = use[name]
        return bound.args, bound.kwargs

    def _receiver_name(self) -> str | None:
        """``self`` or ``cls`` of a method: the object that works, not an argument."""
        if self._signature is None:
            return None
        first = next(iter(self._signature.parameters), None)
        return first if first in ("self", "cls") else None
