"""The scanner's vocabulary: surfaces, threats, severities, spans and findings.

A finding says *where* and *what*, never the text itself, so a finding may be logged, sent
and shown without leaking what was scanned.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Surface(StrEnum):
    """Where a text was met. A closed set, shared by rules, policies, events and the dashboard."""

    INPUT = "input"
    OUTPUT = "output"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    DOCUMENT = "document"
    TOOL_DEFINITION = "tool_definition"
    HANDOFF = "handoff"


class Threat(StrEnum):
    """What a finding warns of. A closed set."""

    PROMPT_INJECTION = "prompt_injection"
    JAILBREAK = "jailbreak"
    DATA_EXFILTRATION = "data_exfiltration"
    SECRET_EXPOSURE = "secret_exposure"
    PII_EXPOSURE = "pii_exposure"
    SYSTEM_PROMPT_LEAK = "system_prompt_leak"
    TOOL_MANIPULATION = "tool_manipulation"
    COMMAND_INJECTION = "command_injection"
    PRIVILEGE_ESCALATION = "privilege_escalation"
    POLICY_VIOLATION = "policy_violation"


class Severity(StrEnum):
    """How bad it is if the finding is true (confidence says how likely it is)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical, for comparing."""
        return _SEVERITY_RANK[self]


_SEVERITY_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class Span(NamedTuple):
    """A half-open range of characters, ``[start, end)``, in the text the caller passed."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that one rule (or model) found at one place.

    Attributes:
        rule_id: The rule's or model's id.
        threat: What it warns of.
        severity: How bad it would be.
        confidence: How likely it is to be true, 0 to 1, on this surface.
        span: Where, in characters of the text as the caller passed it. This is what
            redaction cuts.
        surface: Where the text was met.
        layer: ``l1_rules``, ``l2_vector`` or ``l3_judge``.
        view: The name of the view in which it matched: ``raw``, ``folded``, ``base64``, …;
            nested decodings are joined with ``>``: ``base64>url``.
        label: What redaction writes in its place, such as ``EMAIL`` or ``INJECTION``.
        doubted: It stands in a quotation, as what is talked about does, or is forbidden: its
            confidence is lower than its rule's, and it lends no weight to other findings.
    """

    rule_id: str
    threat: Threat
    severity: Severity
    confidence: float
    span: Span
    surface: Surface
    layer: str = "l1_rules"
    view: str = "raw"
    label: str = "REDACTED"
    doubted: bool = False
