"""Cheap signs that a decoder may have work to do.

Nearly all text needs no decoding, and it must cost nearly nothing to find that out. So a text
is turned into bytes that only tell letters from digits from spaces, at a nanosecond a
character, and decoders are switched on by plain substring searches in those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _table(default: bytes, **classes: bytes) -> bytes:
    """A ``bytes.translate`` table: each class maps its characters to its one-letter name."""
    table = bytearray(default * 256)
    for name, members in classes.items():
        for member in members:
            table[member] = ord(name)
    return bytes(table)


# a letter, l digit or sign that can stand for one, s separator or white space, c control
_SHAPE = bytearray(_table(b"#", a=_LETTERS, l=b"013457@$!|", s=b" \t\n.-_*/", c=bytes(range(9))))
for _code in (*range(0x0E, 0x20), 0x7F):
    _SHAPE[_code] = ord("c")
for _code in (*range(0xC0, 0xD7), *range(0xD8, 0xF7), *range(0xF8, 0x100)):
    _SHAPE[_code] = ord("a")
_SHAPE_TABLE = bytes(_SHAPE)
# Latin-1 with "?" for all it lacks: there, a question mark is likely a letter.
_WIDE_SHAPE_TABLE = bytes(
    ord("a") if code == ord("?") else kind for code, kind in enumerate(_SHAPE)
)

_BASE64_TABLE = _table(b" ", x=_LETTERS + b"0123456789+/-_")
_HEX = bytearray(_table(b".", h=b"0123456789abcdefABCDEF"))
for _code in b" ,:;-":
    _HEX[_code] = ord(" ")
_HEX_TABLE = bytes(_HEX)

SHORTEST_RUN = 16
_RUN = b"x" * SHORTEST_RUN
_OCTETS = b"hhhhhhhh hhhhhhhh hhhhhhhh"
_TRIPLES = b"hhh hhh hhh"
_ALONE = re.compile(rb"s(?=as{1,3}as)")
_PAIRS = b"hh hh hh hh hh hh hh hh"


class Clues(NamedTuple):
    """What a text may contain. What is missing is missing; the rest is a guess.

    Attributes:
        controls: Control characters other than white space.
        letters_apart: Single letters with a space or sign between them.
        leet: How often a digit or sign stands between letters; at least 1 if one stands before
            or after several.
        runs: The text as ``x`` for each character that base64 uses and a space for any other;
            empty if no run is long enough to be an encoding.
        pairs: Pairs of hex digits, bytes of binary digits or decimal codes, with separators.
    """

    controls: bool
    letters_apart: bool
    leet: int
    runs: bytes
    pairs: bool


def letters_alone(text: str) -> Iterator[int]:
    """Where a single letter, and soon another, stands apart: the separators before them."""
    return (found.start() for found in _ALONE.finditer(_shape(text)[1]))


def _shape(text: str) -> tuple[bytes, bytes]:
    """The text as bytes, one a character, and what kind of character each of them is."""
    if text.isascii():
        data = text.encode("ascii")
        return data, data.translate(_SHAPE_TABLE)
    data = text.encode("latin-1", "replace")
    return data, data.translate(_WIDE_SHAPE_TABLE)


def clues_in(text: str) -> Clues:
    """One look at ``text``."""
    data, shape = _shape(text)
    runs = data.translate(_BASE64_TABLE)
    pairs = leet = 0
    if b"l" in shape:
        leet = shape.count(b"ala")
        if not leet and (b"aaal" in shape or b"laaa" in shape):
            leet = 1
        # Hex digits of any text have these digits among them, if there are more than a few.
        digits = data.translate(_HEX_TABLE)
        pairs = _PAIRS in digits or b"0x" in data or _OCTETS in digits or _TRIPLES in digits
    return Clues(
        controls=b"c" in shape,
        letters_apart=b"asasasa" in shape or ("  " in text and b"assassassa" in shape),
        leet=leet,
        runs=runs if _RUN in runs else b"",
        pairs=bool(pairs),
    )
