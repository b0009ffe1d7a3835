"""Finds benign windows that the model takes for attacks, as further training examples."""

# ruff: noqa: S311 - the draws must be repeatable, not secret

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from training import benign, hosts
from training.compose import Example
from training.rows import BENIGN
from training.score import score_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer

    from training.rows import Row
    from training.score import Scorer


def mine(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    run: Scorer,
    *,
    per_source: int = 900,
    own: int = 1500,
    keep: int = 6000,
    least: float = -4.0,
    seed: int = 0,
) -> list[Example]:
    """Score benign texts and return the windows that look most like attacks.

    Args:
        rows: Training rows; only benign ones are read.
        tokenizer: As `windows.load_tokenizer` gives it.
        run: The network of the round before.
        per_source: Texts drawn from each source.
        own: Texts drawn from the generators of hosts, and of texts easily mistaken each.
        keep: How many windows to return at most.
        least: Log-odds from which a window is worth training on.
        seed: For the draw.
    """
    rng = random.Random(seed)
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        if row.label == BENIGN:
            by_source.setdefault(row.source, []).append(row)
    texts: list[tuple[str, str, str]] = []
    for source in sorted(by_source):
        pool = by_source[source]
        for row in rng.sample(pool, min(per_source, len(pool))):
            begin = rng.randrange(max(1, len(row.text) - 1500))
            texts.append((row.text[begin : begin + 1600], row.surface, source))
    for _ in range(own):
        name, text = hosts.host(rng)
        texts.append((text, rng.choice(("document", "tool_result")), f"own:{name}"))
        name, surface, text = benign.draw(rng)
        texts.append((text, surface, f"own:{name}"))
    scores = score_texts(
        [t for t, _, _ in texts], [s for _, s, _ in texts], tokenizer, run, limit=4
    )
    found = sorted(zip(scores, texts, strict=True), key=lambda pair: -pair[0].attack)
    return [
        Example(text[slice(*score.span)], BENIGN, surface, f"mined:{source}", (), 1, 1.5)
        for score, (text, surface, source) in found[:keep]
        if score.attack >= least and text[slice(*score.span)].strip()
    ]
