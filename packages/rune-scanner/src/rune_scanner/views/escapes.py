"""Decodings that happen in place: the text stays, some of its characters are spelt out.

Escapes of JSON and program text, quoted-printable, HTML entities, percent-encoding, form
encoding. They are undone in this order, one round making one view, since tools nest them in
the other.
"""

from __future__ import annotations

import re
from html import unescape
from itertools import islice
from typing import TYPE_CHECKING

from rune_scanner.views.rewrite import Edit, Editor, Reading, edit

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each begins with a plain character, which the regex engine then searches for.
_ESCAPE = re.compile(
    r"""\\(?:(u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*+)|(x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*+)"""
    r"""|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})|(["'\\/bfnrt]))"""
)
_NAMED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ENTITY = re.compile(r"&(?:#(?:[xX][0-9A-Fa-f]{1,8}|[0-9]{1,8});?|[A-Za-z][A-Za-z0-9]{1,31};)")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*+")
_OCTET = re.compile(r"=[0-9A-F]{2}")
_SOFT_BREAK = re.compile(r"[^=\s]=\r?\n")
_QUOTED = re.compile(r"=(?:([0-9A-F]{2}(?:=[0-9A-F]{2})*+)|\r?\n)")
_FORM_WORDS = re.compile(
    r"(?<![A-Za-z0-9+/])[A-Za-z']{1,20}+(?:\+[A-Za-z']{1,20}+){3,}+(?![A-Za-z0-9+/=])"
)
_SHORTEST_LINE, _LONGEST_LINE = 40, 78  # mail breaks lines at 76
_BREAKS_LOOKED_AT = 50
_SURROGATE = re.compile("[\ud800-\udfff]")


def escapes(text: str) -> Iterator[Edit]:
    r"""``\n``, ``\"``, ``\u0041``, ``\x41``, ``\u{41}``, ``\U00000041``."""
    for found in _ESCAPE.finditer(text):
        units, octets, braced, long, named = found.groups()
        start, end = found.span()
        if named:
            yield start, end, _NAMED.get(named, named), 0
        elif units:
            data = bytes.fromhex(units.replace("\\u", "")[1:])
            decoded = _SURROGATE.sub("\ufffd", data.decode("utf-16-be", "surrogatepass"))
            if len(decoded) * 6 == end - start:
                yield start, end, decoded, 6
            else:
                yield from _one_by_one(decoded, start, "utf-16-be", 3)
        elif octets:
            yield from _bytes(octets.replace("\\x", "")[1:], start, end, 4)
        else:
            code = int(braced or long, 16)
            decoded = chr(code) if code <= 0x10FFFF else "\ufffd"
            yield start, end, _SURROGATE.sub("\ufffd", decoded), 0


def quoted_printable(text: str) -> Iterator[Edit]:
    """``=41`` and lines broken by ``=``, as mail writes them."""
    for found in _QUOTED.finditer(text):
        octets = found.group(1)
        if octets:
            yield from _bytes(octets.replace("=", ""), found.start(), found.end(), 3)
        else:
            yield found.start(), found.end(), "", 0


def entities(text: str) -> Iterator[Edit]:
    """``&lt;``, ``&#65;``, ``&#x41``. Names need their semicolon: ``&section=2`` is a URL."""
    for found in _ENTITY.finditer(text):
        decoded = unescape(found.group())
        if decoded != found.group():
            yield found.start(), found.end(), _SURROGATE.sub("\ufffd", decoded), 0


def percents(text: str) -> Iterator[Edit]:
    """``%41``."""
    for found in _PERCENT.finditer(text):
        yield from _bytes(found.group().replace("%", ""), found.start(), found.end(), 3)


def plus_signs(text: str) -> Iterator[Edit]:
    """``ignore+all+rules``, as forms and search addresses write spaces."""
    for found in _FORM_WORDS.finditer(text):
        at = text.find("+", found.start(), found.end())
        while at >= 0:
            yield at, at + 1, " ", 1
            at = text.find("+", at + 1, found.end())


def _bytes(digits: str, start: int, end: int, stride: int) -> Iterator[Edit]:
    """Hex digits as UTF-8, each byte of which took ``stride`` characters."""
    data = bytes.fromhex(digits)
    if data.isascii():
        yield start, end, data.decode("ascii"), stride
        return
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        yield start, end, data.decode("utf-8", "replace"), 0
    else:
        yield from _one_by_one(decoded, start, "utf-8", stride)


def _one_by_one(decoded: str, start: int, codec: str, stride: int) -> Iterator[Edit]:
    """An edit for each character, where they took different numbers of bytes."""
    for char in decoded:
        end = start + len(char.encode(codec, "surrogatepass")) * stride
        yield start, end, char, 0
        start = end


def _is_quoted_printable(text: str) -> bool:
    """Whether lines end in ``=`` that are not the end of base64, and octets are spelt out."""
    if "=\n" not in text and "=\r\n" not in text:
        return False
    breaks = 0
    for found in islice(_SOFT_BREAK.finditer(text), _BREAKS_LOOKED_AT):
        at = found.start()
        begin = text.rfind("\n", max(0, at - _LONGEST_LINE), at) + 1 or max(0, at - _LONGEST_LINE)
        breaks += _SHORTEST_LINE <= at - begin < _LONGEST_LINE
    return breaks > 1 or (breaks == 1 and _OCTET.search(text) is not None)


_IN_PLACE: tuple[tuple[str, str, Editor], ...] = (
    ("escape", "\\", escapes),
    ("quoted", "=", quoted_printable),
    ("entity", "&", entities),
    ("url", "%", percents),
    ("form", "+", plus_signs),
)


def undo(reading: Reading) -> tuple[Reading, Reading] | None:
    """One round of decoding in place, or None if nothing changes.

    Returns:
        What the round makes of ``reading``, and what it is after the first step, escapes,
        which is where markup is still markup and no text.
    """
    result = unescaped = reading
    for name, sign, editor in _IN_PLACE:
        if sign not in result.text or (name == "quoted" and not _is_quoted_printable(result.text)):
            continue
        edited = edit(result.text, result.offsets, editor)
        if edited:
            result = Reading(result.named(name), *edited, hidden=result.hidden)
            if name == "escape":
                unescaped = result
    return None if result is reading else (result, unescaped)
