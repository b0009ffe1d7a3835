"""A model of layer 2 made of any encoder and a linear head that ``rune model fit`` fitted to it.

Windows are counted in words here: the encoder has its own way to cut tokens. A window that looks
suspicious is read again sentence by sentence, so that a span says which sentences it was.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rune_core.layers.encoders import open_encoder
from rune_core.layers.l2_model import (
    Reading,
    Window,
    cut_windows,
    manifest_of,
    odds,
    touches,
    verified,
)
from rune_core.layers.turns import turns_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MARKERS = ("user", "answer", "document", "command")
WINDOW, OVERLAP = 40, 12
_MAX_WORDS = 65_536
_WORD = re.compile(r"\S{1,200}")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*$")
_LOOK_CLOSER = -1.0


def windows_of(text: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Characters of each word of a text, and the windows over the words."""
    words = [match.span() for match in _WORD.finditer(text)][:_MAX_WORDS]
    return words, cut_windows(len(words), WINDOW, OVERLAP)


def features(vectors: Any, surfaces: Sequence[str], markers: Mapping[str, str]) -> Any:
    """Vectors with the surface's marker beside them, (n, width + 4)."""
    import numpy as np

    met = np.zeros((len(surfaces), len(MARKERS)), np.float32)
    for row, surface in enumerate(surfaces):
        met[row, MARKERS.index(markers[surface])] = 1
    return np.concatenate([np.asarray(vectors, np.float32), met], axis=1)


class HeadModel:
    """An encoder with a head. Has the methods of ``VectorModel``; threads may share it.

    Args:
        folder: What ``rune model fit`` wrote.
        threads: Threads of one encoder run.

    Raises:
        ModelError: A file is missing, or is not the one the manifest names.
        ConfigError: The encoder cannot be loaded.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        import io

        import numpy as np

        self._np = np
        manifest = manifest_of(folder)
        content = {
            name: verified(folder, name, digest) for name, digest in manifest["files"].items()
        }
        self.version: str = manifest["version"]
        self.settings: Mapping[str, Any] = json.loads(content["thresholds.json"])
        with np.load(io.BytesIO(content["head.npz"]), allow_pickle=False) as file:
            self._mean, self._scale = file["mean"], file["scale"]
            self._weights, self._bias = file["weights"], file["bias"]
        self._encoder = open_encoder(manifest["encoder"], threads=threads)
        self._turns = turns_for(threads)

    def read(
        self,
        text: str,
        surface: str,
        max_windows: int,
        *,
        everything: bool = False,
        only: Sequence[tuple[int, int]] | None = None,
    ) -> Reading:
        """As ``VectorModel.read``; windows are read in order, as far as the budget goes."""
        del everything
        np = self._np
        words, ranges = windows_of(text)
        wanted = [
            i for i, window in enumerate(ranges) if only is None or touches(words, window, only)
        ]
        read = wanted[:max_windows]
        pieces = [text[words[a][0] : words[b - 1][1]] for a, b in (ranges[i] for i in read)]
        vectors = self._encode(pieces)
        found = odds(self._logits(vectors, surface))
        attack = {i: float(found.attack[row]) for row, i in enumerate(read)}
        tokens: dict[int, Any] = {}
        embeddings: dict[int, Any] = {}
        for row, i in enumerate(read):
            a, b = ranges[i]
            embeddings[i] = vectors[row] / max(float(np.linalg.norm(vectors[row])), 1e-6)
            tokens[i] = np.full(b - a, attack[i], np.float32)
            if attack[i] >= _LOOK_CLOSER:
                tokens[i] = self._by_sentence(text, words[a:b], surface)
        return Reading(
            windows=[Window(a, b, 0.0) for a, b in ranges],
            attack=attack,
            jailbreak={i: float(found.jailbreak[row]) for row, i in enumerate(read)},
            harmful={i: float(found.harmful[row]) for row, i in enumerate(read)},
            tokens=tokens,
            embeddings=embeddings,
            offsets=words,
            unread=len(wanted) - len(read),
            cut=len(text) - words[-1][1] if len(words) == _MAX_WORDS else 0,
        )

    def embed(self, text: str) -> tuple[float, ...] | None:
        """As ``VectorModel.embed``."""
        vectors = list(self.read(text, "document", 1).embeddings.values())
        return tuple(float(value) for value in vectors[0]) if vectors else None

    def _encode(self, pieces: Sequence[str]) -> Any:
        if not pieces:
            return self._np.zeros((0, len(self._mean) - len(MARKERS)), self._np.float32)
        with self._turns:
            return self._np.asarray(self._encoder.encode(pieces), self._np.float32)

    def _logits(self, vectors: Any, surface: str) -> Any:
        x = features(vectors, [surface] * len(vectors), self.settings["markers"])
        return ((x - self._mean) / self._scale) @ self._weights + self._bias

    def _by_sentence(self, text: str, words: Sequence[tuple[int, int]], surface: str) -> Any:
        """For each word, the log-odds of the sentence it stands in."""
        np = self._np
        bounds = [0]
        for k, (a, b) in enumerate(words[:-1]):
            gap = text[b : words[k + 1][0]]
            if "\n" in gap or _SENTENCE_END.search(text[a:b]):
                bounds.append(k + 1)
        bounds.append(len(words))
        runs = [(a, b) for a, b in pairwise(bounds) if b > a]
        pieces = [text[words[a][0] : words[b - 1][1]] for a, b in runs]
        logits = self._logits(self._encode(pieces), surface)
        found = np.empty(len(words), np.float32)
        odds = np.logaddexp(logits[:, 1], logits[:, 2]) - np.logaddexp(logits[:, 0], logits[:, 3])
        for (a, b), value in zip(runs, odds, strict=True):
            found[a:b] = value
        return found
