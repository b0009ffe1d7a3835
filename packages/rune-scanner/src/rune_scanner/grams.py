"""Finding which of many strings a text holds, without asking for each of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TYPES: Final[dict[int, Literal["I", "H", "B"]]] = {4: "I", 2: "H", 1: "B"}
_CHUNK: Final = 4_096  # of random letters, much more would hold most grams


class Grams:
    """Strings, each under the run of four of its bytes that texts are least likely to hold.

    Args:
        strings: What to look for, none of them empty; in UTF-8.
    """

    def __init__(self, strings: Sequence[bytes]) -> None:
        self._by_gram: dict[int, dict[int, list[bytes]]] = {size: {} for size in _TYPES}
        self._longest = max(map(len, strings), default=0)
        for string in strings:
            size = next(size for size in _TYPES if size <= len(string))
            self._by_gram[size].setdefault(_rarest_gram(string, size), []).append(string)
        self._grams = {size: frozenset(by_gram) for size, by_gram in self._by_gram.items()}

    def found_in(self, data: bytes) -> set[bytes]:
        """Those that ``data`` holds."""
        if len(data) <= _CHUNK:
            return set(self._found_in(data))
        found: set[bytes] = set()
        for start in range(0, len(data), _CHUNK):
            found.update(self._found_in(data[start : start + _CHUNK + self._longest]))
        return found

    def _found_in(self, data: bytes) -> Iterator[bytes]:
        for size, grams in self._grams.items():
            by_gram = self._by_gram[size]
            for gram in _held(grams, data, size):
                yield from (string for string in by_gram[gram] if string in data)


def _held(grams: frozenset[int], data: bytes, size: int) -> set[int]:
    """Those of ``grams``, runs of ``size`` bytes as numbers, that ``data`` holds."""
    found: set[int] = set()
    for shift in range(size if grams else 0):
        end = len(data) - (len(data) - shift) % size
        if end > shift:
            found |= grams.intersection(memoryview(data[shift:end]).cast(_TYPES[size]))
    return found


def _rarest_gram(string: bytes, size: int) -> int:
    """The run of bytes in ``string`` that texts are least likely to hold."""
    grams = (string[at : at + size] for at in range(len(string) - size + 1))
    return int.from_bytes(max(grams, key=lambda gram: sum(map(_rarity, gram))), sys.byteorder)


def _rarity(byte: int) -> int:
    # By how often English uses the letters; what is no letter is rarer still.
    at = b" etaoinsrhldcumfpgwybvkxjqz".find(byte | 0x20 if 0x41 <= byte <= 0x5A else byte)
    return at if at >= 0 else 30
