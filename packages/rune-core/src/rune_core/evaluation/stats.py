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


def upper_bound(hits: int, total: int, certainty: float = 0.95) -> float:
    """The highest rate that `hits` in `total` leave possible, one-sided (Clopper-Pearson).

    Args:
        hits: How often it happened.
        total: How often it could have.
        certainty: Chance that the true rate is no higher, above 0 and below 1.
    """
    if hits >= total:
        return 1.0
    low, high = hits / total, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(hits, total, middle) > 1 - certainty:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, total: int, rate: float) -> float:
    """The chance of at most `hits` in `total` at a rate."""
    if rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    yes, no = math.log(rate), math.log1p(-rate)
    head = math.lgamma(total + 1)
    return math.fsum(
        math.exp(
            head - math.lgamma(k + 1) - math.lgamma(total - k + 1) + k * yes + (total - k) * no
        )
        for k in range(hits + 1)
    )


def rows_needed(budget: float, certainty: float = 0.95) -> int:
    """How many texts it takes, none of them flagged, to show a rate of at most `budget`."""
    return math.ceil(math.log(1 - certainty) / math.log1p(-budget))


class Cut(NamedTuple):
    """A threshold that keeps a budget.

    Attributes:
        at: Scores from here on are flagged.
        flagged: How many of the given scores are.
        bound: The highest rate that leaves possible.
    """

    at: float
    flagged: int
    bound: float


def cut_for(scores: Sequence[float], budget: float, certainty: float = 0.95) -> Cut | None:
    """The lowest threshold of which it is certain enough that it keeps the budget.

    Args:
        scores: Of benign texts; minus infinity for those no score was worked out for.
        budget: The share of benign texts that may be flagged.
        certainty: How sure to be of that.

    Returns:
        None when there are too few scores to be that sure, even of a threshold above them all.
    """
    total = len(scores)
    if total < rows_needed(budget, certainty):
        return None
    allowed = 0
    while upper_bound(allowed + 1, total, certainty) <= budget:
        allowed += 1
    ordered = sorted(scores, reverse=True)
    highest_benign = ordered[allowed]
    above = [score for score in ordered[:allowed] if score > highest_benign]
    # Half-way to the next score, so that neither sits on the edge.
    at = (highest_benign + above[-1]) / 2 if above else highest_benign + 0.05
    if not at > highest_benign:  # Two neighbouring floats, or nothing but minus infinity.
        at = above[-1] if above else 0.0
    return Cut(at, len(above), upper_bound(len(above), total, certainty))
