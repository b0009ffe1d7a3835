"""Harmless words with the words of attacks in them, made of what people really wrote.

Templates teach a detector that *these* sentences are harmless. What it must learn is that no word
is an attack by itself: so the words that attacks use more than other texts are counted, sentences
that hold them are taken out of benign documents and said by a user, and the words are put into
ordinary prompts and documents in place of others.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from training.rows import BENIGN

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from training.rows import Row

_WORD = re.compile(r"[a-z]{4,14}")
_BREAK = re.compile(r"(?<=[.!?])\s+|\n+")
_SPOT = re.compile(r"(?<=\s)[A-Za-z]{4,14}(?=[\s,.?!])")
LEAST_SOURCES = 3
"""Sources of attacks that must use a word before it counts as one of theirs."""
WORDS = 400


def words_of_attacks(rows: Sequence[Row]) -> list[str]:
    """The `WORDS` words most typical of attacks: every source counts the same, on both sides."""
    texts: dict[tuple[bool, str], int] = {}
    counts: dict[tuple[bool, str], Counter[str]] = {}
    for row in rows:
        if row.attack or row.label == BENIGN:
            key = (row.attack, row.source)
            texts[key] = texts.get(key, 0) + 1
            counts.setdefault(key, Counter()).update(set(_WORD.findall(row.text[:800].lower())))
    rate: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    sources: Counter[str] = Counter()
    for (attack, _), found in counts.items():
        size = max(50, texts[attack, _])
        for word, count in found.items():
            rate[attack][word] += count / size
            sources[word] += attack
    ratio = {
        word: share / (rate[False][word] + 0.05)
        for word, share in rate[True].items()
        if sources[word] >= LEAST_SOURCES
    }
    return sorted(sorted(ratio, key=lambda word: (-ratio[word], word))[:WORDS])


class Sentences:
    """Sentences and prompts of benign rows to draw from."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.words = words_of_attacks(rows)
        known = set(self.words)
        found: set[str] = set()
        for row in rows:
            if row.label != BENIGN or row.surface == "tool_call" or row.source == "xquad":
                continue
            for part in _BREAK.split(row.text[:6000]):
                text = part.strip(" \t#*->|`")
                if 30 <= len(text) <= 260 and not known.isdisjoint(_WORD.findall(text.lower())):
                    found.add(text)
        self.found = sorted(found)

    def said(self, rng: random.Random) -> str | None:
        """A sentence with such a word that stood in a benign text, as a user would say it."""
        if not self.found:
            return None
        parts = [rng.choice(self.found)]
        if rng.random() < 0.15:
            parts.append(rng.choice(self.found))
        return " ".join(parts)

    def spliced(self, text: str, rng: random.Random) -> str:
        """The text with one to three of its words replaced by words of attacks."""
        if not self.words:
            return text
        for _ in range(rng.randint(1, 3)):
            spots = list(_SPOT.finditer(text))
            if not spots:
                break
            spot = rng.choice(spots)
            text = text[: spot.start()] + rng.choice(self.words) + text[spot.end() :]
        return text
