"""Rules about findings: scanner rules and data protection.

Events carry the risk score of the verdict, the threats, the highest severity and the detectors,
but not each finding's confidence. ``risk`` is the highest score of a threat with confidences
weighted by severity (low 0.5, medium 0.8, else 1; see ``rune_core.verdict``), and weighting at most
halves a score. So the score that a rule compares lies between known bounds, which are often equal.
Scores are compared as events carry them, to four digits.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from rune_core.policy.globs import globs
from rune_server.policies.forecast.seen import Answer

if TYPE_CHECKING:
    from rune_core.policy.compiled_rule import CompiledRule
    from rune_core.policy.model import DataProtectionMatch, ScannerMatch
    from rune_server.policies.forecast.seen import Seen

_WEIGHTS: Final = {"low": 0.5, "medium": 0.8, "high": 1.0, "critical": 1.0}
_LEAST_WEIGHT: Final = 0.5
_DIGITS: Final = 4


def bounds(seen: Seen, threat: str) -> tuple[float, float]:
    """Between what the unweighted score of a threat lay; 0 when it was not found."""
    if threat not in seen.threats:
        return 0.0, 0.0
    most = _most(seen)
    if threat != seen.top_threat:
        return 0.0, most
    if len(seen.detectors) == 1 and len(seen.threats) == 1:
        exact = _exact(seen)
        return exact, exact
    return seen.risk, most


def compared(low: float, high: float, threshold: float) -> Answer:
    """Whether a score between bounds reaches a threshold."""
    if low >= threshold:
        return Answer.YES
    return Answer.MAYBE if high >= threshold else Answer.NO


def _exact(seen: Seen) -> float:
    """The confidence of the only finding there was."""
    return min(1.0, round(seen.risk / _WEIGHTS.get(seen.severity, 1.0), _DIGITS))


def _most(seen: Seen) -> float:
    """What no score can exceed."""
    return min(1.0, round(seen.risk / _LEAST_WEIGHT, _DIGITS))


class ScannerForecast:
    """``scanner`` rules."""

    reason = "where several detectors found something, their single scores are not in events"

    def __init__(self, rule: CompiledRule, match: ScannerMatch) -> None:
        self._threats = [threat.value for threat in match.threats]
        self._threshold = rule.threshold
        self._only = globs(match.detectors)
        self._except = globs(match.except_detectors)

    def take(self, seen: Seen) -> Answer:
        """Whether it would have matched."""
        counted = [
            detector
            for detector in seen.detectors
            if (not self._only or self._only(detector))
            and not (self._except and self._except(detector))
        ]
        if seen.detectors and not counted:
            return Answer.NO
        whole = len(counted) == len(seen.detectors)
        answers = [
            compared(*self._narrowed(bounds(seen, threat), whole=whole), self._threshold)
            for threat in self._threats
        ]
        return max(answers, key=lambda answer: answer.value, default=Answer.NO)

    def _narrowed(self, found: tuple[float, float], *, whole: bool) -> tuple[float, float]:
        return found if whole else (0.0, found[1])


class DataForecast:
    """``data_protection`` rules by names. Patterns of the author's own need the text."""

    reason = "where several detectors found something, their single scores are not in events"

    def __init__(self, rule: CompiledRule, match: DataProtectionMatch) -> None:
        self._threshold = rule.threshold
        self._threats = frozenset(threat.value for threat in match.threats)
        self._names = globs(match.names, ignore_case=True)

    def take(self, seen: Seen) -> Answer:
        """Whether it would have matched."""
        named = [detector for detector in seen.detectors if self._is_named(detector)]
        threats = self._threats & seen.threats
        if not named and not threats:
            return Answer.NO
        if len(seen.detectors) == 1 and len(seen.threats) == 1:
            return compared(_exact(seen), _exact(seen), self._threshold)
        return compared(0.0, _most(seen), self._threshold)

    def _is_named(self, detector: str) -> bool:
        if not self._names:
            return False
        if self._names(detector.casefold()):
            return True
        label = _labels().get(detector)
        return label is not None and self._names(label.casefold())


@cache
def _labels() -> dict[str, str]:
    """Labels of the built-in detectors, by id; events carry ids only."""
    from rune_scanner.rules import builtin_rules

    return {rule.id: rule.label for rule in builtin_rules().rules}
