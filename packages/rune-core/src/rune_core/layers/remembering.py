"""Looks texts up in the attack memory: by words first, then by meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rune_core.layers.attack_memory import (
    GATE,
    NEAR,
    FileStore,
    Match,
    Signature,
    Store,
    signature_of,
    stretches,
)

if TYPE_CHECKING:
    from rune_core.layers.l2_head import HeadModel
    from rune_core.layers.l2_model import VectorModel
    from rune_scanner.finding import Threat

_MOST_CONFIRMED = 4
_WORDS_ALONE = 0.9
"""Cosine of the words that will do where the signature's encoder is another than today's."""


def open_store(location: str | Path) -> Store:
    """The store at a location: a file, ``chroma:FOLDER`` or ``chroma+http://host:port``.

    Raises:
        ConfigError: It cannot be opened.
    """
    text = str(location)
    if text.startswith(("chroma:", "chroma+")):
        from rune_core.layers.chroma_memory import ChromaStore

        return ChromaStore(text)
    return FileStore(Path(text).expanduser())


class Recognizer:
    """A store with the encoder that tells meanings apart.

    Args:
        store: The signatures.
        near: Nearness from which a stretch counts.
    """

    def __init__(self, store: Store, *, near: float = NEAR) -> None:
        self.store = store
        self.near = near

    def remember(
        self, text: str, threat: Threat, model: VectorModel | HeadModel, *, label: str = ""
    ) -> str:
        """Keep a text's signature; return its name.

        Raises:
            ValueError: The text holds no words, or the label is too long.
        """
        meaning = model.embed(text)
        signature = signature_of(text, threat, label=label, meaning=meaning, model=model.version)
        self.store.add(signature)
        return signature.id

    def matches(self, text: str, model: VectorModel | HeadModel) -> list[Match]:
        """What a text holds of what is remembered: at most one match a signature."""
        if not len(self.store):
            return []
        places, vectors = stretches(text)
        found: dict[str, Match] = {}
        looked = 0
        for row, signature, words in self.store.near(vectors, GATE):
            known = found.get(signature.id)
            if known is not None and known.words >= words:
                continue
            start, end = places[row]
            meaning = None
            if signature.model == model.version and signature.meaning is not None:
                if looked >= _MOST_CONFIRMED:
                    continue
                looked += 1
                meaning = _cosine(signature, model.embed(text[start:end]))
                nearness = (words + meaning) / 2
            elif words >= _WORDS_ALONE:
                nearness = words
            else:
                continue
            if nearness >= self.near and (known is None or nearness > known.nearness):
                nearness = min(1.0, nearness)
                found[signature.id] = Match(signature, start, end, nearness, words, meaning)
        return list(found.values())


def _cosine(signature: Signature, vector: tuple[float, ...] | None) -> float:
    if vector is None or signature.meaning is None or len(vector) != len(signature.meaning):
        return 0.0
    return sum(a * b for a, b in zip(signature.meaning, vector, strict=True))
