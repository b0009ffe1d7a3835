"""Stretches of a text that look more like language undone: rot13, reversed, leetspeak.

The scanner undoes these where it finds a word that gives the disguise away. Layer 2 reads whatever
was written, so it looks at letters instead: a stretch is undone where the letters follow each other
as in language afterwards, and did not before. The rest of the text stays as it is, as it would
stand around the same words in plain.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rune_core.layers.letters import surprise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

MOST: Final = 65_536
"""Characters looked at: what comes later is undone only where the scanner does it."""
_SPAN = 32
_GAIN = 0.8
"""Bits a character that undoing saves over ``_SPAN`` characters, at least."""
_FLUENT = 4.4
"""Bits a character that language takes over so many, at most."""
_ODD = 4.0
"""Bits a character that a disguise takes over so many, at least: prose takes some 3.5."""
_LEAST = 12
"""Letters and digits of the shortest stretch."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_SIGNED = re.compile(r"(?<![\w@$|])[A-Za-z0134578@$!|]{2,24}(?![\w@$|])")
# A byte in hex; 0f is "of" more often.
_PAIR = re.compile(r"(?!0f)[0-9A-Fa-f]{2}")
_UNSURE = 3.0
"""Bits that 1 read as l saves over i, at least, to be taken for it."""
_UNSIGNED = str.maketrans("0134578@$!|", "oieastbasil")
_UNSIGNED_L = str.maketrans("0134578@$!|", "oleastbasil")


class Stretch(NamedTuple):
    """Characters ``start`` to ``end``, what they say, and the step of its map (see ``Piece``)."""

    start: int
    end: int
    text: str
    stride: int


class Undone(NamedTuple):
    """A way to undo a text, and the stretches in which it brings language to light."""

    name: str
    stretches: tuple[Stretch, ...]


def undone(text: str) -> Iterator[Undone]:
    """What a text hides behind letters that do not follow each other as in language.

    Args:
        text: Any text; its first ``MOST`` characters are looked at.
    """
    text = text[:MOST]
    if sum(map(str.isalnum, text)) < _LEAST:
        return
    before = surprise(text)
    span = min(_SPAN, len(text))
    odd = _sums(before, span) >= _ODD * span
    if not odd.any():
        return
    for name, undo, stride, least in _WAYS:
        plain = undo(text)
        if plain == text:
            continue
        backwards = stride < 0
        after = surprise(plain)[::-1] if backwards else surprise(plain)
        found: list[Stretch] = []
        for low, high in _better(before, after, odd, least):
            start, end = _whole_words(text, low, high)
            if sum(map(str.isalnum, text[start:end])) < _LEAST:
                continue
            if found and start < found[-1].end:
                continue
            piece = plain[len(text) - end : len(text) - start] if backwards else plain[start:end]
            found.append(Stretch(start, end, piece, stride))
        if found:
            yield Undone(name, tuple(found))


def _better(
    before: NDArray[Any], after: NDArray[Any], odd: NDArray[Any], least: float
) -> Iterator[tuple[int, int]]:
    """Where undoing saves enough bits and what comes of it is fluent."""
    import numpy as np

    span = len(before) - len(odd) + 1
    gain = before - after
    saved = _sums(gain, span) / span
    fluent = _sums(after, span) / span
    good = np.flatnonzero(odd & (saved >= _GAIN) & (fluent <= _FLUENT))
    if not len(good):
        return
    breaks = np.flatnonzero(np.diff(good) > span)
    firsts = good[np.concatenate([[0], breaks + 1])]
    lasts = good[np.concatenate([breaks, [len(good) - 1]])]
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        # A span that passes may reach beyond the disguise: the part that saves most is taken.
        sums = np.concatenate([[0], np.cumsum(gain[first : last + span] - _GAIN / 2)])
        rise = sums - np.minimum.accumulate(sums)
        end = int(rise.argmax())
        start = int(sums[: end + 1].argmin())
        if gain[first + start : first + end].sum() >= least:
            yield first + start, first + end


def _sums(values: NDArray[Any], span: int) -> NDArray[Any]:
    import numpy as np

    sums = np.concatenate([[0], np.cumsum(values, dtype=np.float64)])
    found: NDArray[Any] = sums[span:] - sums[:-span]
    return found


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch with the rest of its first and last word, where that is near."""
    low, high = max(0, start - _SPAN), min(len(text), end + _SPAN)
    while start > low and not text[start - 1].isspace() and not text[start].isspace():
        start -= 1
    while end < high and not text[end].isspace() and not text[end - 1].isspace():
        end += 1
    return start, end


def _rotated(text: str) -> str:
    return codecs.encode(text, "rot13")


def _reversed(text: str) -> str:
    return text[::-1]


def _words_reversed(text: str) -> str:
    return _WORD.sub(lambda found: found.group()[::-1], text)


def _without_signs(text: str) -> str:
    return _SIGNED.sub(_unsigned, text)


def _unsigned(found: re.Match[str]) -> str:
    token = found.group()
    core = token.rstrip("!|")
    if core.isalpha() or not any(map(str.isalpha, core)) or _PAIR.fullmatch(core):
        return token
    if "@" in core and found.string.startswith(".", found.end()):
        # The sign of an address stays.
        name, _, host = core.partition("@")
        return f"{_letters(name)}@{_letters(host)}{token[len(core) :]}"
    return _letters(core) + token[len(core) :]


def _letters(core: str) -> str:
    plain = core.replace("11", "ll").translate(_UNSIGNED)
    if "1" not in core:
        return plain
    other = core.translate(_UNSIGNED_L)
    return other if surprise(f"{other} ").sum() + _UNSURE < surprise(f"{plain} ").sum() else plain


# The name, the way, the step of its map, and the bits that a stretch saves in all, at least.
# Names and code of a few words now and then read as well backwards, so more is asked there.
_WAYS: tuple[tuple[str, Callable[[str], str], int, float], ...] = (
    ("rot13", _rotated, 1, 20),
    ("reversed", _reversed, -1, 32),
    ("reversed_words", _words_reversed, 1, 32),
    ("leet", _without_signs, 1, 16),
)
