"""Which parts of the guard are on: one Shield for each row of the report."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import yaml

from rune_core import Shield, ShieldConfig
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RISK: Final = ' && risk != "low"'


def _call_rules() -> dict[str, str]:
    """The conditions of the built-in rules about calls, by name."""
    text = (files("rune_core") / "policy" / "default.yaml").read_text(encoding="utf-8")
    rules = yaml.safe_load(text)["rules"]
    return {rule["name"]: rule["when"] for rule in rules if rule.get("type") == "tool_call"}


def _instead(conditions: Mapping[str, str]) -> str:
    """A policy with other conditions for built-in rules about calls; ``false`` never matches."""
    rules = [
        {"name": name, "type": "tool_call", "when": when, "action": "ask", "severity": "critical"}
        for name, when in conditions.items()
    ]
    return yaml.safe_dump({"version": "1.0", "rules": rules}, sort_keys=False)


def provenance_off() -> str:
    """A policy without the built-in rules about calls."""
    return _instead(dict.fromkeys(_call_rules(), "false"))


def risk_ignored() -> str:
    """A policy whose rules about calls do not ask what a tool can do.

    Raises:
        ValueError: A built-in rule asks for the risk in another form than is known here.
    """
    conditions = {name: when.replace(_RISK, "") for name, when in _call_rules().items()}
    left = [name for name, when in conditions.items() if re.search(r"\brisk\b", when)]
    if left:
        raise ValueError(f"built-in rules ask for the risk in a new way: {', '.join(left)}")
    return _instead(conditions)


def risk_alone() -> str:
    """A policy that asks for every call above low risk, wherever its arguments came from."""
    first, *others = _call_rules()
    return _instead({first: 'risk != "low"', **dict.fromkeys(others, "false")})


_found: OrderedDict[tuple[str, str, str], Any] = OrderedDict()
_KEPT: Final = 50_000


def _once_each(layer: Any) -> None:
    """Let a layer look at each text once for all rows: it says the same of it every time."""
    look = layer.scan

    def scan(text: str, context: Any) -> Any:
        key = (type(layer).__name__, context.surface, text)
        if key not in _found:
            _found[key] = look(text, context)
            if len(_found) > _KEPT:
                _found.popitem(last=False)
        return _found[key]

    layer.scan = scan


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of the guard.

    Attributes:
        name: What ``--layers`` calls it.
        title: What it says in the report.
        l1: Whether the rules run.
        l2: Whether the vector model runs.
        policy: Gives what is added to the built-in policy; None for nothing.
    """

    name: str
    title: str
    l1: bool = True
    l2: bool = False
    policy: Callable[[], str] | None = None

    def shield(self) -> Shield:
        """A Shield set so, which records and reads nothing from outside."""
        config = ShieldConfig(
            local_policies_path=None,
            rule_folders=(),
            l1_enabled=self.l1,
            l2_enabled=self.l2,
            l3_enabled=False,
            events_enabled=False,
            plugins_enabled=False,
            max_sessions=8,
        )
        shield = Shield(config=config, policy=self.policy() if self.policy else None)
        for layer in (shield._engine.rules_layer, shield._engine.vector_layer):
            _once_each(layer)
        return shield


ROWS = {
    row.name: row
    for row in (
        Row("all", "everything but L2 (default policy)"),
        Row("provenance", "provenance, intent and tool risk; L1 off", l1=False),
        Row("l1", "L1 alone; provenance off", policy=provenance_off),
        Row("risk-ignored", "L1, provenance and intent; tool risk ignored",
            policy=risk_ignored),
        Row("risk", "tool risk alone: every call above low is asked", l1=False,
            policy=risk_alone),
        Row("all+l2", "everything (default policy)", l2=True),
        Row("l1+l2", "L1 and L2; provenance off", l2=True, policy=provenance_off),
    )
}  # fmt: skip
DEFAULT_ROWS = ("all", "provenance", "l1", "risk-ignored", "risk", "all+l2")


def why_not(row: Row, shield: Shield) -> str:
    """Why a row cannot be measured here; empty when it can."""
    if not row.l2:
        return ""
    results = next(s for s in shield.coverage().surfaces if s.surface is Surface.TOOL_RESULT)
    layer = next((entry for entry in results.layers if entry.layer == "l2_vector"), None)
    if layer is None:
        return "this version has no L2"
    return "" if layer.guards else layer.reason or "L2 does not run"
