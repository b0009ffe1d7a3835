"""Say why a condition cannot be told of a call: which argument is missing, or of another type.

What is said is put together from words of the condition itself and from names of types. The
engine's own message is looked at and never handed on: it may quote what the call holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.policy.conditions import Activation, Condition

# Strings come first, so that what stands in one is not taken for a path.
_PATH: Final = re.compile(
    r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"""
    r"""|(?<![\w.])args(?P<steps>(?:\s*\.\s*[A-Za-z_]\w*(?!\w|\s*\()"""
    r"""|\s*\[\s*(?:"[^"\\]*"|'[^'\\]*'|\d{1,9})\s*\])+)"""
)
_STEP: Final = re.compile(r"""\.\s*(\w+)|\[\s*(?:"([^"]*)"|'([^']*)'|(\d+))\s*\]""")
_WORDS: Final = re.compile(r"""[A-Za-z_]\w*|"([^"\\]*)"|'([^'\\]*)'""")
_MISSING: Final = re.compile(r"NOT_FOUND: Key not found in map : \"?(.*?)\"?\s*\Z", re.DOTALL)
_OVERLOAD: Final = re.compile(
    r"No matching overloads found : (?:\((?P<owner>\w+)\)\.)?"
    r"(?P<name>[^(\s]+)\((?P<types>[\w, ]*)\)"
)
_SIGN: Final = re.compile(r"[!_]?(==|!=|<=|>=|<|>|\+|-|\*|/|%|!|in|\[\])_?")
_TYPES: Final = {
    "null_type": "null",
    "int64": "int",
    "int": "int",
    "uint": "uint",
    "uint64": "uint",
    "double": "double",
    "string": "string",
    "bytes": "bytes",
    "bool": "bool",
    "list": "list",
    "map": "map",
}
_MAX_NAMED: Final = 3
_SHOWN: Final = 80


def untold(condition: Condition, activation: Activation | None) -> str:
    """Why a condition cannot be told of a call, and the way out. One clause, without content.

    Args:
        condition: One of which ``holds`` raised.
        activation: The call.
    """
    if activation is None or not activation.is_whole:
        return "not all that it reads is known"
    found = condition.answer(activation)
    if isinstance(found, bool):
        return "a part of it has no answer"
    if not isinstance(found, str) or not _is_fault(found):
        return "it gives neither true nor false"
    missing = _MISSING.search(found)
    if missing is not None:
        return _missing(condition, activation, missing[1])
    overload = _OVERLOAD.search(found)
    if overload is not None:
        return _mixed(condition, activation, overload)
    if "divide by zero" in found or "modulus by zero" in found:
        return "it divides by zero"
    return "the engine finds no answer"


def _is_fault(found: str) -> bool:
    return re.match(r"[A-Z_]+: ", found) is not None


def _missing(condition: Condition, activation: Activation, key: str) -> str:
    for steps in _paths(condition.source):
        value: Any = activation.read("args")
        for number, step in enumerate(steps):
            inside = _inside(value, step)
            if inside is None:
                if step != key:
                    break
                path = _shown(steps[: number + 1])
                what = f"the call has no argument {path}" if not number else f"there is no {path}"
                return f"{what}; guard it with {_guard(steps, number)}"
            value = inside[0]
    words = {found[1] or found[2] or found[0] for found in _WORDS.finditer(condition.source)}
    if key in words:
        return f"something that it reads has no {key[:_SHOWN]!r}; ask for it with has(…) first"
    return "a key that it looks up is not there; ask for it with has(…) or in first"


def _guard(steps: tuple[str, ...], number: int) -> str:
    path = _shown(steps[: number + 1])
    if steps[number].isidentifier():
        return f"has({path}) && …"
    return f'"{steps[number]}" in {_shown(steps[:number])} && …'


def _mixed(condition: Condition, activation: Activation, overload: re.Match[str]) -> str:
    sign = _SIGN.fullmatch(overload["name"])
    name = sign[1] if sign is not None else overload["name"]
    told = [part.strip() for part in overload["types"].split(",") if part.strip()]
    types = [
        _TYPES.get(kind, "value")
        for kind in ([overload["owner"]] if overload["owner"] else []) + told
    ]
    if sign is None and name not in condition.source:
        name = "a function"
    said = f"{name} does not take {' and '.join(types) or 'that'}"
    named = []
    for steps in dict.fromkeys(_paths(condition.source)):
        value: Any = activation.read("args")
        for step in steps:
            inside = _inside(value, step)
            if inside is None:
                break
            value = inside[0]
        else:
            if (kind := _kind(value)) in types:
                named.append(f"{_shown(steps)} is {kind}")
    if not named:
        return said
    first = named[0].partition(" is ")[0]
    return f"{said} ({', '.join(named[:_MAX_NAMED])}); ask for its type first: type({first}) == …"


def _paths(source: str) -> Iterator[tuple[str, ...]]:
    """What a condition reads of the arguments, as it is written there."""
    for found in _PATH.finditer(source):
        if found["steps"]:
            yield tuple(
                next(filter(None, step.groups()), "") for step in _STEP.finditer(found["steps"])
            )


def _inside(value: Any, step: str) -> tuple[Any] | None:
    """What ``value`` holds under ``step``, in a tuple; None where it holds nothing."""
    if isinstance(value, dict) and step in value:
        return (value[step],)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return (value[int(step)],)
    return None


def _shown(steps: tuple[str, ...]) -> str:
    text = "args" + "".join(f".{step}" if step.isidentifier() else f'["{step}"]' for step in steps)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _kind(value: object) -> str:
    """A value's type, as CEL calls it."""
    if value is None:
        return "null"
    for kind, name in (
        (bool, "bool"),
        (int, "int"),
        (float, "double"),
        (str, "string"),
        (bytes, "bytes"),
        (list, "list"),
        (dict, "map"),
    ):
        if isinstance(value, kind):
            return name
    return "value"
