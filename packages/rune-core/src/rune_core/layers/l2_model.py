"""The model behind layer 2: verified files, tokens, windows, prefilter and encoder.

Nothing here is loaded before the first scan. Arithmetic on token ids happens in numpy; the
encoder runs in onnxruntime. No torch.

Shapes: ``t`` tokens of a text, ``n`` windows, ``w`` tokens of the longest window.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from bisect import bisect_right
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rune_core.errors import ModelError
from rune_core.layers.turns import turns_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rune_core.layers.l2_head import HeadModel

NEEDS: Final = ("numpy", "onnxruntime", "tokenizers")
CLASSES: Final = ("benign", "injection", "jailbreak", "harmful_request")
_CLS, _SEP, _PAD = 101, 102, 0
_MAX_TOKENS = 65_536
_BATCH = 4


def missing_packages(folder: Path | None = None) -> str | None:
    """What has to be installed before the model can run, as a sentence; None when all is there.

    Args:
        folder: Where the model's files are, when not those of the package rune-model.
    """
    if folder is not None and manifest_of(folder).get("kind") == "head":
        from rune_core.layers.encoders import missing_for

        return missing_for(manifest_of(folder)["encoder"]["kind"])
    needs = NEEDS if folder is not None else (*NEEDS, "rune_model")
    missing = [name for name in needs if find_spec(name) is None]
    if not missing:
        return None
    return f"not installed: {', '.join(missing)}; install rune-core[vector]"


def model_folder() -> Path:
    """The folder of the package rune-model."""
    import rune_model

    folder: Path = rune_model.folder()
    return folder


def manifest_of(folder: Path) -> Mapping[str, Any]:
    """The manifest: the model's version and the SHA-256 of each of its files.

    Raises:
        ModelError: It is missing or cannot be read.
    """
    path = folder / "manifest.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        usable = isinstance(found["files"], dict) and isinstance(found["version"], str)
    except (OSError, ValueError, KeyError, TypeError):
        usable = False
    if not usable:
        raise ModelError(
            f"{path}: no usable manifest; reinstall rune-model, or where l2_model "
            "(RUNE_L2_MODEL) names the folder, one that `rune model fit` made"
        )
    return found


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a text.

    Attributes:
        start: First token, as an index into the text's tokens.
        end: One past the last token.
        prefilter: The prefilter's log-odds that something is there.
    """

    start: int
    end: int
    prefilter: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model makes of one text.

    Attributes:
        windows: Every window of the text, in order.
        attack: Log-odds of an injection or jailbreak, by window the encoder read.
        jailbreak: Log-odds of a jailbreak against an injection, by the same windows.
        harmful: Log-odds of a harmful request, by the same windows.
        tokens: Log-odds of each token to be part of an attack, by the same windows.
        embeddings: A unit vector for each window the encoder read, by the same windows.
        offsets: Characters of each token, (t, 2) integers.
        unread: Windows that the prefilter wanted read and the budget did not allow, and the
            characters that were not even cut into tokens.
        cut: Characters at the end that were not looked at.
    """

    windows: Sequence[Window]
    attack: Mapping[int, float]
    jailbreak: Mapping[int, float]
    harmful: Mapping[int, float]
    tokens: Mapping[int, Any]
    embeddings: Mapping[int, Any]
    offsets: Sequence[tuple[int, int]]
    unread: int
    cut: int


class Odds(NamedTuple):
    """Log-odds of windows, (n,) each: see ``Reading``."""

    attack: Any
    jailbreak: Any
    harmful: Any


def odds(logits: Any) -> Odds:
    """Log-odds from the logits of ``CLASSES``, (n, 4)."""
    import numpy as np

    benign, injection, jail, harm = np.asarray(logits, np.float64).T
    return Odds(
        np.logaddexp(injection, jail) - np.logaddexp(benign, harm),
        jail - injection,
        harm - np.logaddexp.reduce([benign, injection, jail]),
    )


def cut_windows(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Token ranges that cover ``length`` tokens; the last one ends at the end."""
    if length <= size:
        return [(0, length)] if length else []
    starts = [*range(0, length - size, size - overlap), length - size]
    return [(start, start + size) for start in starts]


def touches(
    offsets: Sequence[tuple[int, int]],
    window: tuple[int, int],
    stretches: Sequence[tuple[int, int]],
) -> bool:
    """Whether a window of tokens holds any character of stretches that are in order."""
    start, end = offsets[window[0]][0], offsets[window[1] - 1][1]
    at = bisect_right(stretches, start, key=lambda stretch: stretch[1])
    return at < len(stretches) and stretches[at][0] < end


def open_model(folder: Path, *, threads: int = 1) -> VectorModel | HeadModel:
    """The model in a folder: Rune's own kind, or another encoder with a head.

    Raises:
        ModelError: A file is missing, or is not the one the manifest names.
        ConfigError: The encoder it names cannot be loaded.
    """
    if manifest_of(folder).get("kind") == "head":
        from rune_core.layers.l2_head import HeadModel

        return HeadModel(folder, threads=threads)
    return VectorModel(folder, threads=threads)


