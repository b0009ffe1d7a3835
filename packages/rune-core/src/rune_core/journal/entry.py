"""One entry of the journal."""

from __future__ import annotations

import json
from typing import Any

import msgspec

MAX_CONTENT: int = 1_000_000
"""Bytes of one text or call that are kept; what lies beyond is left out, and that is noted."""


class KeptMatch(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """One policy rule that matched."""

    rule: str
    policy: str
    kind: str
    action: str
    detectors: tuple[str, ...] = ()
    monitored: bool = False
    excepted: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A text or call that was decided, or a text that a session was told about.

    Its ``repr`` is not for logs: it holds content.
    """

    at: int
    """Nanoseconds since the epoch."""
    session: str
    surface: str
    """Where it was met; ``user``, ``system`` or ``untrusted`` for what a session was told."""
    content: bytes
    """UTF-8 (lone surrogates kept): the text, or the JSON of a value."""
    is_text: bool = True
    truncated: bool = False
    tool: str | None = None
    source: str | None = None
    agent: str | None = None
    tags: tuple[str, ...] = ()
    decision: str = ""
    """The id of the decision; empty for what a session was told."""
    action: str = ""
    rule: str | None = None
    revision: str = ""
    approval: str | None = None
    matches: tuple[KeptMatch, ...] = ()

    def __repr__(self) -> str:
        return f"Entry(at={self.at}, surface={self.surface!r}, decision={self.decision!r})"

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8", "surrogatepass" if not self.truncated else "replace")

    @property
    def value(self) -> Any:
        """The content as it was passed: a text, or the value behind the JSON.

        A value that was too long to be kept whole is given as the text that is left of it.
        """
        if self.is_text or self.truncated:
            return self.text
        return json.loads(self.text)

    @property
    def was_told(self) -> bool:
        """True for what a session was told, which nothing was decided about."""
        return not self.decision


def content_of(text: str) -> tuple[bytes, bool]:
    """A text as an entry keeps it, and whether it was cut short."""
    data = text.encode("utf-8", "surrogatepass")
    return data[:MAX_CONTENT], len(data) > MAX_CONTENT
