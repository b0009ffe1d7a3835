"""Thresholds on held-out benign texts: each source counts the same, each surface has its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.rows import Row
    from training.score import TextScore

HARD = 0.25
"""Weight of a hard negative against other benign texts: they are sought out, not met by chance."""
WORST = 4.0
"""How many times the budget a single source may be flagged; hard negatives, three times that."""
LEAST_ROWS = 60
"""Rows from which a source's own rate means anything."""

GROUPS = {"input": "input", "output": "input", "document": "data", "tool_result": "data",
          "tool_call": "call", "tool_definition": "data", "handoff": "data"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Threshold:
    """A frozen threshold.

    Attributes:
        log_odds: At or above it a text is flagged.
        budget: Share of benign texts allowed above it.
        texts: How many benign texts it was set on.
    """

    log_odds: float
    budget: float
    texts: int


def weighted_threshold(scores: np.ndarray, weights: np.ndarray, budget: float) -> float:
    """The least score that at most a share `budget` of the weight lies at or above."""
    order = np.argsort(-scores)
    above = np.cumsum(weights[order]) / weights.sum()
    index = int(np.searchsorted(above, budget, side="right"))
    if index == 0:
        return float(scores[order[0]] + 1e-3)
    low = scores[order[min(index, len(order) - 1)]]
    return float((scores[order[index - 1]] + low) / 2)


def calibrate(
    rows: Sequence[Row], scores: Sequence[TextScore], budget: float, *, field: str = "attack"
) -> dict[str, Threshold]:
    """Thresholds by group of surfaces (`input`, `data`, `call`) from benign rows.

    The budget holds over all sources with equal weight, and a few times it over each: a mean hides
    a source that is flagged often.
    """
    by_group: dict[str, list[tuple[float, str, bool]]] = defaultdict(list)
    for row, score in zip(rows, scores, strict=True):
        if row.label == 0:
            by_group[GROUPS[row.surface]].append(
                (getattr(score, field), row.source, "hard" in row.kind)
            )
    found = {}
    for group, entries in sorted(by_group.items()):
        sizes: dict[str, int] = defaultdict(int)
        for _, source, _ in entries:
            sizes[source] += 1
        weights = np.array(
            [(HARD if hard else 1.0) / max(sizes[source], 40) for _, source, hard in entries]
        )
        values = np.array([value for value, _, _ in entries])
        at = weighted_threshold(values, weights, budget)
        for name, size in sizes.items():
            if size >= LEAST_ROWS:
                own = np.array([value for value, source, _ in entries if source == name])
                hard = any(flag for _, source, flag in entries if source == name)
                limit = budget * WORST * (3 if hard else 1)
                at = max(at, weighted_threshold(own, np.ones(len(own)), limit))
        found[group] = Threshold(at, budget, len(entries))
    return found
