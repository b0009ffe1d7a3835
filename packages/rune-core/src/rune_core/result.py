"""What a scan returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rune_core.action import Action
from rune_core.layers.base import LayerReport, LayerStatus
from rune_scanner.finding import Surface, Threat

if TYPE_CHECKING:
    from rune_core.policy.decision import Decision
    from rune_core.session.call import CallFacts
    from rune_core.verdict import Verdict
    from rune_scanner.finding import Finding


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Everything known about one text or call. Its ``repr`` holds no content.

    Attributes:
        surface: Where the text was met.
        decision: What is done about it and why; always present.
        verdict: The scores.
        findings: What was found, with spans that count characters of ``scanned_length``.
        reports: One per layer: whether it ran, and if not, why.
        sanitized_content: The text to use instead, with what redact rules matched cut out; None
            when nothing was cut. For values that are no text, the JSON of them.
        sanitized_value: The same for values that are no text: the value with the same shape and
            the texts in it cut; None when nothing was cut.
        scanned_length: Characters scanned.
        scan_latency_ms: Time from call to return, in milliseconds.
        cached: True when findings and reports come from an earlier scan of the same text.
        call: For tool calls: where the arguments came from and who asked for the call; None when
            no rule needed to know.
    """

    surface: Surface
    decision: Decision
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reports: tuple[LayerReport, ...] = ()
    sanitized_content: str | None = field(default=None, repr=False)
    sanitized_value: object = field(default=None, repr=False)
    scanned_length: int = 0
    scan_latency_ms: float = 0.0
    cached: bool = False
    call: CallFacts | None = field(default=None, repr=False)

    @property
    def action(self) -> Action:
        """What is done: ``allow``, ``flag``, ``redact``, ``ask`` or ``block``."""
        return self.decision.action

    @property
    def blocked(self) -> bool:
        """True when the action is ``block``."""
        return self.decision.action is Action.BLOCK

    @property
    def policy_result(self) -> Decision:
        """The decision, under the name that ShieldBlockedError uses."""
        return self.decision

    @property
    def risk_score(self) -> float:
        """0 to 1, weighted by severity."""
        return self.verdict.risk_score

    @property
    def threat_type(self) -> Threat | None:
        """The threat that decided; where none did, the one with the highest risk.

        None when nothing was found. A text may tell an account number and give orders: it is
        blocked over the orders, though the number is the surer find.
        """
        return self.decision.threat or self.verdict.threat_type

    @property
    def threats_detected(self) -> tuple[Threat, ...]:
        """Every threat found, highest risk first."""
        return tuple(self.verdict.scores)

    @property
    def explanation(self) -> str:
        """Why the decision is what it is, without content."""
        return self.decision.explanation

    @property
    def degraded(self) -> bool:
        """True when a layer failed or timed out: no findings then do not mean clean."""
        return self.verdict.degraded

    @property
    def layers_executed(self) -> tuple[str, ...]:
        """Names of the layers that really ran."""
        return tuple(report.layer for report in self.reports if report.status is LayerStatus.RAN)

    @property
    def pii_detected(self) -> bool:
        """True when personal data was found."""
        return Threat.PII_EXPOSURE in self.verdict.scores

    @property
    def secrets_detected(self) -> bool:
        """True when a secret was found."""
        return Threat.SECRET_EXPOSURE in self.verdict.scores

    @property
    def l1_result(self) -> str:
        """``pass``, ``flag``, ``block``, ``skipped`` or ``error`` for the rules layer."""
        return self._layer_result("l1_rules")

    @property
    def l2_result(self) -> str:
        """The same for the vector layer."""
        return self._layer_result("l2_vector")

    @property
    def l3_result(self) -> str:
        """The same for the judge."""
        return self._layer_result("l3_judge")

    @property
    def judge_outcome(self) -> str | None:
        """What became of asking the judge: a ``JudgeOutcome``; None when there is no judge.

        ``agreed``, ``disagreed``, ``timeout``, ``error``, ``over_budget``, ``not_asked`` or
        ``later``.
        """
        report = next((report for report in self.reports if report.layer == "l3_judge"), None)
        return (report.outcome or None) if report is not None else None

    def _layer_result(self, layer: str) -> str:
        report = next((report for report in self.reports if report.layer == layer), None)
        if report is None or report.status is LayerStatus.SKIPPED:
            return "skipped"
        if report.failed:
            return "error"
        found = {finding.rule_id for finding in self.findings if finding.layer == layer}
        counted = [
            match.action
            for match in self.decision.matches
            if match.acts and found.intersection(match.detectors)
        ]
        if any(action.rank >= Action.ASK.rank for action in counted):
            return "block"
        return "flag" if any(action is not Action.ALLOW for action in counted) else "pass"
