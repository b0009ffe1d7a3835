"""Values that are no text: made into JSON to be scanned, and put together again after cuts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

MAX_DEPTH = 32
MAX_NODES = 100_000
_MAX_INT_BITS = 4096
_CUT_SHORT = "[...]"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A value as text.

    Attributes:
        text: The text itself for a string; JSON for everything else.
        plain: What the JSON was made from.
        complete: False when the value was too large or too deep to render whole.
        is_text: True when the value is a string.
    """

    text: str = field(repr=False)
    plain: Any = field(repr=False)
    complete: bool
    is_text: bool


def render(value: object) -> Rendered:
    """Make a value into text to scan.

    Mappings, sequences, sets, dataclasses, pydantic models, enums and bytes are read by their
    contents; anything else by its ``str()``. Never raises.
    """
    if isinstance(value, str):
        return Rendered(str(value), value, complete=True, is_text=True)
    walk = _Walk()
    plain = walk.plain(value, 0)
    return Rendered(
        json.dumps(plain, ensure_ascii=False), plain, complete=walk.complete, is_text=False
    )


def restore(value: Any, before: Any, after: Any) -> Any:
    """Put cuts made in the plain form into the value.

    Args:
        value: The value as it was.
        before: Its plain form.
        after: The plain form after cuts.

    Returns:
        The value itself where nothing was cut; a copy of the same type where its parts can be
        replaced; otherwise the plain form.
    """
    if before == after:
        return value
    if isinstance(value, Mapping) and isinstance(after, dict) and len(value) == len(after):
        parts = {
            (key if str(key) == new_key else new_key): restore(item, old, new)
            for (key, item), old, (new_key, new) in zip(
                value.items(), before.values(), after.items(), strict=True
            )
        }
        return parts if type(value) is dict else _rebuilt(value, parts)
    if isinstance(value, list | tuple) and isinstance(after, list) and len(value) == len(after):
        items = [restore(*parts) for parts in zip(value, before, after, strict=True)]
        if hasattr(value, "_fields"):
            return type(value)(*items)
        return items if isinstance(value, list) else tuple(items)
    if isinstance(after, dict) and isinstance(before, dict) and before.keys() == after.keys():
        changed = {
            name: restore(getattr(value, name, None), before[name], after[name])
            for name in before
            if before[name] != after[name]
        }
        return _copy_with(value, changed, after)
    if isinstance(value, bytes) and isinstance(after, str):
        return after.encode("utf-8", "surrogatepass")
    return after


def _rebuilt(value: Any, parts: dict[Any, Any]) -> Any:
    try:
        return type(value)(parts)
    except Exception:  # noqa: BLE001 - a stranger's constructor; the plain mapping serves as well
        return parts


def _copy_with(value: Any, changed: dict[str, Any], plain: Any) -> Any:
    try:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.replace(value, **changed)
        if hasattr(value, "model_copy"):
            return value.model_copy(update=changed)
    except Exception:  # noqa: BLE001 - a stranger's constructor; the cut must not be lost with it
        return plain
    return plain


class _Walk:
    """Makes plain values, within bounds."""

    def __init__(self) -> None:
        self.complete = True
        self._nodes = 0
        self._open: set[int] = set()

    def plain(self, value: Any, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            self.complete = False
            return _CUT_SHORT
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, Enum):
            return self.plain(value.value, depth + 1)
        if isinstance(value, str):
            return str(value)
        if isinstance(value, int):
            # json.dumps refuses to print longer ones.
            return value if value.bit_length() <= _MAX_INT_BITS else hex(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).decode("utf-8", "replace")
        if id(value) in self._open:
            return _CUT_SHORT
        self._open.add(id(value))
        try:
            return self._container(value, depth + 1)
        except Exception:  # noqa: BLE001 - a stranger's object; it could not be read, and that is said
            self.complete = False
            return _CUT_SHORT
        finally:
            self._open.discard(id(value))

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {str(key): self.plain(item, depth) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(item, depth) for item in value]
        if isinstance(value, set | frozenset):
            return [self.plain(item, depth) for item in sorted(value, key=str)]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                item.name: self.plain(getattr(value, item.name), depth)
                for item in dataclasses.fields(value)
            }
        dump = getattr(type(value), "model_dump", None)
        if dump is not None:
            return self.plain(dump(value), depth)
        return str(value)
