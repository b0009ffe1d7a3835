"""Evaluate the plain part of CEL here, without handing a call's values to the engine.

Handing values over costs more than nearly any condition. So conditions made of what is listed
below become closures when they load. They answer only where the answer is certain: whatever CEL
might see otherwise (a missing argument, values of different types, …) is left to the engine, which
has checked every condition before.

Names and their members, ``"x" in args``, texts, numbers, ``true`` and ``false``, lists of these,
``!``, ``&&``, ``||``, comparisons, ``in``, ``has()``, ``size()``, ``startsWith``, ``endsWith``,
``contains``, ``matches`` with a written pattern where RE2 is installed, ``exists`` and ``all``.
"""

from __future__ import annotations

import operator
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<float>[0-9]{1,15}\.[0-9]{1,15})"
    r"|(?P<int>[0-9]{1,15})(?![0-9A-Za-z_.])|(?P<text>\"[^\"\\\n]*\"|'[^'\\\n]*')"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!()\[\],.]))"
)
_RESERVED: Final = frozenset(
    (
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let"),
        *("loop", "package", "namespace", "return", "var", "void", "while"),
        *("in", "null", "true", "false"),
    )
)
_EXACT: Final = 2**53
_MAX_DEPTH: Final = 40

Unsure: Final = object()
"""What a closure gives where only the engine can tell."""
Failed: Final = object()
"""What it gives where the engine is bound to fail: the call lacks an argument."""


class Values(Protocol):
    """What a call's values are read from."""

    def read(self, name: str) -> object:
        """What a condition reads under a name."""
        ...

    def argument(self, name: str) -> object:
        """What ``args`` holds under a name: a dictionary; None if it holds nothing."""
        ...


Closure: TypeAlias = "Callable[[Values, list[object]], Any]"
"""Takes the values and the items that enclosing macros are at."""


class _NotPlainError(Exception):
    """A condition that is for the engine."""


def plain(source: str, names: Collection[str]) -> Callable[[Values], Any] | None:
    """A function that evaluates a condition; None for one that only the engine understands.

    Args:
        source: A condition that the engine accepts.
        names: What it may name.

    Returns:
        A function of the values that gives True, False, :data:`Failed` or :data:`Unsure`.
    """
    try:
        parser = _Parser(source, names)
        closure = parser.whole()
    except _NotPlainError:
        return None
    slots = parser.slots

    def evaluate(values: Values) -> Any:
        found = closure(values, [None] * slots)
        return found if found is True or found is False or found is Failed else Unsure

    return evaluate


