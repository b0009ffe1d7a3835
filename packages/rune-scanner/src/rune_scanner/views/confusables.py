"""Letters that look like ASCII letters, mapped to them, one for one.

Mapping every Cyrillic а to a would ruin Russian, and rules for Russian match folded text. So
letters of other scripts are mapped only in words that mix scripts, or where a script occurs
without any letter of its own: then nobody is writing that language. Letters with no honest
use in running text (small capitals, negative circles, flag letters) are always mapped.
Fullwidth, circled and mathematical letters are NFKC's work and not in these tables.
"""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase

from rune_scanner.views.charclass import CharClass

_SMALL_CAPITALS = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz", strict=True))
_SHAPED = {
    chr(first + index): letter
    for first in (0x1F150, 0x1F170, 0x1F1E6)  # negative circled, negative squared, flags
    for index, letter in enumerate(ascii_uppercase)
} | {chr(0x249C + index): letter for index, letter in enumerate(ascii_lowercase)}
_LATIN = dict(zip("ɑɡɩⅼꞮꞬſƖƽʋꓲ∣", "agiligslsvil", strict=True))

_ALWAYS = _SMALL_CAPITALS | _SHAPED | _LATIN

# Alike to the eye in any font.
_STRONG = dict(
    zip(
        "аеорсухіјѕһԁԛԝӏѵАВЕКМНОРСТУХЅІЈԚԜӀѴονακιρυχγτϲϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿօսհոցզԼՍՕ",
        "aeopcyxijshdqwlvABEKMHOPCTYXSIJQWIVovakipuxytcjABEZHIKMNOPTYXCJouhngqLUO",
        strict=True,
    )
)
# Alike enough inside a word whose other letters are Latin.
_WEAK = dict(
    zip(
        "вкмнтгпиьёїшзЬЗεηβμωσςπάέίόύθյկղրսքᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ",
        "bkmhtrnubeiwzbZenbuwocnaeioyojlnruqABCDEHJKLMPRSTVWZ",
        strict=True,
    )
)
_FOREIGN = _STRONG | _WEAK

_SCRIPTS = "\u0370-\u03ff\u0400-\u052f\u0531-\u0587\u13a0-\u13f5"
_SHAPED_CLASS = "\U0001f150-\U0001f169\U0001f170-\U0001f189\U0001f1e6-\U0001f1ff"
_ALWAYS_CLASS = "".join(char for char in _ALWAYS if char <= "\uffff")

# Every letter this module could map.
CONFUSABLE = CharClass(_ALWAYS_CLASS + "".join(_FOREIGN), _SHAPED_CLASS)

_ALWAYS_FOUND = CharClass(_ALWAYS_CLASS, _SHAPED_CLASS)
_FOREIGN_FOUND = re.compile(f"[{''.join(_FOREIGN)}]")
# Begins with a class of few, so that words of neither script are passed over.
_MIXED = re.compile(f"[A-Za-z](?:(?=[{''.join(_FOREIGN)}])|(?<=[{''.join(_FOREIGN)}][A-Za-z]))")
_GENUINE = re.compile(f"(?![{''.join(_STRONG)}])[{_SCRIPTS}]")
_WORD = re.compile(f"[A-Za-z{_SCRIPTS}]+")

_ALWAYS_TABLE = str.maketrans(_ALWAYS)
_FOREIGN_TABLE = str.maketrans(_FOREIGN)
_STRONG_TABLE = str.maketrans(_STRONG)


def to_ascii(text: str) -> str:
    """``text`` with look-alikes replaced, of the same length."""
    if _ALWAYS_FOUND.occurs_in(text):
        text = text.translate(_ALWAYS_TABLE)
    if not _FOREIGN_FOUND.search(text):
        return text
    if _MIXED.search(text):
        text = _WORD.sub(_unmixed, text)
    if not _GENUINE.search(text):
        text = text.translate(_STRONG_TABLE)
    return text


def _unmixed(word: re.Match[str]) -> str:
    letters = word.group()
    if letters.isascii():
        return letters
    mapped = letters.translate(_FOREIGN_TABLE)
    # A word of one script stays; so does one that would not become Latin all through.
    mixed = any(char.isascii() for char in letters)
    return mapped if mixed and mapped.isascii() else letters
