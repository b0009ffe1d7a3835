"""What the judge is asked about: cut to size around what raised the doubt, secrets taken out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rune_core.ids import cache_digest
from rune_core.session.sources import Trust
from rune_scanner.finding import Finding, Span, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rune_core.context import ScanContext

SECRET: Final = "[SECRET]"
GAP: Final = "\n[...]\n"
_AROUND: Final = 600
"""Characters on each side of a finding that are shown with it."""
_ASKED_CHARS: Final = 2_000
_ROUNDS: Final = 4

FindSecrets = "Callable[[str], Iterable[Finding]]"


class UncutSecretError(Exception):
    """A secret is still there after it was cut; nothing may be sent."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the judge.

    Attributes:
        surface: Where the text was met.
        text: The text, or the arguments as JSON: what of it fits, without secrets. Not part of
            ``repr``, like all that holds content.
        asked: For a tool call: what the user asked for, oldest first; empty when not known.
        tool: The tool that is called or that answered.
        spans: Where in the whole text the doubt lies.
        left_out: Characters of the text that are not shown.
    """

    surface: Surface
    text: str = field(repr=False)
    asked: tuple[str, ...] = field(default=(), repr=False)
    tool: str | None = None
    spans: tuple[Span, ...] = ()
    left_out: int = 0

    def key(self, revision: str) -> bytes:
        """Stands for the question in this process, and means nothing outside."""
        parts = (revision, self.surface, self.tool or "", *self.asked, self.text)
        return cache_digest("\0".join(f"{len(part)}:{part}" for part in parts))


def question_about(
    text: str,
    context: ScanContext,
    doubted: Sequence[Finding],
    secrets_in: Callable[[str], Iterable[Finding]],
    max_chars: int,
) -> Question:
    """Put a question together.

    Args:
        text: The whole text.
        context: Where it came from; its session knows what the user asked for.
        doubted: The findings that raised the doubt; empty when a policy asks.
        secrets_in: Finds what must not be sent.
        max_chars: Characters of the text that may be shown.

    Raises:
        UncutSecretError: A secret cannot be cut out.
    """
    spans = tuple(dict.fromkeys(finding.span for finding in doubted))
    windows = _windows(len(text), spans, max_chars)
    secrets = [finding.span for finding in _secrets(secrets_in(text))]
    shown = GAP.join(_without(text, window, secrets) for window in windows)
    asked: tuple[str, ...] = ()
    if context.surface is Surface.TOOL_CALL and context.session.sources is not None:
        asked = tuple(
            _clean(_shortened(words), secrets_in)
            for words in _last_words(
                source.text for source in context.session.sources if source.trust is Trust.USER
            )
        )
    return Question(
        surface=context.surface,
        text=_clean(shown, secrets_in),
        asked=asked,
        tool=context.tool,
        spans=spans,
        left_out=len(text) - sum(end - start for start, end in windows),
    )


def _secrets(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.threat is Threat.SECRET_EXPOSURE]


def _windows(length: int, spans: Sequence[Span], most: int) -> list[Span]:
    """Stretches of a text of ``length`` that hold the spans and have ``most`` characters."""
    if length <= most:
        return [Span(0, length)]
    if not spans:
        return [Span(0, most // 2), Span(length - most // 2, length)]
    around = min(_AROUND, max(0, most // 4))
    merged: list[Span] = []
    left = most
    for span in sorted(spans):
        if left <= 0:
            break
        start = max(0, span.start - around, merged[-1].end if merged else 0)
        end = min(length, max(span.end, start) + around, start + left)
        if end <= start:
            continue
        left -= end - start
        if merged and start == merged[-1].end:
            merged[-1] = Span(merged[-1].start, end)
        else:
            merged.append(Span(start, end))
    return merged


def _without(text: str, window: Span, secrets: Iterable[Span]) -> str:
    """A stretch of ``text``; a secret that reaches into it is left out whole."""
    parts: list[str] = []
    at = window.start
    for start, end in sorted(secrets):
        if end <= at or start >= window.end:
            continue
        parts += (text[at : max(start, at)], SECRET)
        at = min(max(end, at), window.end)
    parts.append(text[at : window.end])
    return "".join(parts)


def _clean(text: str, secrets_in: Callable[[str], Iterable[Finding]]) -> str:
    """``text`` without secrets: cutting one can join what stood apart, so it is looked at again."""
    for _ in range(_ROUNDS):
        found = [finding.span for finding in _secrets(secrets_in(text))]
        if not found:
            return text
        text = _without(text, Span(0, len(text)), found)
    raise UncutSecretError


def _last_words(texts: Iterable[str]) -> list[str]:
    kept: list[str] = []
    room = _ASKED_CHARS
    for text in reversed(list(texts)):
        if room <= 0:
            break
        kept.append(text)
        room -= len(text)
    return kept[::-1]


def _shortened(text: str) -> str:
    half = _ASKED_CHARS // 2
    return text if len(text) <= _ASKED_CHARS else text[:half] + GAP + text[-half:]
