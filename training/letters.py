"""How letters follow each other in what is written: `python -m training.letters` prints it.

Layer 2 compares a text with what it would be undone (rot13, reversed, leetspeak) by it. It is made
of the texts of our own generators: English, and some in seventeen other languages.
"""

# ruff: noqa: S311 - the draws must be repeatable, not secret

from __future__ import annotations

import random
import sys

import numpy as np

from rune_core.layers.letters import SYMBOLS, symbols
from training import attacks, direct, hosts, tongues

TEXTS = 6000


def table(texts: int = TEXTS) -> str:
    """A letter for each pair of symbols: ``A`` for the likeliest, later ones for half bits less."""
    rng = random.Random(1)
    counts = np.full((SYMBOLS, SYMBOLS), 0.5)
    makers = (
        attacks.payload,
        direct.attack,
        hosts.prose(hosts.RECIPE + hosts.LEGAL),
        lambda r: hosts.host(r)[1],
        tongues.attack,
    )
    for number in range(texts):
        found = symbols(makers[number % len(makers)](rng)[:600])
        np.add.at(counts, (found[:-1], found[1:]), 1)
    bits = -np.log2(counts / counts.sum(1, keepdims=True))
    return "".join(chr(ord("A") + min(25, round(2 * float(value)))) for value in bits.flat)


if __name__ == "__main__":
    made = table()
    sys.stdout.write("\n".join(made[i : i + 84] for i in range(0, len(made), 84)) + "\n")
