"""What one rule is.

A rule lives in ``rules/<threat>/<id>.toml``; the cases that prove it lie beside it in
``<id>.cases.toml``. ``docs/rules.md`` describes every key for authors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from rune_scanner.rules import patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_scanner.finding import Severity, Surface, Threat


class Form(StrEnum):
    """Which form of a view a rule is matched against."""

    RAW = "raw"
    """The view's text as it stands, letter case kept: for secrets, identifiers, payloads."""
    FOLDED = "folded"
    """Normalised and lower-cased: for wording in any language."""


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: Unique, kebab-case, equal to the file's name without ``.toml``.
        title: One line for a person: what it found, without the content.
        threat: What it warns of; equal to the name of the folder.
        severity: How bad it would be if true.
        confidence: How likely a match is to be true, 0 to 1, where ``confidence_on`` is silent.
        surfaces: Where it applies.
        form: Which form of a view it reads.
        pattern: The author's pattern, in the subset that RE2 and ``re`` read alike.
        confidence_on: Confidence on single surfaces.
        label: What redaction writes in place of a match.
        validators: Names in :mod:`rune_scanner.validators` that all must accept the match.
        exclude: Patterns (same dialect, searched in the lower-cased match); one hit and the
            match is dropped: placeholders and documented samples.
        near: Words of which one must stand within ``near_chars`` of the match, lower case.
        unless_near: Words of which none may stand there.
        near_chars: Characters on either side that ``near`` and ``unless_near`` look at.
        tags: From the closed vocabulary in ``tags.toml``.
        references: Where the pattern or the format is documented.
        description: For the documentation: what it is for, what it cannot see.
        path: The file it came from.
    """

    id: str
    title: str
    threat: Threat
    severity: Severity
    confidence: float
    surfaces: frozenset[Surface]
    form: Form
    pattern: str
    confidence_on: Mapping[Surface, float] = field(default_factory=lambda: MappingProxyType({}))
    label: str = "REDACTED"
    validators: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    unless_near: tuple[str, ...] = ()
    near_chars: int = 60
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    description: str = ""
    path: str = ""

    @cached_property
    def compiled_source(self) -> str:
        """The pattern both engines compile: ``pattern`` with the author's spaces expanded."""
        return patterns.expand_spaces(self.pattern) if self.form is Form.FOLDED else self.pattern

    @cached_property
    def facts(self) -> patterns.Facts:
        """What can be read off the pattern: widths and what every match holds."""
        return patterns.analyse(self.compiled_source, lint=False)

    def lint(self) -> patterns.Facts:
        """The facts with what the dialect refuses and how a backtracking engine fares."""
        return patterns.analyse(self.compiled_source)

    @property
    def max_span(self) -> int:
        """The longest match in characters of the view; a stream must hold back that much."""
        return self.facts.max_width

    def confidence_for(self, surface: Surface) -> float:
        """The confidence of a match on ``surface``."""
        return self.confidence_on.get(surface, self.confidence)
