"""Character classes that a search passes over quickly."""

from __future__ import annotations

import re


class CharClass:
    """A set of characters, and whether a text has any of them.

    ``re`` looks characters of the basic plane up in a bitmap, but tries one range after the
    other as soon as a class reaches beyond it, thirty times slower. So the two are kept apart,
    and the second is asked only of texts that have such characters.

    Args:
        basic: Members below U+10000, written as inside ``[…]``.
        beyond: The other members.
    """

    __slots__ = ("_basic", "_beyond", "members")

    def __init__(self, basic: str, beyond: str) -> None:
        self.members = basic + beyond
        self._basic = re.compile(f"[{basic}]")
        self._beyond = re.compile(f"[{beyond}]")

    def occurs_in(self, text: str) -> bool:
        """Whether any member does."""
        if self._basic.search(text):
            return True
        return reaches_beyond(text) and self._beyond.search(text) is not None


def reaches_beyond(text: str) -> bool:
    """Whether ``text`` has characters beyond the basic plane. It has no lone surrogates."""
    return len(text.encode("utf-16-le")) != 2 * len(text)
