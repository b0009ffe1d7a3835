"""Characters that nobody sees: where they are, and what is written in them.

Folding drops them, so that ``ig<U+200B>nore`` reads ``ignore``. Some of them can carry whole
messages (tag characters, variation selectors, zero-width binary); those become views.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rune_scanner.views.charclass import CharClass, reaches_beyond
from rune_scanner.views.rewrite import Collage, Edit, Reading
from rune_scanner.views.textual import text_of_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

# Default-ignorable characters, bidi controls and controls other than white space. Joiners
# that Persian and Hindi use are among them: rules match the letters without them.
_BASIC = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb"
)
_BEYOND = "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
INVISIBLE = CharClass(_BASIC, _BEYOND)
CARRIERS = CharClass("\ufe00-\ufe0f\u200b-\u200f\u2060-\u2064\ufeff\u180e", "\U000e0000-\U000e0fff")

# A terminal colour code is as invisible as its escape character.
_COLOUR = r"(?:(?<=\x1b)\[[0-9;]{0,16}m)?"
_IN_BASIC = re.compile(f"[{_BASIC}]{_COLOUR}(?:[{_BASIC}]{_COLOUR})*+")
_ANYWHERE = re.compile(f"[{_BASIC}{_BEYOND}]{_COLOUR}(?:[{_BASIC}{_BEYOND}]{_COLOUR})*+")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_BLANKS = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u180e]{16,}")

_FLAG = "\U0001f3f4"
_LONGEST_FLAG = 6  # England, Scotland, Wales: "gbeng" and the like, in tag characters


def without_invisibles(text: str) -> Iterator[Edit]:
    """Edits that drop what cannot be seen."""
    pattern = _ANYWHERE if reaches_beyond(text) else _IN_BASIC
    for found in pattern.finditer(text):
        yield found.start(), found.end(), "", 0


def hidden_messages(reading: Reading) -> Iterator[Reading]:
    """Messages written in invisible characters: ``tags``, ``variation``, ``zero_width``."""
    text = reading.text
    if not CARRIERS.occurs_in(text):
        return
    for name, fill in (("tags", _tags), ("variation", _selectors), ("zero_width", _blanks)):
        collage = Collage()
        fill(text, collage)
        if collage:
            yield Reading(reading.named(name), *collage.finish(reading.offsets), hidden=True)


def _tags(text: str, collage: Collage) -> None:
    for found in _TAGS.finditer(text):
        run = found.group()
        if len(run) <= _LONGEST_FLAG and text[found.start() - 1 : found.start()] == _FLAG:
            continue
        collage.line_break(found.start())
        letters = run.encode("utf-32-le")[::4].decode("ascii")
        collage.paste(letters, found.start(), found.end())


def _selectors(text: str, collage: Collage) -> None:
    """Bytes smuggled as variation selectors, 256 of which exist."""
    for found in _SELECTORS.finditer(text):
        data = bytes(
            ord(char) - 0xFE00 if char <= "\ufe0f" else ord(char) - 0xE0100 + 16
            for char in found.group()
        )
        decoded = text_of_bytes(data, shortest=4)
        if decoded:
            collage.line_break(found.start())
            collage.paste(decoded, *found.span(), stride=int(len(decoded) == len(data)))


def _blanks(text: str, collage: Collage) -> None:
    """Bits smuggled as two kinds of zero-width character; a third may separate the bytes."""
    for found in _BLANKS.finditer(text):
        run = found.group()
        kinds = sorted(set(run), key=run.count, reverse=True)[:2]
        if len(kinds) < 2:  # one kind carries nothing
            continue
        bits = "".join("01"[kinds.index(char)] for char in run if char in kinds)
        for digits in (bits, bits.translate({48: "1", 49: "0"})):
            data = bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits) - 7, 8))
            decoded = text_of_bytes(data, shortest=3)
            if decoded:
                collage.line_break(found.start())
                collage.paste(decoded, *found.span(), stride=0)
                break
