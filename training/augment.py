"""Surface noise that keeps the meaning: case, typos, spacing, leetspeak, escaped line breaks.

Encodings and homoglyphs are not imitated here: L1 decodes them into views, and L2 reads the views.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5"})


def typos(text: str, rng: random.Random) -> str:
    """Swap, drop or double about one letter in forty; the length of the text may change."""
    out = list(text)
    if not out:
        return text
    for _ in range(max(1, len(text) // 40)):
        at = rng.randrange(len(out))
        if not out[at].isalpha():
            continue
        draw = rng.random()
        if draw < 0.4 and at + 1 < len(out) and out[at + 1].isalpha():
            out[at], out[at + 1] = out[at + 1], out[at]
        elif draw < 0.7:
            out[at] = ""
        else:
            out[at] *= 2
    return "".join(out)


def noisy(text: str, rng: random.Random) -> str:
    """Return the text, in one case of eight with one kind of noise."""
    draw = rng.random()
    if draw < 0.05:
        return typos(text, rng)
    if draw < 0.085:
        return text.translate(_LEET)
    if draw < 0.1:
        return " ".join(text.split())
    if draw < 0.115:
        return text.replace("\n", "\\n").replace('"', '\\"')
    if draw < 0.125:
        return "".join(c for c in text if c.isalnum() or c.isspace())
    return text