class _Parser:
    """Recursive descent in the order of CEL's operators."""

    def __init__(self, source: str, names: Collection[str]) -> None:
        self._names = names
        self._bound: dict[str, int] = {}
        self._depth = 0
        self.slots = 0
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while source[at:].strip():
            found = _TOKEN.match(source, at)
            if found is None or found.lastgroup is None:
                raise _NotPlainError
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self._at = 0

    def whole(self) -> Closure:
        closure = self._either()
        if self._at != len(self._tokens):
            raise _NotPlainError
        return closure

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _takes(self, *signs: str) -> str:
        kind, text = self._peek()
        if kind in ("sign", "name") and text in signs:
            self._at += 1
            return text
        return ""

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise _NotPlainError

    def _either(self) -> Closure:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _NotPlainError
        parts = [self._both()]
        while self._takes("||"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else _until(True, tuple(parts))

    def _both(self) -> Closure:
        parts = [self._relation()]
        while self._takes("&&"):
            parts.append(self._relation())
        return parts[0] if len(parts) == 1 else _until(False, tuple(parts))

    def _relation(self) -> Closure:
        left = self._unary()
        sign = self._takes("==", "!=", "<=", ">=", "<", ">", "in")
        if not sign:
            return left
        if sign == "in" and self._peek() == ("name", "args") and "args" not in self._bound:
            kind, text = self._tokens[self._at - 2]
            following = self._tokens[self._at + 1 : self._at + 2]
            if kind == "text" and following not in ([("sign", ".")], [("sign", "[")]):
                self._at += 1
                if not text[1:-1].isascii():
                    raise _NotPlainError
                return _has_argument(text[1:-1])
        right = self._unary()
        if self._peek()[1] in ("==", "!=", "<=", ">=", "<", ">", "in"):
            raise _NotPlainError
        return _in(left, right) if sign == "in" else _compared(sign, left, right)

    def _unary(self) -> Closure:
        negations = 0
        while self._takes("!"):
            negations += 1
        closure = self._postfix()
        if negations:
            closure = _negated(closure)
            return closure if negations % 2 else _negated(closure)
        return closure

    def _postfix(self) -> Closure:
        closure = self._primary()
        for _ in range(_MAX_DEPTH):
            if self._takes("."):
                kind, name = self._peek()
                if kind != "name" or name in _RESERVED:
                    raise _NotPlainError
                self._at += 1
                if self._takes("("):
                    closure = self._called(closure, name)
                else:
                    closure = _member(closure, name)
            elif self._takes("["):
                kind, text = self._peek()
                if kind != "text":
                    raise _NotPlainError
                self._at += 1
                self._needs("]")
                closure = _member(closure, text[1:-1])
            else:
                return closure
        raise _NotPlainError

    def _primary(self) -> Closure:
        kind, text = self._peek()
        self._at += 1
        if kind == "text":
            return _constant(text[1:-1])
        if kind == "int":
            return _constant(int(text))
        if kind == "float":
            return _constant(float(text))
        if (kind, text) == ("sign", "("):
            inner = self._either()
            self._needs(")")
            return inner
        if (kind, text) == ("sign", "["):
            return self._list()
        if kind != "name":
            raise _NotPlainError
        if text in ("true", "false"):
            return _constant(text == "true")
        if self._peek() == ("sign", "("):
            return self._function(text)
        if text not in self._names and text not in self._bound:
            raise _NotPlainError
        if text == "args" and text not in self._bound and self._peek() == ("sign", "."):
            kind, name = (
                self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else ("", "")
            )
            following = self._tokens[self._at + 2 : self._at + 3]
            if kind == "name" and name not in _RESERVED and following != [("sign", "(")]:
                self._at += 2
                return _argument(name)
        return self._named(text)

    def _list(self) -> Closure:
        found: list[object] = []
        while not self._takes("]"):
            kind, text = self._peek()
            if kind not in ("text", "int"):
                raise _NotPlainError
            self._at += 1
            found.append(text[1:-1] if kind == "text" else int(text))
            if not self._takes(",") and self._peek() != ("sign", "]"):
                raise _NotPlainError
        return _constant(found)

    def _function(self, name: str) -> Closure:
        self._needs("(")
        if name == "size":
            inner = self._either()
            self._needs(")")
            return _size(inner)
        if name != "has":
            raise _NotPlainError
        path: list[str] = []
        while True:
            kind, part = self._peek()
            if kind != "name" or part in _RESERVED:
                raise _NotPlainError
            self._at += 1
            path.append(part)
            if not self._takes("."):
                break
        self._needs(")")
        first, *members = path
        if not 1 <= len(members) <= _MAX_DEPTH or first not in {*self._names, *self._bound}:
            raise _NotPlainError
        if first == "args" and first not in self._bound and len(members) == 1:
            return _has_argument(members[0])
        closure = self._named(first)
        for member in members[:-1]:
            closure = _member(closure, member)
        return _has_member(closure, members[-1])

    def _named(self, name: str) -> Closure:
        if name in self._bound:
            return _item(self._bound[name])
        return _read(name)

    def _called(self, owner: Closure, name: str) -> Closure:
        if name in ("exists", "all"):
            kind, variable = self._peek()
            if kind != "name" or variable in _RESERVED:
                raise _NotPlainError
            self._at += 1
            self._needs(",")
            before = self._bound.get(variable)
            slot = self._bound[variable] = self.slots
            self.slots += 1
            inner = self._either()
            if before is None:
                del self._bound[variable]
            else:
                self._bound[variable] = before
            self._needs(")")
            return _any_or_all(owner, inner, slot, until=name == "exists")
        if name == "size":
            self._needs(")")
            return _size(owner)
        kind, text = self._peek()
        if kind != "text":
            raise _NotPlainError
        self._at += 1
        self._needs(")")
        return _text_test(owner, name, text[1:-1])


def _constant(value: object) -> Closure:
    return lambda _values, _items: value


def _item(slot: int) -> Closure:
    return lambda _values, items: items[slot]


def _read(name: str) -> Closure:
    return lambda values, _items: values.read(name)


def _until(stop: bool, parts: tuple[Closure, ...]) -> Closure:
    def closure(values: Values, items: list[object]) -> Any:
        told: Any = not stop
        for part in parts:
            found = part(values, items)
            if found is stop:
                return stop
            if found is not (not stop):
                # The engine lets a later part decide, too.
                told = Failed if found is Failed and told is not Unsure else Unsure
        return told

    return closure


def _odd(found: object) -> object:
    """What comes of what is not of the type that is needed."""
    return Failed if found is Failed else Unsure


def _negated(inner: Closure) -> Closure:
    def closure(values: Values, items: list[object]) -> Any:
        found = inner(values, items)
        return (not found) if found is True or found is False else _odd(found)

    return closure


def _member(owner: Closure, name: str) -> Closure:
    def closure(values: Values, items: list[object]) -> Any:
        found = owner(values, items)
        return found.get(name, Unsure) if type(found) is dict else _odd(found)

    return closure


def _argument(name: str) -> Closure:
    def closure(values: Values, _items: list[object]) -> Any:
        found = values.argument(name)
        return Failed if found is None else found

    return closure


def _has_argument(name: str) -> Closure:
    return lambda values, _items: values.argument(name) is not None


def _has_member(owner: Closure, name: str) -> Closure:
    def closure(values: Values, items: list[object]) -> Any:
        found = owner(values, items)
        return name in found if type(found) is dict else _odd(found)

    return closure


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compared(sign: str, left: Closure, right: Closure) -> Closure:
    compare = _COMPARE[sign]
    ordered = sign not in ("==", "!=")

    def closure(values: Values, items: list[object]) -> Any:
        one, other = left(values, items), right(values, items)
        kind = type(one)
        if kind is type(other):
            if kind is str or kind is float or kind is int or (kind is bool and not ordered):
                return compare(one, other)
        elif (
            (kind is int or kind is float)
            and type(other) in (int, float)
            and -_EXACT < one < _EXACT
            and -_EXACT < other < _EXACT
        ):
            return compare(one, other)
        return Failed if one is Failed or other is Failed else Unsure

    return closure


def _in(left: Closure, right: Closure) -> Closure:
    def closure(values: Values, items: list[object]) -> Any:
        one, others = left(values, items), right(values, items)
        if one is Failed or others is Failed:
            return Failed
        kind = type(one)
        if kind is not str and kind is not int:
            return Unsure
        if type(others) is list and all(type(other) is kind for other in others):
            return one in others
        if type(others) is dict and kind is str:
            return one in others
        return Unsure

    return closure


def _size(inner: Closure) -> Closure:
    def closure(values: Values, items: list[object]) -> Any:
        found = inner(values, items)
        return len(found) if type(found) in (str, list, dict) else _odd(found)

    return closure


def _any_or_all(owner: Closure, inner: Closure, slot: int, *, until: bool) -> Closure:
    def closure(values: Values, items: list[object]) -> Any:
        found = owner(values, items)
        if type(found) is not list:
            return _odd(found)
        told: Any = not until
        for item in found:
            items[slot] = item
            one = inner(values, items)
            if one is until:
                return until
            if one is not (not until):
                told = Failed if one is Failed and told is not Unsure else Unsure
        return told

    return closure


_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
}


def _text_test(owner: Closure, name: str, given: str) -> Closure:
    test = _TESTS.get(name) or _search(name, given)

    def closure(values: Values, items: list[object]) -> Any:
        found = owner(values, items)
        return test(found, given) if type(found) is str else _odd(found)

    return closure


def _search(name: str, given: str) -> Callable[[str, str], bool]:
    """``matches``: the engine's regular expressions are RE2's."""
    if name != "matches" or not find_spec("re2"):
        raise _NotPlainError
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(given, options).search
    except re2.error:
        raise _NotPlainError from None
    return lambda text, _given: search(text) is not None
