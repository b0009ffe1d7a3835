"""The characters that a one-character node of a parsed pattern matches."""

from __future__ import annotations

from functools import lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any, Final

NON_ASCII: Final = 128
EVERY_CHAR: Final = frozenset(range(NON_ASCII + 1))
_CATEGORIES: Final[dict[Any, frozenset[int]]] = {
    op.CATEGORY_DIGIT: frozenset(map(ord, "0123456789")),
    op.CATEGORY_SPACE: frozenset(map(ord, " \t\n\r\f\v")),
    op.CATEGORY_WORD: frozenset(i for i in range(NON_ASCII) if chr(i).isalnum() or chr(i) == "_"),
}
DIGITS: Final = _CATEGORIES[op.CATEGORY_DIGIT]
_NEGATED: Final = {
    op.CATEGORY_NOT_DIGIT: op.CATEGORY_DIGIT,
    op.CATEGORY_NOT_SPACE: op.CATEGORY_SPACE,
    op.CATEGORY_NOT_WORD: op.CATEGORY_WORD,
}


def charset(code: Any, value: Any) -> frozenset[int] | None:
    """The characters a one-character node matches (128 stands for all non-ASCII), or None."""
    if code is op.LITERAL:
        return frozenset((min(value, NON_ASCII),))
    if code is op.NOT_LITERAL:
        return EVERY_CHAR - {value} if value < NON_ASCII else EVERY_CHAR
    if code is op.ANY:
        return EVERY_CHAR - {10}
    return _class(tuple(value)) if code is op.IN else None


@lru_cache(maxsize=4096)
def _class(members: tuple[Any, ...]) -> frozenset[int]:
    chars: set[int] = set()
    negated = False
    for kind, item in members:
        if kind is op.NEGATE:
            negated = True
        elif kind is op.LITERAL:
            chars.add(min(item, NON_ASCII))
        elif kind is op.RANGE:
            chars.update(range(item[0], min(item[1], NON_ASCII) + 1))
            if item[1] >= NON_ASCII:
                chars.add(NON_ASCII)
        elif kind is op.CATEGORY:
            known = _CATEGORIES.get(item)
            chars |= known if known is not None else EVERY_CHAR - _CATEGORIES[_NEGATED[item]]
    if negated:
        return (EVERY_CHAR - frozenset(chars)) | {NON_ASCII}
    return frozenset(chars)
