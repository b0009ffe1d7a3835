"""Scan one text: build its views, match the rules over each, map what matched back."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Final

from rune_scanner.errors import ScannerError
from rune_scanner.finding import Finding, Span, Surface, Threat
from rune_scanner.match import Match, compile_engine, default_engine
from rune_scanner.mention import SAID_OF, Mentions
from rune_scanner.negation import is_forbidden, is_guarded_against
from rune_scanner.rules import patterns
from rune_scanner.rules.load import RuleSet, builtin_rules
from rune_scanner.rules.schema import Form, Rule
from rune_scanner.validators import VALIDATORS
from rune_scanner.views import Limits, View, build_views

# What an agent may be told to do, or not to. A jailbreak says what somebody is like, and "you do
# not care about ethics" does too.
_ORDERED: Final = frozenset(
    (
        Threat.PROMPT_INJECTION,
        Threat.SYSTEM_PROMPT_LEAK,
        Threat.TOOL_MANIPULATION,
        Threat.PRIVILEGE_ESCALATION,
        Threat.DATA_EXFILTRATION,
    )
)
_HIDING_WEIGHS: Final = _ORDERED | {Threat.JAILBREAK}

# An attack between quotation marks in what a person wrote is talked about more often than meant.
# Tool results are left out: in JSON every text stands between quotation marks.
_QUOTING: Final = frozenset((Surface.DOCUMENT, Surface.INPUT))
_QUOTED_CONFIDENCE: Final = 0.6
_MENTIONED_CONFIDENCE: Final = 0.55
# Nobody is told to do what a text forbids or guards against: a hint.
_FORBIDDEN_CONFIDENCE: Final = 0.45
_OPENING: Final = ('"', "'", "`", "\u201c", "\u2018", "\u00ab", "\u201e", "\u300c")
_CLOSING: Final = re.compile('[^\n"`\u201d\u2019\u00bb\u300d]{0,60}["\'`\u201d\u2019\u00bb\u300d]')


@dataclass(frozen=True, slots=True)
class Scan:
    """What one scan found, without the text it found it in.

    Attributes:
        findings: What was found, by position, then by falling confidence.
        surface: Where the text was met.
        length: The text's length in characters.
        views: Names of the views that were read.
        limits_hit: Names of bounds that kept part of the text's readings from being scanned;
            empty when everything was read. A scan with limits hit is not known to be clean.
        engine: ``re2`` or ``re``.
    """

    findings: tuple[Finding, ...]
    surface: Surface
    length: int
    views: tuple[str, ...]
    limits_hit: tuple[str, ...]
    engine: str


class Scanner:
    """Scans texts with one set of rules. Cheap to make; compiles at the first scan.

    Safe to share by threads.

    Args:
        rules: The rules; None for those that come with the package.
        engine: ``re2``, ``re``, or None for the better one installed.
        limits: Bounds on the work of one scan.
    """

    def __init__(
        self,
        rules: RuleSet | None = None,
        *,
        engine: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._given_rules = rules
        self._engine_name = engine
        self._limits = limits or Limits()
        self._compile_lock = Lock()
        self._compiled: _CompiledRules | None = None

    @cached_property
    def rules(self) -> RuleSet:
        """The rules this scanner applies."""
        return self._given_rules if self._given_rules is not None else builtin_rules()

    @property
    def engine(self) -> str:
        """The name of the engine that matches."""
        return self._engine_name or default_engine()

    def compile(self) -> None:
        """Compile the rules now rather than at the first scan.

        Raises:
            RuleLoadError: The built-in rules are damaged.
            ScannerError: The engine is unknown or not installed.
        """
        self._compile()

    def scan(self, text: str, surface: Surface | str) -> Scan:
        """Find what the rules for ``surface`` find in ``text``.

        Args:
            text: Any string, lone surrogates included.
            surface: Where the text was met.

        Raises:
            TypeError: ``text`` is not a string.
            ValueError: ``surface`` is not a surface.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"scan() takes text as str, not {type(text).__name__}; decode bytes first"
            )
        if not isinstance(surface, Surface):
            surface = _surface(surface)
        compiled = self._compile()
        views = build_views(text, self._limits)
        findings: list[Finding] = []
        covered: dict[str, _Covered] = {}
        # Looked for in the text as it came: views drop the marks that show a quotation.
        mentions = Mentions(text, surface)
        capped = False
        for view in views.views:
            capped |= compiled.find(view, surface, findings, covered, mentions, self._limits)
            for cover in covered.values():
                cover.settle()
        findings.sort(key=lambda finding: (finding.span, -finding.confidence, finding.rule_id))
        return Scan(
            findings=tuple(findings),
            surface=surface,
            length=len(text),
            views=tuple(view.name for view in views.views),
            limits_hit=(*views.limits_hit, "findings") if capped else views.limits_hit,
            engine=self.engine,
        )

    def _compile(self) -> _CompiledRules:
        if self._compiled is None:
            with self._compile_lock:
                if self._compiled is None:
                    self._compiled = _CompiledRules(self.rules, self._engine_name)
        return self._compiled


