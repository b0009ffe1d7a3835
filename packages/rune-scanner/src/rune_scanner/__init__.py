"""Rune's first layer: find attacks, secrets and personal data in a text by rules.

``scan(text, surface)`` reads a text in every way an attack could hide in it (views), matches
rules over each reading and returns findings with true spans. ``redact`` cuts them out.
Standard library only; google-re2 is used when it is installed.
"""

from __future__ import annotations

from rune_scanner.errors import RuleError, RuleLoadError, ScannerError
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat
from rune_scanner.redact import Redacted, RedactionStyle, redact
from rune_scanner.rules.load import RuleSet, builtin_rules, load_rules
from rune_scanner.rules.schema import Form, Rule
from rune_scanner.scan import Scan, Scanner, scan
from rune_scanner.views import Limits

__all__ = [
    "Finding",
    "Form",
    "Limits",
    "Redacted",
    "RedactionStyle",
    "Rule",
    "RuleError",
    "RuleLoadError",
    "RuleSet",
    "Scan",
    "Scanner",
    "ScannerError",
    "Severity",
    "Span",
    "Surface",
    "Threat",
    "builtin_rules",
    "load_rules",
    "redact",
    "scan",
]
