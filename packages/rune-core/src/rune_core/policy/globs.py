"""Many shell-style globs compiled into one matcher."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache


class Globs:
    """Matches a name that any of the patterns matches. No pattern matches nothing."""

    __slots__ = ("_everything", "_match", "_plain", "patterns")

    def __init__(self, patterns: tuple[str, ...], *, ignore_case: bool = False) -> None:
        self.patterns = patterns
        self._everything = "*" in patterns
        folded = [pattern.casefold() for pattern in patterns] if ignore_case else list(patterns)
        self._plain = frozenset(p for p in folded if not any(sign in p for sign in "*?["))
        globs = [p for p in folded if p not in self._plain]
        self._match = (
            re.compile("|".join(f"(?:{translate(pattern)})" for pattern in globs)).match
            if globs
            else None
        )

    def __call__(self, name: str) -> bool:
        """Whether a pattern matches. With ``ignore_case``, pass the name case-folded."""
        if self._everything or name in self._plain:
            return True
        return self._match is not None and self._match(name) is not None

    def __bool__(self) -> bool:
        return bool(self.patterns)


@lru_cache(maxsize=1024)
def globs(patterns: tuple[str, ...], *, ignore_case: bool = False) -> Globs:
    """A compiled matcher, shared by the rules that use the same patterns."""
    return Globs(patterns, ignore_case=ignore_case)
