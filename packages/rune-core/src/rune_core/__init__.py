"""Rune guards LLM agents from inside their own process.

::

    from rune_core import Shield

    shield = Shield()
    result = shield.scan_tool_result(text, tool="read_mail")
    result.action, result.explanation
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rune_core.action import Action, OnBlock
    from rune_core.config import ShieldConfig
    from rune_core.context import ScanContext
    from rune_core.coverage import Coverage
    from rune_core.effects import ApprovalRequest
    from rune_core.errors import (
        ConfigError,
        PluginError,
        PolicyError,
        PolicyLoadError,
        RulesError,
        RuneError,
        ShieldBlockedError,
        ShieldClosedError,
        UnguardableError,
    )
    from rune_core.guarded import GuardedCall, GuardedText, GuardedValue
    from rune_core.hookspecs import hookimpl
    from rune_core.layers.base import Found, LayerReport, LayerStatus
    from rune_core.policy.decision import Decision, RuleMatch
    from rune_core.result import ScanResult
    from rune_core.session.session import Session
    from rune_core.shield import Shield
    from rune_core.stats import Stats
    from rune_core.verdict import Verdict
    from rune_scanner.finding import Finding, Severity, Span, Surface, Threat

_HOME = {
    "Action": "rune_core.action",
    "ApprovalRequest": "rune_core.effects",
    "ConfigError": "rune_core.errors",
    "Coverage": "rune_core.coverage",
    "Decision": "rune_core.policy.decision",
    "Finding": "rune_scanner.finding",
    "Found": "rune_core.layers.base",
    "GuardedCall": "rune_core.guarded",
    "GuardedText": "rune_core.guarded",
    "GuardedValue": "rune_core.guarded",
    "LayerReport": "rune_core.layers.base",
    "LayerStatus": "rune_core.layers.base",
    "OnBlock": "rune_core.action",
    "PluginError": "rune_core.errors",
    "PolicyError": "rune_core.errors",
    "PolicyLoadError": "rune_core.errors",
    "RuleMatch": "rune_core.policy.decision",
    "RulesError": "rune_core.errors",
    "RuneError": "rune_core.errors",
    "ScanContext": "rune_core.context",
    "ScanResult": "rune_core.result",
    "Session": "rune_core.session.session",
    "Severity": "rune_scanner.finding",
    "Shield": "rune_core.shield",
    "ShieldBlockedError": "rune_core.errors",
    "ShieldClosedError": "rune_core.errors",
    "ShieldConfig": "rune_core.config",
    "Span": "rune_scanner.finding",
    "Stats": "rune_core.stats",
    "Surface": "rune_scanner.finding",
    "Threat": "rune_scanner.finding",
    "UnguardableError": "rune_core.errors",
    "Verdict": "rune_core.verdict",
    "hookimpl": "rune_core.hookspecs",
}

__all__ = [
    "Action",
    "ApprovalRequest",
    "ConfigError",
    "Coverage",
    "Decision",
    "Finding",
    "Found",
    "GuardedCall",
    "GuardedText",
    "GuardedValue",
    "LayerReport",
    "LayerStatus",
    "OnBlock",
    "PluginError",
    "PolicyError",
    "PolicyLoadError",
    "RuleMatch",
    "RulesError",
    "RuneError",
    "ScanContext",
    "ScanResult",
    "Session",
    "Severity",
    "Shield",
    "ShieldBlockedError",
    "ShieldClosedError",
    "ShieldConfig",
    "Span",
    "Stats",
    "Surface",
    "Threat",
    "UnguardableError",
    "Verdict",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``import rune_core`` stays light."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
