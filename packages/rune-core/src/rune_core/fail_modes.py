"""Fail modes: which failures close the way, and which leave it open.

One table serves the pipeline, the documentation and the tests. ``python -m rune_core.fail_modes``
prints it as it stands in ``docs/fail-modes.md`` and ``RATIONALE.md``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rune_core.policy.globs import globs
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.policy.model import FailRule

POLICY_LAYER: Final = "policy"
REDACTION_LAYER: Final = "redaction"
PIPELINE_LAYER: Final = "pipeline"
VALUE_LAYER: Final = "value"


class Stake(StrEnum):
    """What can be lost where something failed: a column of the table."""

    TEXT = "text"
    """Any surface but a tool call: words, which still have to make the agent do something."""
    LOW = "low"
    """A call of a tool of low risk."""
    MEDIUM = "medium"
    """A call of a tool of medium risk, or of one whose risk cannot be told."""
    HIGH = "high"
    """A call of a tool of high risk."""


@dataclass(frozen=True, slots=True)
class FailMode:
    """One row of the table.

    Attributes:
        what: What failed, for people.
        layers: Globs over the names of the layers it is about.
        closed: Where its failure stops the text or call; it goes on everywhere else.
    """

    what: str
    layers: tuple[str, ...]
    closed: frozenset[Stake] = frozenset()

    def covers(self, layer: str) -> bool:
        """Whether the row is about ``layer``."""
        return globs(self.layers)(layer)


_CALLS_THAT_HURT: Final = frozenset((Stake.MEDIUM, Stake.HIGH))

FAIL_MODES: Final = (
    FailMode(
        "layer 1: rules, policy patterns",
        ("l1_rules", "policy_patterns"),
        frozenset((Stake.HIGH,)),
    ),
    FailMode("layer 2: vector model", ("l2_vector",)),
    FailMode("layer 3: judge", ("l3_judge",)),
    FailMode("a plug-in's scanner", ("plugin:*",)),
    FailMode(
        "rendering a value (too large, too deep, unreadable)",
        (VALUE_LAYER,),
        frozenset((Stake.HIGH,)),
    ),
    FailMode("policy evaluation", (POLICY_LAYER,), _CALLS_THAT_HURT),
    FailMode("the pipeline itself", (PIPELINE_LAYER,), _CALLS_THAT_HURT),
    FailMode("redaction", (REDACTION_LAYER,), frozenset(Stake)),
)
"""The built-in table, in the order in which the documentation shows it."""

_BY_RISK: Final = {column.value: column for column in Stake if column is not Stake.TEXT}


def stake(surface: Surface, tool_risk: str | None) -> Stake:
    """The column for a text or call.

    Args:
        surface: Where it was met.
        tool_risk: ``low``, ``medium`` or ``high``; None where it cannot be told.
    """
    if surface is not Surface.TOOL_CALL:
        return Stake.TEXT
    return _BY_RISK.get(tool_risk or "", Stake.MEDIUM)


def closes(
    layer: str, surface: Surface, tool_risk: str | None, overrides: tuple[FailRule, ...]
) -> bool:
    """Whether the failure of a layer stops the text or call (fail closed).

    The first of the policies' ``on_error`` entries that fits decides; where none fits, the
    built-in table does. What neither knows stays open, and the result says ``degraded``.
    """
    for rule in overrides:
        if (
            surface in rule.surfaces
            and (not rule.tool_risk or tool_risk in rule.tool_risk)
            and globs((rule.layer,))(layer)
        ):
            return rule.closed
    column = stake(surface, tool_risk)
    return any(mode.covers(layer) and column in mode.closed for mode in FAIL_MODES)


def markdown() -> str:
    """The table as Markdown."""
    texts = ", ".join(s.value.replace("_", " ") for s in Surface if s is not Surface.TOOL_CALL)
    lines = [
        f"| what failed | texts ({texts}) | call of a tool of low risk | medium risk | high risk |",
        "|---|---|---|---|---|",
    ]
    for mode in FAIL_MODES:
        cells = ("**closed**" if column in mode.closed else "open" for column in Stake)
        lines.append(f"| {mode.what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
