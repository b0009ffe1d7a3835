"""Bounds and thresholds that calibration rests on."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.evaluation.picture import Line, bars, roc, svg
from rune_core.evaluation.stats import auc, cut_for, rows_needed, upper_bound

scores = st.lists(st.floats(-20, 20) | st.just(-math.inf), min_size=1, max_size=400)


def test_known_bounds() -> None:
    # The rule of three, and values from a table of the binomial distribution.
    assert upper_bound(0, 598) == pytest.approx(0.005, abs=1e-4)
    assert upper_bound(0, 10) == pytest.approx(0.2589, abs=1e-4)
    assert upper_bound(1, 20) == pytest.approx(0.2161, abs=1e-4)
    assert upper_bound(5, 5) == 1.0
    assert rows_needed(0.005) == 598
    assert rows_needed(0.05) == 59


@given(st.integers(0, 50), st.integers(1, 400), st.floats(0.5, 0.99))
def test_a_bound_lies_above_the_rate_and_rises_with_it(hits: int, total: int, sure: float) -> None:
    hits = min(hits, total - 1)
    found = upper_bound(hits, total, sure)
    assert hits / total < found <= upper_bound(hits + 1, total, sure) <= 1


@given(scores, st.floats(0.01, 0.4), st.floats(0.5, 0.99))
def test_a_cut_keeps_its_budget_or_there_is_none(
    values: list[float], budget: float, sure: float
) -> None:
    cut = cut_for(values, budget, sure)
    if cut is None:
        assert len(values) < rows_needed(budget, sure)
        return
    assert sum(value >= cut.at for value in values) == cut.flagged
    assert upper_bound(cut.flagged, len(values), sure) == cut.bound <= budget


def test_the_budget_holds_on_texts_that_were_not_used() -> None:
    rng = random.Random(5)
    kept = 0
    for _ in range(60):
        cut = cut_for([rng.gauss(0, 1) for _ in range(600)], 0.02, 0.95)
        assert cut is not None
        true_rate = 0.5 * math.erfc(cut.at / math.sqrt(2))
        kept += true_rate <= 0.02
    assert kept >= 50


def test_the_area_under_the_curve_is_the_auc() -> None:
    rng = random.Random(2)
    benign = [rng.gauss(0, 1) for _ in range(80)]
    attack = [rng.gauss(1, 1) for _ in range(70)]
    points = roc(benign, attack)
    area = sum((b - a) * (y + z) / 2 for (a, y), (b, z) in pairwise(points))
    assert points[0] == (0.0, 0.0)
    assert points[-1] == (1.0, 1.0)
    assert area == pytest.approx(auc(benign, attack))


def test_pictures_are_well_formed() -> None:
    from xml.etree import ElementTree as ET

    drawn = svg("A & B", [Line("<one>", [(0, 0), (1, 1)], 0.5)], x="x", y="y")
    root = ET.fromstring(drawn)
    assert "<one>" in [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    lines = bars([("a", 0.5), ("bb", 0.0), ("c", 0.013)])
    assert lines[0].endswith("50.00%")
    assert lines[0].count("█") == 40
