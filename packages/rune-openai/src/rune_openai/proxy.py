"""Stands in front of an object: what is not guarded here is the object's own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NoReturn


class Proxy:
    """Has every attribute of ``inner`` and passes for one of its class.

    A copy would not do: models and servers count calls and hold connections.
    """

    _rune_inner: Any
    _rune_guard: Any

    def __init__(self, inner: Any, guard: Any) -> None:
        object.__setattr__(self, "_rune_inner", inner)
        object.__setattr__(self, "_rune_guard", guard)

    if not TYPE_CHECKING:  # a class that changes cannot be told to a type checker

        @property
        def __class__(self) -> type:
            return type(self._rune_inner)

    def __getattr__(self, name: str) -> Any:
        if name in ("_rune_inner", "_rune_guard"):
            raise AttributeError(name)  # an object that is still being made
        return getattr(self._rune_inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._rune_inner, name, value)

    def __copy__(self) -> Proxy:
        return type(self)(copy.copy(self._rune_inner), self._rune_guard)

    def __deepcopy__(self, memo: dict[int, Any]) -> Proxy:
        return type(self)(copy.deepcopy(self._rune_inner, memo), self._rune_guard)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        del protocol
        raise TypeError(
            f"a guarded {type(self._rune_inner).__name__} holds a Shield and cannot be pickled: "
            "pickle the original and guard it where it is used"
        )

    def __eq__(self, other: object) -> bool:
        """As the object inside, which may also stand behind another guard."""
        inner = other._rune_inner if issubclass(type(other), Proxy) else other  # type: ignore[attr-defined]
        return bool(self._rune_inner == inner)

    def __hash__(self) -> int:
        return hash(self._rune_inner)

    def __repr__(self) -> str:
        return f"guarded {self._rune_inner!r}"


def guard_of(value: Any) -> Any:
    """The guard of a guarded object; None when it is not guarded."""
    return value._rune_guard if issubclass(type(value), Proxy) else None