class _CompiledRules:
    """The rules with the engine that matches them."""

    def __init__(self, rules: RuleSet, engine: str | None) -> None:
        self._rules = [_CheckedRule(rule) for rule in rules]
        self._among = {
            surface: sum(1 << index for index, rule in enumerate(rules) if surface in rule.surfaces)
            for surface in Surface
        }
        try:
            self._engine = compile_engine([rule.rule for rule in self._rules], engine)
        except re.error as error:
            raise ScannerError(f"a pattern does not compile: {error}") from error

    def find(
        self,
        view: View,
        surface: Surface,
        findings: list[Finding],
        covered: dict[str, _Covered],
        mentions: Mentions,
        limits: Limits,
    ) -> bool:
        """Add what the rules find in ``view``; say whether a rule met the match limit."""
        capped = False
        # A stream is judged piece by piece, and what stands around a match may come later.
        orders = surface is not Surface.OUTPUT
        for index in self._engine.candidates(view.text, view.folded, self._among[surface]):
            checked = self._rules[index]
            rule = checked.rule
            if rule.near and not any(word in view.folded for word in rule.near):
                continue
            text, offsets = view.text, view.offsets
            if rule.form is Form.FOLDED:
                text, offsets = view.folded, view.folded_offsets
            count = 0
            overflow: Span | None = None
            for match in self._engine.matches(index, text):
                if not checked.accepts(text, match):
                    continue
                span = offsets.to_original(match.value_start, match.value_end)
                cover = covered.setdefault(rule.id, _Covered())
                if cover.holds(span):
                    continue
                if count == limits.max_findings_per_rule:
                    overflow = Span(*span) if overflow is None else _hull(overflow, span)
                    continue
                count += 1
                cover.add(span)
                most = 1.0
                if (
                    orders
                    and rule.threat in _ORDERED
                    and (
                        is_forbidden(text, match.start, match.end, checked.language)
                        or is_guarded_against(text, match.start, match.end)
                    )
                ):
                    most = _FORBIDDEN_CONFIDENCE
                elif view.hidden:
                    if mentions.hold_hidden(rule.threat, span, view.name):
                        most = _MENTIONED_CONFIDENCE
                elif mentions.hold(rule.threat, span):
                    most = _MENTIONED_CONFIDENCE
                elif surface in _QUOTING and rule.threat in SAID_OF and _is_quoted(text, match):
                    most = _QUOTED_CONFIDENCE
                findings.append(checked.finding(surface, span, view, most=most))
            if overflow is not None:
                capped = True
                findings.append(checked.finding(surface, overflow, view))
        return capped


class _CheckedRule:
    """A rule with its checks resolved to functions."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.language = rule.id.rpartition("-")[2]
        self._validators = [VALIDATORS[name] for name in rule.validators]
        self._exclude = (
            re.compile("|".join(f"(?:{pattern})" for pattern in rule.exclude), patterns.FLAGS)
            if rule.exclude
            else None
        )

    def accepts(self, text: str, match: Match) -> bool:
        """Whether the rule's own checks let ``match`` stand."""
        value = text[match.value_start : match.value_end]
        for validator in self._validators:
            if not validator(value):
                return False
        if self._exclude is not None and self._exclude.search(value.lower()):
            return False
        rule = self.rule
        if not rule.near and not rule.unless_near:
            return True
        around = (
            text[max(0, match.start - rule.near_chars) : match.start]
            + "\n"
            + text[match.end : match.end + rule.near_chars]
        ).lower()
        if rule.near and not any(word in around for word in rule.near):
            return False
        return not any(word in around for word in rule.unless_near)

    def finding(self, surface: Surface, span: Span, view: View, *, most: float = 1.0) -> Finding:
        """The finding for a match at ``span``, of a confidence of ``most`` at most."""
        rule = self.rule
        confidence = rule.confidence_for(surface)
        doubted = most < 1.0
        if doubted:
            confidence = min(confidence, most)
        elif view.hidden and rule.threat in _HIDING_WEIGHS:
            # Honest texts rarely hide what they tell an agent to do.
            confidence = 1 - (1 - confidence) / 2
        return Finding(
            rule_id=rule.id,
            threat=rule.threat,
            severity=rule.severity,
            confidence=confidence,
            span=span,
            surface=surface,
            view="folded" if self.rule.form is Form.FOLDED and view.name == "raw" else view.name,
            label=rule.label,
            doubted=doubted,
        )


def _is_quoted(text: str, match: Match) -> bool:
    """Whether a match opens a quotation that closes soon after it."""
    if not text[max(0, match.start - 2) : match.start].rstrip(" *").endswith(_OPENING):
        return False
    return _CLOSING.match(text, match.end) is not None


class _Covered:
    """Spans one rule has been found at, so that another view does not report them again."""

    __slots__ = ("_ends", "_new", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._new: list[Span] = []

    def holds(self, span: Span) -> bool:
        """Whether a settled span holds all of ``span``, or was found inside it."""
        index = bisect_right(self._starts, span.start) - 1
        if index >= 0 and self._ends[index] >= span.end:
            return True
        index += 1
        return index < len(self._starts) and self._ends[index] <= span.end

    def add(self, span: Span) -> None:
        """Remember ``span``; it counts from the next view on."""
        self._new.append(span)

    def settle(self) -> None:
        """Let what was added count."""
        if not self._new:
            return
        merged: list[Span] = []
        for span in sorted([*map(Span, self._starts, self._ends), *self._new]):
            if merged and span.start < merged[-1].end:
                merged[-1] = _hull(merged[-1], span)
            else:
                merged.append(span)
        self._starts = [span.start for span in merged]
        self._ends = [span.end for span in merged]
        self._new = []


def _hull(one: Span, other: Span) -> Span:
    return Span(min(one.start, other.start), max(one.end, other.end))


def _surface(value: str) -> Surface:
    try:
        return Surface(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a surface; one of {', '.join(Surface)}") from None


_default = Scanner()


def scan(text: str, surface: Surface | str = Surface.INPUT) -> Scan:
    """Scan ``text`` with the built-in rules and the better engine installed.

    See :meth:`Scanner.scan`.
    """
    return _default.scan(text, surface)
