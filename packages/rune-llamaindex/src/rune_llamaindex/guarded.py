"""Guarded copies of LlamaIndex objects.

A guarded copy has the class of the original with a few methods replaced: it passes every
``isinstance``, has the same fields and name, and can be copied.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import DISPATCHER_SPAN_DECORATED_ATTR

from rune_core.errors import UnguardableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_llamaindex.guard import Guard

_T = TypeVar("_T")
_GUARD, _BASE, _OVERRIDES = "_rune_guard", "_rune_base", "_rune_overrides"

Overrides: TypeAlias = Callable[[type], dict[str, Any]]
"""Makes the attributes to replace, by name, from the class to guard."""


def _reduce(self: Any, protocol: object) -> tuple[Any, ...]:
    """Pickle by the original's class; the guard is found or made again on the other side."""
    del protocol
    cls = type(self)
    state = self.__getstate__()
    return _load, (guard_of(self), getattr(cls, _BASE), getattr(cls, _OVERRIDES), state)


def guard_of(value: object) -> Guard | None:
    """The guard of a guarded object; None when it is not guarded."""
    return cast("Guard | None", getattr(type(value), _GUARD, None))


def require_guard(value: object) -> Guard:
    """The guard of an object that is known to be guarded."""
    guard = guard_of(value)
    assert guard is not None
    return guard


def guarded_copy(value: _T, guard: Guard, overrides: Overrides) -> _T:
    """A shallow copy of an object whose class has some methods replaced.

    Args:
        value: The object; it stays as it is.
        guard: What guards it.
        overrides: What to replace; a function of a module, so that it can be pickled.

    Returns:
        The copy; the object itself when it is guarded by the same shield already.

    Raises:
        UnguardableError: It is guarded by another shield already.
    """
    present = guard_of(value)
    if present is not None:
        if present.shield is guard.shield:
            return value
        raise UnguardableError(
            f"this {type(value).__name__} is guarded by another shield already; "
            "guard the original instead"
        )
    cls: type = type(value)
    shallow = getattr(value, "model_copy", None)
    copied = copy.copy(value) if shallow is None else shallow()
    object.__setattr__(copied, "__class__", guarded_class(cls, guard, overrides))
    return cast("_T", copied)


@lru_cache(maxsize=512)
def guarded_class(base: type, guard: Guard, overrides: Overrides) -> type:
    """``base`` with some attributes replaced. The same class for the same arguments."""
    namespace = {
        # Same name as the original: names of classes end up in traces.
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
    }
    made: type = type(base)(base.__name__, (base,), namespace)
    # Set afterwards: LlamaIndex would put spans around them, which see what was not checked yet.
    for name, value in overrides(base).items():
        setattr(made, name, value)
    made.__reduce_ex__ = _reduce  # type: ignore[assignment]
    setattr(made, _GUARD, guard)
    setattr(made, _BASE, base)
    setattr(made, _OVERRIDES, staticmethod(overrides))
    return made


def _load(guard: Guard, base: type, overrides: Overrides, state: Any) -> Any:
    cls = guarded_class(base, guard, overrides)
    value: Any = object.__new__(cls)
    if hasattr(value, "__setstate__"):
        value.__setstate__(state)
    else:
        value.__dict__.update(state or {})
    return value


def reported(base: type, original: Any, guard: Callable[[Any], Any]) -> Any:
    """A guarded method with LlamaIndex's span outside of the guard, where the original has one.

    A span hands what a method returns or raises to tracers: it must see what was let through.

    Args:
        base: The class that is guarded.
        original: The method as the class has it.
        guard: Makes the guarded method from a bare one.
    """
    if not hasattr(original, "_self_wrapper"):
        return guard(original)
    bare = original.__wrapped__
    made = guard(bare)
    # Copied from the original by functools.wraps: it says that there is a span around it already.
    vars(made).pop(DISPATCHER_SPAN_DECORATED_ATTR, None)
    spanned = get_dispatcher(base.__module__).span(made)

    @functools.wraps(bare)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_running(self):
            # Called by the original's own code: what it gives is not checked yet.
            return bare(self, *args, **kwargs)
        return cast("Any", spanned).__get__(self)(*args, **kwargs)

    return method


_running: ContextVar[int | None] = ContextVar("rune_llamaindex_running", default=None)


@contextmanager
def running(owner: object) -> Iterator[None]:
    """Name the guarded object whose own code is running, so that nothing guards it twice."""
    token = _running.set(id(owner))
    try:
        yield
    finally:
        _running.reset(token)


def is_running(owner: object) -> bool:
    """Whether the code that runs is this guarded object's own."""
    return _running.get() == id(owner)
