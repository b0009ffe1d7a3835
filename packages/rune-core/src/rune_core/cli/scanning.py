"""Scan sources with a Shield and say where, in lines and columns, something was found."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rune_core.action import Action
from rune_core.cli.text import excerpt
from rune_core.cli.windows import Position, Window, windows
from rune_core.layers.base import LayerReport, LayerStatus
from rune_scanner.finding import Finding, Span, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rune_core.cli.sources import Source
    from rune_core.policy.decision import Decision
    from rune_core.result import ScanResult
    from rune_scanner import RuleSet

_SECONDS_PER_WINDOW = 120.0


@dataclass(frozen=True, slots=True)
class Located:
    """A finding, where it is and what the policy does about it.

    Attributes:
        finding: The finding; its span counts characters of the whole text.
        start: Line and column of its first character.
        end: Line and column after its last character.
        action: What the policy asks for on account of it.
        policy_rule: The policy rule that asks for it; empty when none does.
        title: What the detector says it finds.
        excerpt: What was found, cut short; None unless content was asked for.
    """

    finding: Finding
    start: Position
    end: Position
    action: Action
    policy_rule: str
    title: str
    excerpt: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Scanned:
    """One text, scanned.

    Attributes:
        source: What it was.
        surface: As what it was scanned.
        action: The strictest action over all windows.
        explanation: Why, without content.
        risk_score: The highest over all windows, 0 to 1.
        threat: The threat with that risk; None when nothing was found.
        findings: What was found, in order of position.
        reports: One per layer, the worst over all windows.
        length: Characters.
        milliseconds: Time it took.
    """

    source: Source
    surface: Surface
    action: Action
    explanation: str
    risk_score: float
    threat: Threat | None
    findings: tuple[Located, ...]
    reports: tuple[LayerReport, ...]
    length: int
    milliseconds: float

    @property
    def incomplete(self) -> tuple[LayerReport, ...]:
        """Layers that should have looked and did not finish."""
        return tuple(report for report in self.reports if report.failed)


class Guard:
    """A Shield for the command line: it records no events and loads its rules at once.

    Args:
        policies: Policy file or folder to add to the built-in policy.
        rules: Rule folders to add.
        engine: ``re2``, ``re`` or None for the better.
        style: Redaction style.
        show_content: Whether findings carry an excerpt of what was found.

    Raises:
        RuneError: Policies or settings cannot be used.
        ScannerError: Rules do not load, or the engine is not installed.
    """

    def __init__(
        self,
        *,
        policies: Path | None = None,
        rules: Sequence[Path] = (),
        engine: str | None = None,
        style: str | None = None,
        show_content: bool = False,
    ) -> None:
        from rune_core.config import ShieldConfig
        from rune_core.engine import Engine
        from rune_core.session.session import Session

        given: dict[str, Any] = {
            "local_policies_path": policies,
            "engine": engine,
            "redaction_style": style,
        }
        given = {name: value for name, value in given.items() if value is not None}
        # Files are looked at in bulk: none of them is sent to a judge.
        config = ShieldConfig(
            **given, events_enabled=False, policy_reload_seconds=0, l3_enabled=False
        )
        config = replace(
            config,
            rule_folders=(*config.rule_folders, *rules),
            scan_timeout_ms=max(config.scan_timeout_ms, _SECONDS_PER_WINDOW * 1000),
        )
        self._engine = Engine(config)
        self._session = Session(cache_size=config.cache_size)
        self._show_content = show_content
        self._thresholds = {
            (rule.policy, rule.name): float(getattr(rule.match, "threshold", 0.0))
            for rule in self._engine.policies.current().rules
        }
        if config.l1_enabled:
            # In a Shield a broken rule folder is a failed layer; here someone is looking.
            self._engine.rules_layer.scanner.compile()

    @property
    def rules(self) -> RuleSet:
        """The rules in force."""
        return self._engine.rules_layer.scanner.rules

    @property
    def engine(self) -> str:
        """What matches the rules."""
        return self._engine.rules_layer.scanner.engine

    @property
    def policy_revision(self) -> str:
        """Content hash of the policies in force."""
        return self._engine.policies.current().revision

    @property
    def faults(self) -> tuple[str, ...]:
        """What plug-ins did wrong, as sentences."""
        faults = self._engine.plugins.faults
        return tuple(f"plug-in {fault.plugin}, {fault.hook}: {fault.reason}" for fault in faults)

    def scan(self, source: Source, pieces: Iterable[str], surface: Surface) -> Scanned:
        """Scan a text of any length."""
        started = time.perf_counter()
        results: list[ScanResult] = []
        located: list[Located] = []
        length = 0
        for window in windows(pieces):
            result = self._look(window.text, surface)
            results.append(result)
            asked = asked_for(result.findings, result.decision, self._thresholds)
            located += (
                self._locate(window, finding, *why)
                for finding, why in zip(result.findings, asked, strict=True)
                if window.owns(finding.span.start)
            )
            length = window.offset + len(window.text)
        strictest = max(results, key=lambda result: result.action.rank)
        riskiest = max(results, key=lambda result: result.risk_score)
        return Scanned(
            source=source,
            surface=surface,
            action=strictest.action,
            explanation=strictest.explanation,
            risk_score=riskiest.risk_score,
            threat=strictest.threat_type or riskiest.threat_type,
            findings=tuple(sorted(located, key=lambda item: item.finding.span)),
            reports=_worst(results),
            length=length,
            milliseconds=(time.perf_counter() - started) * 1000,
        )

    def redact(self, text: str, scanned: Scanned, least: Action) -> str:
        """``text`` without what asks for ``least`` or more, and without what that leaves behind.

        Raises:
            RuneError: Cutting does not come to an end.
        """
        from rune_core.errors import RuneError

        redactor = self._engine.redactor()
        for _ in range(_MAX_ROUNDS):
            cuts = _cuts(text, scanned, least)
            if not cuts:
                return text
            text = redactor.redact(text, cuts)
            scanned = self.scan(scanned.source, (text,), scanned.surface)
        raise RuneError("redaction does not come to an end; nothing was written")

    def _look(self, text: str, surface: Surface) -> ScanResult:
        from rune_core.context import ScanContext
        from rune_core.effects import drive
        from rune_core.pipeline import Request, inspect_text
        from rune_core.values import render

        context = ScanContext(surface, self._session)
        return drive(inspect_text(Request(render(text), text, context), self._engine))

    def _locate(
        self, window: Window, finding: Finding, action: Action, policy_rule: str
    ) -> Located:
        start, end = finding.span
        return Located(
            finding=replace(finding, span=Span(start + window.offset, end + window.offset)),
            start=window.position(start),
            end=window.position(end),
            action=action,
            policy_rule=policy_rule,
            title=self._title(finding.rule_id),
            excerpt=excerpt(window.text, start, end) if self._show_content else None,
        )

    def _title(self, rule_id: str) -> str:
        rules = self.rules
        return rules[rule_id].title if rule_id in rules else f"detector {rule_id}"


_MAX_ROUNDS = 8


def asked_for(
    findings: Sequence[Finding], decision: Decision, thresholds: Mapping[tuple[str, str], float]
) -> list[tuple[Action, str]]:
    """For each finding, the strictest action asked for on its account, and by which policy rule.

    A finding below a rule's threshold counts only where none reached it alone and the sum did.

    Args:
        findings: What was found in one text.
        decision: What was decided about it.
        thresholds: By policy and rule.
    """
    asked = [(Action.ALLOW, "")] * len(findings)
    for match in decision.matches:
        if not match.acts:
            continue
        counted = [
            index
            for index, finding in enumerate(findings)
            if finding.rule_id in match.detectors and match.threat in (None, finding.threat)
        ]
        least = thresholds.get((match.policy, match.rule), 0.0)
        alone = [index for index in counted if findings[index].confidence >= least]
        for index in alone or counted:
            if match.action.rank > asked[index][0].rank:
                asked[index] = (match.action, match.rule)
    return asked


def _cuts(text: str, scanned: Scanned, least: Action) -> list[Finding]:
    from rune_core.extent import widened
    from rune_core.policy.evaluate import Cut
    from rune_core.policy.model import INSTRUCTION_THREATS, Extent

    return widened(
        text,
        [
            Cut(
                item.finding,
                Extent.PARAGRAPH if item.finding.threat in INSTRUCTION_THREATS else Extent.SPAN,
            )
            for item in scanned.findings
            if item.action.rank >= least.rank
        ],
    )


def _worst(results: Sequence[ScanResult]) -> tuple[LayerReport, ...]:
    worst: dict[str, LayerReport] = {}
    for result in results:
        for report in result.reports:
            known = worst.get(report.layer)
            if known is None or (report.failed and not known.failed):
                worst[report.layer] = report
    return tuple(worst.values())


def not_run(reports: Iterable[LayerReport]) -> dict[str, str]:
    """Layers that were skipped for another reason than the surface, and why."""
    return {
        report.layer: report.reason
        for report in reports
        if report.status is LayerStatus.SKIPPED and report.reason != "not for this surface"
    }
