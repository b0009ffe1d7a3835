"""Finds the benign windows that the model of the round before takes for attacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.rows import BENIGN
from training.score import log_odds

if TYPE_CHECKING:
    from training.windows import Windows

LEAST = -4.0
"""Log-odds from which a benign window is worth seeing again."""
AGAIN = 2
"""How many more times it is seen."""


def drawn(windows: Windows, most: int, seed: int) -> np.ndarray:
    """Indices of at most so many benign windows, at random."""
    benign = np.flatnonzero(windows.labels == BENIGN)
    return np.random.default_rng(seed).permutation(benign)[:most]


def hard(windows: Windows, index: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Those of the windows at `index` that are benign and look like attacks, each `AGAIN` times.

    Args:
        windows: What was composed for the next round.
        index: The windows that were scored, (n,).
        logits: What an earlier model says of them, (n, 4).
    """
    odd = (windows.labels[index] == BENIGN) & (log_odds(logits, (1, 2)) >= LEAST)
    return np.repeat(index[odd], AGAIN)
