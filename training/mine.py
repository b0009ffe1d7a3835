"""Finds the benign windows that the model of the round before takes for attacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.rows import BENIGN
from training.score import log_odds
from training.windows import pad

if TYPE_CHECKING:
    from training.score import Scorer
    from training.windows import Windows

LEAST = -4.0
"""Log-odds from which a benign window is worth seeing again."""
AGAIN = 2
"""How many more times it is seen."""


def scored(windows: Windows, index: np.ndarray, run: Scorer, tokens: int) -> np.ndarray:
    """Class logits (len(index), 4) of the windows at `index`."""
    out = np.zeros((len(index), 4), np.float32)
    lengths = np.diff(windows.offsets)[index]
    order = np.argsort(lengths, kind="stable")
    begin = 0
    while begin < len(order):
        # Sorted by length: the last of so many is the longest, and padding is what counts.
        size = max(1, tokens // int(lengths[order[begin]]))
        while size > 1 and size * int(lengths[order[min(begin + size, len(order)) - 1]]) > tokens:
            size = max(1, size * 9 // 10)
        chosen = order[begin : begin + size]
        ids, mask, _ = pad(windows, index[chosen])
        types = mask * windows.types[index[chosen]].astype(np.int64)[:, None]
        out[chosen] = run(ids, mask, types)[0]
        begin += size
    return out


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
