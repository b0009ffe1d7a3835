"""Read what a JSON string says, and remember where each character of it stands."""

from __future__ import annotations

from typing import Final

_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def decode(text: str, start: int, end: int, *, times: int = 1) -> tuple[str, list[int]]:
    """Undo JSON's escapes in part of a text.

    Args:
        text: The text.
        start: Where the string begins, after its quotation mark.
        end: Where it ends, before its quotation mark.
        times: How often it was escaped: twice where JSON is itself a string in JSON.

    Returns:
        What the string says, and for each of its characters, and its end, the place in ``text``.
    """
    characters, places = text[start:end], list(range(start, end))
    for _ in range(times):
        said: list[str] = []
        kept: list[int] = []
        at, stop = 0, len(characters)
        while at < stop:
            kept.append(places[at])
            sign, after = characters[at], at + 1
            if sign == "\\" and after < stop:
                sign, after = characters[after], after + 1
                if sign == "u":
                    try:
                        sign = chr(int(characters[after : after + 4], 16))
                        after += 4
                    except ValueError:
                        pass
                else:
                    sign = _ESCAPES.get(sign, sign)
            said.append(sign)
            at = after
        characters, places = "".join(said), kept
    return characters, [*places, end]