class VectorModel:
    """Tokenizer, prefilter and encoder. Safe to share by threads once made.

    Args:
        folder: Where ``manifest.json`` and the files it names are.
        threads: Threads of one encoder run.

    Raises:
        ModelError: A file is missing, or is not the one the manifest names.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        import numpy as np
        import onnxruntime
        from tokenizers import Tokenizer

        from rune_core.layers.l2_prefilter import Prefilter

        manifest = manifest_of(folder)
        content = {
            name: verified(folder, name, digest) for name, digest in manifest["files"].items()
        }
        self._np = np
        self._turns = turns_for(threads)
        self.version: str = manifest["version"]
        self.settings: Mapping[str, Any] = json.loads(content["thresholds.json"])
        self._tokenizer = Tokenizer.from_buffer(content["tokenizer.json"])
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Windows differ in length: patterns of one shape are of no use to the next.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            content["model.onnx"],
            options,
            providers=["CPUExecutionProvider"],
            # The fused kernel is slower than the sum and the norm by themselves: 7 to 15% of a run.
            disabled_optimizers=["SkipLayerNormFusion"],
        )
        self._markers = {
            surface: (self._tokenizer.token_to_id(marker), self.settings["types"][marker], marker)
            for surface, marker in self.settings["markers"].items()
        }
        cleared_by = content.get("prefilter.npz")
        self._prefilter = Prefilter(io.BytesIO(cleared_by)) if cleared_by is not None else None

    def read(
        self,
        text: str,
        surface: str,
        max_windows: int,
        *,
        everything: bool = False,
        only: Sequence[tuple[int, int]] | None = None,
    ) -> Reading:
        """Cut a text into windows and let the encoder read those the prefilter does not clear.

        Args:
            text: Any text.
            surface: Where it was met; the model judges one text differently by surface.
            max_windows: How many windows the encoder may read, the most suspicious first.
            everything: Have windows read that the prefilter would clear, too.
            only: Stretches of characters, in order: windows that touch none are left alone.
        """
        marker, kind, name = self._markers[surface]
        with self._turns:
            ids, offsets, cut = self._tokens(text)
            ranges = cut_windows(
                len(ids), int(self.settings["window"]) - 3, int(self.settings["overlap"])
            )
            scores, least = [0.0] * len(ranges), -math.inf
            if self._prefilter is not None and ranges:
                scores = self._prefilter.scores(self._np.asarray(ids, self._np.int64), ranges, name)
                least = -math.inf if everything else self._prefilter.threshold(name)
        wanted = [i for i, score in enumerate(scores) if score >= least]
        if only is not None:
            wanted = [i for i in wanted if touches(offsets, ranges[i], only)]
        wanted.sort(key=lambda i: -scores[i])
        chosen = wanted[:max_windows]
        windows = [Window(a, b, s) for (a, b), s in zip(ranges, scores, strict=True)]
        attack: dict[int, float] = {}
        jailbreak: dict[int, float] = {}
        harmful: dict[int, float] = {}
        tokens: dict[int, Any] = {}
        embeddings: dict[int, Any] = {}
        chosen.sort(key=lambda i: windows[i].end - windows[i].start)
        for begin in range(0, len(chosen), _BATCH):
            part = chosen[begin : begin + _BATCH]
            logits, token_logits, vectors = self._run(
                [ids[slice(*ranges[i])] for i in part], marker, kind
            )
            found = odds(logits)
            for row, i in enumerate(part):
                attack[i] = float(found.attack[row])
                jailbreak[i] = float(found.jailbreak[row])
                harmful[i] = float(found.harmful[row])
                tokens[i] = token_logits[row, 2 : 2 + windows[i].end - windows[i].start]
                embeddings[i] = vectors[row]
        return Reading(
            windows=windows,
            attack=attack,
            jailbreak=jailbreak,
            harmful=harmful,
            tokens=tokens,
            embeddings=embeddings,
            offsets=offsets,
            unread=len(wanted) - len(chosen),
            cut=cut,
        )

    def _tokens(self, text: str) -> tuple[list[int], list[tuple[int, int]], int]:
        """Ids and characters of a text's tokens, and how many characters at the end have none."""
        # No token is shorter than a character, so this much text holds all tokens that count.
        head = text[: _MAX_TOKENS * 4]
        encoding = self._tokenizer.encode(head, add_special_tokens=False)
        ids, offsets = encoding.ids[:_MAX_TOKENS], encoding.offsets[:_MAX_TOKENS]
        cut = len(text) - len(head)
        if len(encoding.ids) > _MAX_TOKENS:
            cut = len(text) - offsets[-1][1]
        return ids, offsets, cut

    def embed(self, text: str) -> tuple[float, ...] | None:
        """The encoder's vector of a text's first window, of unit length; None without words."""
        reading = self.read(text, "document", 1, everything=True)
        vectors = list(reading.embeddings.values())
        return tuple(float(value) for value in vectors[0]) if vectors else None

    def _run(self, pieces: Sequence[Sequence[int]], marker: int, kind: int) -> tuple[Any, Any, Any]:
        np = self._np
        longest = max(len(piece) for piece in pieces) + 3
        ids = np.full((len(pieces), longest), _PAD, np.int64)
        mask = np.zeros((len(pieces), longest), np.int64)
        for row, piece in enumerate(pieces):
            n = len(piece) + 3
            ids[row, :n] = (_CLS, marker, *piece, _SEP)
            mask[row, :n] = 1
        with self._turns:
            logits, token_logits, vectors = self._session.run(
                ["logits", "token_logits", "embedding"],
                {"input_ids": ids, "attention_mask": mask, "token_type_ids": mask * kind},
            )
        return logits, token_logits, vectors


def verified(folder: Path, name: str, digest: str) -> bytes:
    """A file's content.

    Raises:
        ModelError: It cannot be read, or is not the one the manifest names.
    """
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; reinstall rune-model") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(f"{path}: not the file the manifest names; reinstall rune-model")
    return content
