"""Normalising a text for wording rules, with an exact way back through every step."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from rune_scanner.views.base import OffsetMap
from rune_scanner.views.charclass import reaches_beyond
from rune_scanner.views.confusables import CONFUSABLE, to_ascii
from rune_scanner.views.invisible import INVISIBLE, without_invisibles
from rune_scanner.views.rewrite import Edit, edit, edit_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

Form: TypeAlias = Literal["NFC", "NFD", "NFKC", "NFKD"]

_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_BEYOND_ASCII = re.compile("(?s:.)?[^\x00-\x7f]+")
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)

# Characters that combine with the one before them without being marks: Hangul vowels and
# finals, and half-width forms that become such.
_JOINING = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff\uff9e\uff9f\uffa0-\uffdc]")

_NOWHERE = OffsetMap.identity(0)
_MARKS_KEPT = 30  # Unicode's own bound for honest text (UAX #15, stream-safe)
_WIDE_LIGATURES = str.maketrans("\ufdfa\ufdfb", "\u25a1\u25a1")


def without_surrogates(text: str) -> str:
    """``text`` with every lone surrogate replaced by U+FFFD, one for one."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text)
    return text


def fold(text: str, offsets: OffsetMap, *, controls: bool = True) -> tuple[str, OffsetMap]:
    """``text`` in NFKC, without invisibles, look-alikes as ASCII, in lower case.

    Args:
        text: Without lone surrogates.
        offsets: The map of ``text``.
        controls: False if the caller knows that an ASCII text has no control characters.
    """
    if text.isascii():
        if controls and _CONTROLS.search(text):
            text, offsets = edit(text, offsets, without_invisibles) or (text, offsets)
        return text.lower(), offsets
    if INVISIBLE.occurs_in(text):
        text, offsets = edit(text, offsets, without_invisibles) or (text, offsets)
    if not unicodedata.is_normalized("NFKC", text):
        text, offsets = compose(text, offsets, "NFKC")
    if CONFUSABLE.occurs_in(text):
        text = to_ascii(text)
    # The one letter whose lower case is two characters long.
    return text.replace("İ", "I").lower(), offsets


def unaccented(folded: str, offsets: OffsetMap) -> tuple[str, OffsetMap] | None:
    """``folded`` without accents, or None if it has none."""
    text, offsets = compose(folded, offsets, "NFD")
    stripped = edit(text, offsets, _without_accents)
    return stripped and compose(*stripped, "NFC")


def ascii_letters(text: str) -> str:
    """What is left of ``text`` in ASCII when accents are taken off. Quick."""
    text, _ = compose(text, _NOWHERE, "NFD")
    return text.encode("ascii", "ignore").decode("ascii")


def _without_accents(text: str) -> Iterator[Edit]:
    for found in _ACCENTS.finditer(text):
        yield found.start(), found.end(), "", 0


def compose(text: str, offsets: OffsetMap, form: Form) -> tuple[str, OffsetMap]:
    """``text`` in a normal form."""
    if unicodedata.is_normalized(form, text):
        return text, offsets
    # Sorting a run of marks is quadratic in the standard library, so long runs are cut first.
    text, offsets = edit(text, offsets, _without_excess_marks) or (text, offsets)
    # These two become 18 and 8 characters; alone that is no harm, a megabyte of them is.
    if (text.count("\ufdfa") + text.count("\ufdfb")) * 18 > len(text):
        text = text.translate(_WIDE_LIGATURES)
    result = unicodedata.normalize(form, text)
    pieces = lambda: edit_pieces(_clusters(text, form), len(text))  # noqa: E731
    return result, OffsetMap(pieces, len(result), offsets)


def _clusters(text: str, form: Form) -> Iterator[Edit]:
    """What normalising does to each cluster: a character and the marks that combine with it."""
    for found in _BEYOND_ASCII.finditer(text):
        run = found.group()
        if unicodedata.is_normalized(form, run):
            continue
        begin = 0
        for at in range(1, len(run) + 1):
            if at < len(run) and _joins(run[at]):
                continue
            cluster = run[begin:at]
            normal = unicodedata.normalize(form, cluster)
            if normal != cluster:
                start = found.start() + begin
                yield start, start + len(cluster), normal, 0
            begin = at


def _joins(char: str) -> bool:
    return unicodedata.category(char)[0] == "M" or _JOINING.match(char) is not None


def _without_excess_marks(text: str) -> Iterator[Edit]:
    for found in _excess_marks(reaches_beyond(text)).finditer(text):
        yield found.start() + _MARKS_KEPT, found.end(), "", 0


@lru_cache(maxsize=2)
def _excess_marks(beyond: bool) -> re.Pattern[str]:
    """A run of reordering marks longer than any honest one. Built on first need: 6 ms.

    Args:
        beyond: Whether to look beyond the basic plane, which is slower.
    """
    codes = range(0x300, 0x1E950 if beyond else 0x10000)
    marks = "".join(chr(code) for code in codes if unicodedata.combining(chr(code)))
    return re.compile(f"[{marks}]{{{_MARKS_KEPT}}}[{marks}]++")
