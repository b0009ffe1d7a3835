"""An agent's risk score: 0 to 100, from counts that the rollup keeps.

Every decision does harm between 0 and 1: what its severity weighs (low 0.25, medium 0.5, high 0.8,
critical 1) times what its action weighs (allow 0, flag 0.3, redact 0.5, ask 0.8, block 1). An
action that was only monitored weighs as if it had been taken. From these,

- ``rate`` is the sum of the harm over the number of decisions plus 20, so that one bad event of a
  new agent is not a catastrophe;
- ``worst`` is the largest harm of a single decision.

``risk = 100 x (0.7 x min(1, sqrt(rate / 0.25)) + 0.3 x worst)``, rounded. An agent that is blocked
on every fourth call at critical severity is at 100; one that was never even flagged is at 0. The
trend is the score less that of the window before, of the same length.

The score says how much an agent is under attack or misbehaves by its policies, not how well it is
guarded: for that, see ``coverage``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

SEVERITY_WEIGHT = {"": 0.0, "low": 0.25, "medium": 0.5, "high": 0.8, "critical": 1.0}
ACTION_WEIGHT = {"": 0.0, "allow": 0.0, "flag": 0.3, "redact": 0.5, "ask": 0.8, "block": 1.0}
SMOOTHING = 20
FULL_RATE = 0.25


@dataclass(frozen=True, slots=True)
class Harm:
    """Harm of many decisions: their number, its sum and its maximum."""

    events: int = 0
    total: float = 0.0
    worst: float = 0.0


def risk(harm: Harm) -> int:
    """The score of an agent that did this harm."""
    if harm.events <= 0:
        return 0
    rate = harm.total / (harm.events + SMOOTHING)
    return round(100 * (0.7 * min(1.0, sqrt(rate / FULL_RATE)) + 0.3 * harm.worst))


def _weights(column: str, table: dict[str, float]) -> str:
    # Compared as what they are, names of low cardinality: made into texts, it takes twice as long.
    cases = ", ".join(f"{column} = '{name}', {weight}" for name, weight in table.items() if weight)
    return f"multiIf({cases}, 0.)"


HARM_SQL = (
    f"({_weights('severity', SEVERITY_WEIGHT)} * greatest("
    f"{_weights('action', ACTION_WEIGHT)}, {_weights('monitored_action', ACTION_WEIGHT)}))"
)
"""Harm of one decision, in SQL."""
