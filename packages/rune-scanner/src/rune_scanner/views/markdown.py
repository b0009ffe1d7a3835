"""What Markdown shows, and what it holds without showing it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rune_scanner.views.rewrite import Collage, Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

# [//]: # (comment)   [comment]: <> "comment"   [x]: https://host "title"
_DEFINITION = re.compile(
    r"^ {0,3}\[([^\]\n]{1,200})\]:[ \t]{0,8}(#|<>|<[^>\n]{0,2000}>|[^\s]{1,2000})"
    r"[ \t]{1,8}(?:\((.{1,4000}?)\)|\"(.{1,4000}?)\"|'(.{1,4000}?)')[ \t]{0,8}$",
    re.MULTILINE,
)
_DEFINED = re.compile(r"^ {0,3}\[[^\]\n]{1,200}\]:.*$", re.MULTILINE)
# The part of a link after its text: ](target "title")
_TITLED = re.compile(
    r"\]\([^\s()\"]{0,2000}[ \t\n]{1,8}(?:\"([^\"\n]{1,4000})\"|'([^'\n]{1,4000})')[ \t]{0,8}\)"
)
_IMAGE = re.compile(r"!\[([^\[\]\n]{2,2000})\][(\[]")
_MARKS = re.compile(r"[*_`~]++")
_EMPHASIS = frozenset(["*", "**", "***", "_", "__", "~~", "`"])


def may_hide(text: str) -> bool:
    """A quick look: False means that ``markdown_hidden`` finds nothing."""
    return "[" in text and ("](" in text or "]:" in text or "![" in text)


def markdown_hidden(text: str) -> Collage:
    """Comments in link definitions, titles of links, alternative texts of images."""
    collage = Collage()
    found: list[tuple[int, int]] = []
    if "]:" in text:
        for line in _DEFINED.finditer(text):
            definition = _DEFINITION.match(text, line.start(), line.end())
            if definition and definition.lastindex:
                found.append(definition.span(definition.lastindex))
    if "](" in text:
        found += [match.span(match.lastindex or 1) for match in _TITLED.finditer(text)]
    if "![" in text:
        found += [match.span(1) for match in _IMAGE.finditer(text)]
    reached = 0
    for start, end in sorted(found):
        if start >= reached:
            collage.line_break(start)
            collage.paste(text[start:end], start, end)
            reached = end
    return collage


def may_emphasise(text: str) -> bool:
    """A quick look: False means that ``without_emphasis`` finds nothing."""
    if "*" in text or "`" in text or "~" in text:
        return True
    return "_" in text and (" _" in text or "_ " in text)


def without_emphasis(text: str) -> Iterator[Edit]:
    """Edits that drop marks of emphasis: ``ign**ore**`` is shown as ``ignore``."""
    for found in _MARKS.finditer(text):
        start, end = found.span()
        if found.group() not in _EMPHASIS:
            continue
        before, after = text[start - 1 : start], text[end : end + 1]
        # Marks with space on both sides are signs; underscores inside words are names.
        if (before.isspace() or not before) and (after.isspace() or not after):
            continue
        if text[start] == "_" and before.isalnum() and after.isalnum():
            continue
        yield start, end, "", 0
