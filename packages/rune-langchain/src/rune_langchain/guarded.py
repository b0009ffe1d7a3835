"""Guarded copies of LangChain objects.

A guarded copy has the class of the original with a few methods replaced: it passes every
``isinstance``, has the same schema, fields and name, and can be copied, bound and pickled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

from rune_core.errors import UnguardableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_langchain.guard import Guard

_T = TypeVar("_T")
_GUARD, _BASE = "_rune_guard", "_rune_base"

Overrides: TypeAlias = Callable[[type], dict[str, Any]]
"""Makes the attributes to replace, by name, from the class to guard."""


class Guarded:
    """Marks guarded classes. The guard stands on the class, so that every instance has one."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Never: what is serialised under the original's name would load without a guard."""
        return False

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        """Pickle by the original's class; the guard is found or made again on the other side."""
        del protocol
        cls = type(self)
        state = cast("Any", self).__getstate__()
        return _load, (guard_of(self), getattr(cls, _BASE), state)


def guard_of(value: object) -> Guard | None:
    """The guard of a guarded object; None when it is not guarded."""
    return cast("Guard | None", getattr(type(value), _GUARD, None))


def require_guard(value: object) -> Guard:
    """The guard of an object that is known to be guarded."""
    guard = guard_of(value)
    assert guard is not None
    return guard


def guarded_copy(value: _T, guard: Guard, overrides: Overrides) -> _T:
    """A shallow copy of a pydantic object whose class has some methods replaced.

    Args:
        value: The object; it stays as it is.
        guard: What guards it.
        overrides: What to replace.

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
    known = guard.copies.get(id(value))
    cls: type = type(value)
    if known is not None and known[0] is value and _same_fields(*known, cls):
        return cast("_T", known[1])
    copied = cast("Any", value).model_copy()
    object.__setattr__(copied, "__class__", guarded_class(cls, guard, overrides))
    guard.copies.put(id(value), (value, copied))
    return cast("_T", copied)


def _same_fields(original: Any, copied: Any, cls: Any) -> bool:
    """Whether the original still is what was copied."""
    old, new = original.__dict__, copied.__dict__
    return all(old.get(name) is new.get(name) for name in cls.model_fields)


@lru_cache(maxsize=512)
def guarded_class(base: type, guard: Guard, overrides: Overrides) -> type:
    """``base`` with some attributes replaced. The same class for the same arguments."""
    replaced = overrides(base)
    namespace = {
        **{name: value for name, value in replaced.items() if callable(value)},
        # Same name as the original: names of classes end up in traces and in cache keys.
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
    }
    made: type = type(base)(base.__name__, (Guarded, base), namespace)
    # Set afterwards: pydantic would take underscored names in the namespace for private fields.
    for name, value in replaced.items():
        if not callable(value):
            setattr(made, name, value)
    setattr(made, _GUARD, guard)
    setattr(made, _BASE, base)
    return made


def _load(guard: Guard, base: type, state: Any) -> Any:
    from rune_langchain.objects import overrides_for

    cls = guarded_class(base, guard, overrides_for(base))
    value: Any = object.__new__(cls)
    value.__setstate__(state)
    return value


class Running(NamedTuple):
    """The innermost guarded call of a context.

    Attributes:
        phase: ``call`` around a guarded tool's public method; ``body`` around the original's inner
            method.
        owner: The id of the shield for ``call``, of the guarded object for ``body``.
        call_id: The id of the tool call, if it has one.
        cleared: Whether the call was ruled on when the model asked for it.
    """

    phase: str
    owner: int
    call_id: str | None = None
    cleared: bool = False


_running: ContextVar[Running | None] = ContextVar("rune_langchain_running", default=None)


@contextmanager
def running(
    phase: str, owner: object, call_id: str | None = None, *, cleared: bool = False
) -> Iterator[None]:
    """Name the guarded call that is going on in this context, so that nothing guards it twice."""
    token = _running.set(Running(phase, id(owner), call_id, cleared))
    try:
        yield
    finally:
        _running.reset(token)


def is_running(phase: str, owner: object) -> bool:
    """Whether the innermost guarded call of this context is the one named."""
    now = _running.get()
    return now is not None and now.phase == phase and now.owner == id(owner)


def running_call() -> Running | None:
    """The innermost guarded call of this context."""
    return _running.get()
