"""The verdict: a pure fold of findings and reports into scores.

Per threat, with the confidences of its distinct rules in falling order ``c1 ≥ c2 ≥ …``::

    score = 1 - (1 - c1) · Π (1 - 0.25·ci)   for i ≥ 2

The surest rule counts in full, each further rule a quarter, and the same rule matching twice
counts once: ten copies of one phrase are not ten reasons. A doubted finding (an attack that is
quoted) counts only as the surest one: a text that quotes many attacks is about attacks. No term can
lower the product's complement, so more evidence never lowers a score. ``risk_score`` is the highest
such score with each confidence weighted by severity: an e-mail address that is certainly there is
no great risk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rune_scanner.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rune_core.layers.base import LayerReport
    from rune_scanner.finding import Finding, Threat

_FURTHER_RULE_WEIGHT = 0.25
_SEVERITY_WEIGHT = {
    Severity.LOW: 0.5,
    Severity.MEDIUM: 0.8,
    Severity.HIGH: 1.0,
    Severity.CRITICAL: 1.0,
}


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one rule, model, signature or judge adds to the score of its threat.

    Attributes:
        threat: The threat.
        layer: The layer that found it.
        rule_id: What in the layer did.
        confidence: The highest confidence it found it with, 0 to 1, not weighted by severity.
        share: What it adds to what the surer ones make already. The shares of one threat add up
            to its score.
    """

    threat: Threat
    layer: str
    rule_id: str
    confidence: float
    share: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the findings and reports add up to.

    Attributes:
        risk_score: 0 to 1, weighted by severity.
        threat_type: The threat with the highest risk; None without findings.
        scores: Per threat found, its unweighted score, 0 to 1, highest risk first. Policies
            compare their thresholds with these.
        severity: The highest severity found; None without findings.
        degraded: True when a layer that should have looked did not finish.
        contributions: What each rule added to the score of its threat, threats in the order of
            ``scores``, surest first.
    """

    risk_score: float = 0.0
    threat_type: Threat | None = None
    scores: Mapping[Threat, float] = field(default_factory=dict)
    severity: Severity | None = None
    degraded: bool = False
    contributions: tuple[Contribution, ...] = ()


def fold(findings: Iterable[Finding], reports: Iterable[LayerReport] = ()) -> Verdict:
    """Add findings and reports up. Their order does not matter."""
    degraded = any(report.failed for report in reports)
    by_threat: dict[Threat, list[Finding]] = {}
    for finding in findings:
        by_threat.setdefault(finding.threat, []).append(finding)
    if not by_threat:
        return Verdict(degraded=degraded)
    ranked = sorted(
        ((_combine(_weighted(group)), score(group), threat) for threat, group in by_threat.items()),
        key=lambda item: (-item[0], -item[1], item[2]),
    )
    severity = max(
        (finding.severity for group in by_threat.values() for finding in group),
        key=lambda level: level.rank,
    )
    return Verdict(
        risk_score=ranked[0][0],
        threat_type=ranked[0][2],
        scores={threat: unweighted for _, unweighted, threat in ranked},
        severity=severity,
        degraded=degraded,
        contributions=tuple(
            part for _, _, threat in ranked for part in _contributions(by_threat[threat])
        ),
    )


def _contributions(findings: Iterable[Finding]) -> Iterable[Contribution]:
    surest: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda f: (-f.confidence, f.layer)):
        surest.setdefault(finding.rule_id, finding)
    reached = 0.0
    counted: list[tuple[float, bool]] = []
    for rule_id, finding in sorted(surest.items(), key=lambda item: (-item[1].confidence, item[0])):
        counted.append((finding.confidence, finding.doubted))
        total = _combine(counted)
        yield Contribution(
            finding.threat, finding.layer, rule_id, finding.confidence, max(0.0, total - reached)
        )
        reached = total


def score(findings: Iterable[Finding]) -> float:
    """The unweighted score, 0 to 1, of findings that warn of one threat."""
    return _combine(_surest((finding, finding.confidence) for finding in findings))


def _weighted(findings: Iterable[Finding]) -> Iterable[tuple[float, bool]]:
    return _surest(
        (finding, finding.confidence * _SEVERITY_WEIGHT[finding.severity]) for finding in findings
    )


def _surest(findings: Iterable[tuple[Finding, float]]) -> Iterable[tuple[float, bool]]:
    """The highest confidence of each rule, and whether that finding is doubted."""
    best: dict[str, tuple[float, bool]] = {}
    for finding, confidence in findings:
        known = best.get(finding.rule_id)
        if known is None or confidence > known[0]:
            best[finding.rule_id] = (confidence, finding.doubted)
    return best.values()


def _combine(counted: Iterable[tuple[float, bool]]) -> float:
    """The score of confidences, of which doubted ones lend no weight to others."""
    ranked = sorted(counted, reverse=True)
    if not ranked:
        return 0.0
    first = ranked[0][0]
    doubt = 1.0 - first
    for confidence, doubted in ranked[1:]:
        if not doubted:
            doubt *= 1.0 - _FURTHER_RULE_WEIGHT * confidence
    # Rounding must not put a score below its surest rule: 1 - (1 - c) can be less than c.
    return max(first, min(1.0, 1.0 - doubt))
