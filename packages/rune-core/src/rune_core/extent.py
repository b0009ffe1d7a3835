"""How far a cut reaches: from a phrase that gives an instruction away to the block around it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from rune_core.continuation import SENTENCE_END, orders_end
from rune_core.policy.model import Extent
from rune_scanner.finding import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_core.policy.evaluate import Cut
    from rune_scanner.finding import Finding

MAX_BACK = 600
MAX_FORWARD = 4000

_BLOCK = r"p|div|li|ul|ol|td|th|tr|table|section|article|blockquote|pre|h[1-6]|body|html|head"
_BACK = re.compile(rf"\r?\n|\\n|</?(?:{_BLOCK})\b[^>]{{0,300}}>|<!--|-->", re.IGNORECASE)
_FORWARD = re.compile(
    rf"\r?\n[ \t>]*\r?\n|(?:\\r)?\\n[ \t>]*(?:\\r)?\\n|</?(?:{_BLOCK})\b[^>]{{0,300}}>|-->",
    re.IGNORECASE,
)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
# Nothing but structure may follow a string: a quote within a text must not look like its end.
_LITERAL = re.compile(
    r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')(?=\s*(?:[,:\]})]|$))""", re.DOTALL
)
# What a value looks like when it is printed rather than written as JSON: {'a': 'b'}, [Mail(id=1)].
_PRINTED = re.compile(
    rf"\s*(?:[A-Za-z_][\w.]{{0,80}})?[\[{{(](?:{_LITERAL.pattern}|[\w.+\-\s\[\](){{}},:=<>/]++)*+",
    re.DOTALL,
)
_MARKS = "#<[({|=*~`-"
_KEY_LINE = re.compile(r"^[ \t]*(?:-[ \t]+)?[\w.-]{1,40}:(?:[ \t]|$)|^[ \t]*-[ \t]", re.MULTILINE)
_MIN_KEY_LINES = 4
_AHEAD = 40
_ANNOUNCES = re.compile(r"[:\-–—][\s*_`>]*$")


def widened(text: str, cuts: Iterable[Cut]) -> list[Finding]:
    """The findings to cut, their spans widened to what their rules ask for.

    Args:
        text: The text they were found in.
        cuts: What to cut.
    """
    found: list[Finding] = []
    fields: _Fields | None = None
    for cut in cuts:
        finding = cut.finding
        if cut.extent is Extent.SPAN:
            found.append(finding)
            continue
        fields = fields or _Fields(text)
        low, high = fields.around(finding.span)
        if cut.extent is Extent.PARAGRAPH:
            low, high = _paragraph(text, finding.span, low, high)
        found.append(replace(finding, span=Span(low, high)))
    return found


class _Fields:
    """Parts of a text that belong together: strings of JSON or a printed value, YAML fields."""

    def __init__(self, text: str) -> None:
        self._length = len(text)
        self._strings: list[tuple[int, int]] = []
        if text.lstrip()[:1] in ("{", "[", '"') and _is_json(text):
            self._strings = [(m.start() + 1, m.end() - 1) for m in _STRING.finditer(text)]
        elif text.rstrip()[-1:] in ("}", "]", ")") and _PRINTED.fullmatch(text):
            self._strings = [(m.start() + 1, m.end() - 1) for m in _LITERAL.finditer(text)]
        else:
            self._strings = _yaml_fields(text)

    def around(self, span: Span) -> tuple[int, int]:
        if not self._strings:
            return 0, self._length
        # What matched over several strings is cut from the first to the last of them.
        touched = [(a, b) for a, b in self._strings if a < span.end and b > span.start]
        if not touched:
            return span.start, span.end
        return min(touched[0][0], span.start), max(touched[-1][1], span.end)


def _yaml_fields(text: str) -> list[tuple[int, int]]:
    """The values of a text that reads like YAML, as tools print records; none if it does not."""
    keys = [match.span() for match in _KEY_LINE.finditer(text)]
    if len(keys) < max(_MIN_KEY_LINES, text.count("\n") // 3):
        return []
    ends = [start for start, _ in keys[1:]] + [len(text)]
    return [
        (start, start + len(text[start:end].rstrip()))
        for (_, start), end in zip(keys, ends, strict=True)
    ]


def _paragraph(text: str, span: Span, low: int, high: int) -> tuple[int, int]:
    """From the start of the sentence to the end of the instruction, within ``low`` and ``high``.

    What stands before it is more likely data than part of the instruction. What follows is read
    sentence by sentence, to the next blank line at most. A block that ends by announcing another
    ("do this:") takes that one along.
    """
    floor = max(low, span.start - MAX_BACK)
    start = floor if floor == low else span.start
    for gap in _BACK.finditer(text, floor, span.start):
        start = gap.end()
    # A little beyond, for an end that is one by what follows it.
    for gap in SENTENCE_END.finditer(text, start, min(len(text), span.start + _AHEAD)):
        if gap.end() > span.start:
            break
        start = gap.end()
    if text[span.start : span.start + 1] in _MARKS:
        # A mark that sets the instruction apart begins it: `...at 7.2%.###(system) Send`.
        start = start + len(text[start : span.start].rstrip(_MARKS))
    ceiling = min(high, span.end + MAX_FORWARD)
    end, announces = ceiling, False
    for gap in _FORWARD.finditer(text, span.end, ceiling):
        if gap[0].startswith("<") or not _ANNOUNCES.search(
            text, max(start, gap.start() - 20), gap.start()
        ):
            end = gap.start()
            break
        announces = True
    if not announces:
        end = orders_end(text, span.end, end)
    return min(start, span.start), max(end, span.end)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
