"""Read values out of a policy's tables, recording faults instead of stopping at the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from rune_core.errors import PolicyError
from rune_core.policy.names import DIRECTIONS, LATER_KINDS
from rune_core.policy.source import Listing, Node, Scalar, Table
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

_E = TypeVar("_E", bound="StrEnum")


def meant(name: str, known: Iterable[str]) -> str:
    """A guess at what was meant by a name that is none, to stand before the list; or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]}? " if near else ""


class Reader:
    """Reads one file's tables.

    Args:
        path: The file, for errors.
        name: The policy's name.
        errors: Faults are added here.
    """

    def __init__(self, path: str, name: str, errors: list[PolicyError]) -> None:
        self._path = path
        self._name = name
        self._errors = errors

    def _fault(self, line: int, key: str, message: str, hint: str = "") -> None:
        self._errors.append(PolicyError(self._path, message, line=line, key=key, hint=hint))

    def _unknown_keys(
        self, table: Table, prefix: str, known: frozenset[str], *, of: str = "a policy"
    ) -> None:
        for key in table.items:
            if key not in known:
                self._fault(
                    table.key_lines[key],
                    f"{prefix}.{key}" if prefix else key,
                    f"is not a key of {of}",
                    LATER_KINDS.get(key)
                    or f"{meant(key, known)}known keys: {', '.join(sorted(known))}",
                )

    def _text(self, table: Table, prefix: str, key: str) -> str:
        node = table.items.get(key)
        if node is None:
            return ""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, str):
            return value
        self._fault(
            node.line, f"{prefix}.{key}" if prefix else key, "must be text", "put it in quotes"
        )
        return ""

    def _texts(self, table: Table, prefix: str, key: str) -> tuple[str, ...]:
        texts: list[str] = []
        for index, item in enumerate(self._list(table, prefix, key, single=True)):
            value = item.value if isinstance(item, Scalar) else None
            if isinstance(value, str) and value:
                texts.append(value)
            else:
                # A bare yes, no, on, off or number in a list of names is not text to YAML.
                where = f"{prefix}.{key}" if prefix else key
                self._fault(item.line, f"{where}[{index}]", "must be text", "quote it")
        return tuple(texts)

    def _flag(self, table: Table, prefix: str, key: str) -> bool:
        node = table.items.get(key)
        if node is None:
            return False
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool):
            return value
        self._fault(node.line, f"{prefix}.{key}", "must be true or false")
        return False

    def _either(self, table: Table, prefix: str, one: str, many: str) -> tuple[str, ...]:
        return self._texts(table, prefix, one) + self._texts(table, prefix, many)

    def _list(
        self, table: Table, prefix: str, key: str, *, single: bool = False
    ) -> tuple[Node, ...]:
        node = table.items.get(key)
        if node is None:
            return ()
        if isinstance(node, Listing):
            return node.items
        if single:
            return (node,)
        self._fault(node.line, f"{prefix}.{key}" if prefix else key, "must be a list", "- …")
        return ()

    def _number(self, table: Table, prefix: str, key: str) -> float | None:
        node = table.items.get(key)
        if node is None:
            return None
        value: Any = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._fault(node.line, f"{prefix}.{key}", "must be a number")
            return None
        return float(value)

    def _choice(self, table: Table, prefix: str, key: str, kind: type[_E]) -> _E | None:
        text = self._text(table, prefix, key)
        if not text:
            return None
        try:
            return kind(text)
        except ValueError:
            self._fault(
                table.key_lines[key],
                f"{prefix}.{key}" if prefix else key,
                f"{text!r} is unknown",
                f"one of {', '.join(kind)}",
            )
            return None

    def _surfaces(self, node: Table, key: str) -> frozenset[Surface] | None:
        given = [name for name in ("surface", "surfaces", "direction") if name in node.items]
        if not given:
            return None
        if len(given) > 1:
            self._fault(node.line, f"{key}.{given[1]}", f"is given beside {given[0]}", "keep one")
        surfaces: set[Surface] = set()
        for name in self._texts(node, key, given[0]):
            if name in DIRECTIONS and (given[0] == "direction" or name == "all"):
                surfaces |= DIRECTIONS[name]
                continue
            try:
                surfaces.add(Surface(name))
            except ValueError:
                known = DIRECTIONS if given[0] == "direction" else (*Surface, "all")
                self._fault(
                    node.key_lines[given[0]],
                    f"{key}.{given[0]}",
                    f"{name!r} is unknown",
                    f"one of {', '.join(known)}",
                )
        return frozenset(surfaces)
