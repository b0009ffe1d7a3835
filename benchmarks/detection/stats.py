"""The statistics of a detection benchmark: intervals, ROC area, recall at a fixed error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Interval(NamedTuple):
    """A share with its 95% Wilson interval, all from 0 to 1."""

    share: float
    low: float
    high: float


def wilson(hits: int, total: int, z: float = 1.959964) -> Interval:
    """The share of `hits` in `total` with its Wilson interval; all zero to one for `total` 0."""
    if total == 0:
        return Interval(0.0, 0.0, 1.0)
    share = hits / total
    base = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / base
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / base
    return Interval(share, max(0.0, centre - spread), min(1.0, centre + spread))


def auc(benign: Sequence[float], attack: Sequence[float]) -> float | None:
    """Chance that an attack scores above a benign text, ties counted half; None without both."""
    if not benign or not attack:
        return None
    ordered = sorted([(score, 0) for score in benign] + [(score, 1) for score in attack])
    total, begin = 0.0, 0
    while begin < len(ordered):
        end = begin
        while end < len(ordered) and ordered[end][0] == ordered[begin][0]:
            end += 1
        rank = (begin + 1 + end) / 2
        total += rank * sum(label for _, label in ordered[begin:end])
        begin = end
    n = len(attack)
    return (total - n * (n + 1) / 2) / (n * len(benign))


def recall_at(benign: Sequence[float], attack: Sequence[float], budget: float) -> float | None:
    """Share of attacks above the score that at most `budget` of the benign texts exceed."""
    if not benign or not attack:
        return None
    ordered = sorted(benign, reverse=True)
    least = ordered[min(int(budget * len(ordered)), len(ordered) - 1)]
    return sum(score > least for score in attack) / len(attack)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
