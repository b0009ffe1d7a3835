"""Rules as data: what a rule is, how rules are loaded, linted and proved by their cases."""

from __future__ import annotations

from rune_scanner.rules.load import RuleSet, builtin_rules, load_rules
from rune_scanner.rules.schema import Form, Rule

__all__ = ["Form", "Rule", "RuleSet", "builtin_rules", "load_rules"]
