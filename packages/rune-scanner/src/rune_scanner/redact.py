"""Cut findings out of a text, keeping everything else and, in JSON, keeping it JSON."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from secrets import token_bytes
from typing import TYPE_CHECKING, Final

from rune_scanner.finding import Finding, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_ROUNDS: Final = 8
_PROCESS_KEY: Final = token_bytes(32)
_WITHHELD: Final = "[WITHHELD]"


class RedactionStyle(StrEnum):
    """What stands in the place of what was cut."""

    LABEL = "label"
    """``[EMAIL]``: the finding's label."""
    MASK = "mask"
    """``****``: always four stars, so that the length is not told."""
    HASH = "hash"
    """``[EMAIL:3f9a01c2]``: the same text gives the same mark within one process."""
    REMOVE = "remove"
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text with findings cut out.

    Attributes:
        text: What is left. Not part of ``repr``.
        spans: What was cut in the first round, in characters of the original, merged.
        rounds: How often the text had to be scanned and cut until nothing was left to find;
            1 when no rescan was asked for or none found anything.
        withheld: Whether cutting never came to an end and the whole text was withheld.
    """

    text: str = field(repr=False)
    spans: tuple[Span, ...]
    rounds: int = 1
    withheld: bool = False


def redact(
    text: str,
    findings: Iterable[Finding],
    style: RedactionStyle | str = RedactionStyle.LABEL,
    *,
    rescan: Callable[[str], Iterable[Finding]] | None = None,
    key: bytes | None = None,
) -> Redacted:
    """Cut the spans of ``findings`` out of ``text``.

    When ``text`` is JSON, cuts stay inside its values (a cut number becomes a string), so the
    result is JSON of the same shape. Keys stay as well, unless what was found lies in a key.

    Args:
        text: The text that was scanned.
        findings: What to cut.
        style: What to put in its place.
        rescan: Finds what is left to cut in a redacted text; called until it finds nothing,
            since cutting can join what stood apart. If that does not end within
            :data:`MAX_ROUNDS`, the whole text is withheld.
        key: Key of the ``hash`` style; by default one that lives and dies with the process.

    Raises:
        ValueError: ``style`` is unknown, or a span lies outside the text.
    """
    try:
        style = RedactionStyle(style)
    except ValueError:
        names = ", ".join(RedactionStyle)
        raise ValueError(f"{style!r} is not a redaction style; one of {names}") from None
    mark = _Mark(style, key or _PROCESS_KEY)
    pending = list(findings)
    for finding in pending:
        if not 0 <= finding.span.start <= finding.span.end <= len(text):
            raise ValueError(f"span {tuple(finding.span)} lies outside the text of {len(text)}")
    first: tuple[Span, ...] = tuple(span for span, _ in _merge(pending))
    rounds = 0
    while pending:
        if rounds == MAX_ROUNDS:
            whole = json.dumps(_WITHHELD) if _is_json(text) else _WITHHELD
            return Redacted(whole, first, rounds, withheld=True)
        cuts = _merge(pending)
        after = _cut(text, cuts, mark)
        # Where values alone leave nothing to cut, the finding is in the keys: keys go too.
        text = after if after != text else _cut(text, cuts, mark, keys=True)
        rounds += 1
        pending = list(rescan(text)) if rescan is not None else []
    return Redacted(text, first, max(rounds, 1))


class _Mark:
    """Writes what stands in the place of a cut."""

    def __init__(self, style: RedactionStyle, key: bytes) -> None:
        self._style = style
        self._key = key

    def __call__(self, cut: str, label: str) -> str:
        match self._style:
            case RedactionStyle.LABEL:
                return f"[{label}]"
            case RedactionStyle.MASK:
                return "****"
            case RedactionStyle.REMOVE:
                return ""
            case RedactionStyle.HASH:
                data = cut.encode("utf-8", "surrogatepass")
                # Letters only: digits could make a new number out of old neighbours.
                digest = hmac.new(self._key, data, hashlib.sha256).digest()[:8]
                return f"[{label}:{''.join(chr(ord('a') + byte % 26) for byte in digest)}]"


def _merge(findings: Sequence[Finding]) -> list[tuple[Span, str]]:
    """Spans without overlaps, each with the label of its surest finding."""
    merged: list[tuple[Span, Finding]] = []
    for finding in sorted(findings, key=lambda f: (f.span, -f.confidence)):
        if merged and finding.span.start < merged[-1][0].end:
            span, surest = merged[-1]
            if finding.confidence > surest.confidence:
                surest = finding
            merged[-1] = (Span(span.start, max(span.end, finding.span.end)), surest)
        else:
            merged.append((finding.span, finding))
    return [(span, finding.label) for span, finding in merged]


def _cut(text: str, cuts: list[tuple[Span, str]], mark: _Mark, *, keys: bool = False) -> str:
    if _is_json(text):
        return _cut_json(text, cuts, mark, keys=keys)
    parts: list[str] = []
    position = 0
    for span, label in cuts:
        parts += (text[position : span.start], mark(text[span.start : span.end], label))
        position = span.end
    parts.append(text[position:])
    return "".join(parts)


def _is_json(text: str) -> bool:
    stripped = text.lstrip()
    if not stripped or stripped[0] not in '{["':
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}\[\],:]', re.DOTALL
)
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|.)", re.DOTALL)


_COLON: Final = re.compile(r"\s*:")


def _cut_json(text: str, cuts: list[tuple[Span, str]], mark: _Mark, *, keys: bool) -> str:
    """Cut inside values; inside a key only what lies in that key alone, or all with ``keys``."""
    parts: list[str] = []
    position = 0
    index = 0
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        while index < len(cuts) and cuts[index][0].end <= start:
            index += 1
        if index == len(cuts):
            break
        if cuts[index][0].start >= end or token[0] in "{}[],:":
            continue
        touching = []
        at = index
        while at < len(cuts) and cuts[at][0].start < end:
            touching.append(cuts[at])
            at += 1
        if not keys and token[0][0] == '"' and _COLON.match(text, end):
            touching = [cut for cut in touching if start <= cut[0].start and cut[0].end <= end]
        if not touching:
            continue
        parts.append(text[position:start])
        position = end
        if token[0][0] == '"':
            parts.append(_cut_string(text, start, end, touching, mark))
        else:
            # A number (or literal) cannot lose a part and stay what it says: it goes whole.
            parts.append(json.dumps(mark(token[0], touching[0][1])))
    parts.append(text[position:])
    return "".join(parts)


def _cut_string(text: str, start: int, end: int, cuts: list[tuple[Span, str]], mark: _Mark) -> str:
    """The JSON string token ``text[start:end]`` with ``cuts`` taken out between its quotes."""
    escapes = [match.span() for match in _ESCAPE.finditer(text, start + 1, end - 1)]
    parts = ['"']
    position = start + 1
    at = 0
    for span, label in cuts:
        low, high = max(span.start, start + 1), min(span.end, end - 1)
        while at < len(escapes) and escapes[at][1] <= low:
            at += 1
        # A cut through the middle of an escape takes the whole escape.
        if at < len(escapes) and escapes[at][0] < low:
            low = escapes[at][0]
        while at < len(escapes) and escapes[at][1] <= high:
            at += 1
        if at < len(escapes) and escapes[at][0] < high:
            high = escapes[at][1]
        low = max(low, position)
        if low >= high:
            continue
        parts += (text[position:low], mark(text[low:high], label))
        position = high
    parts += (text[position : end - 1], '"')
    return "".join(parts)
