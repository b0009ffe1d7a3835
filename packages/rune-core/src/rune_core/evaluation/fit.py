"""Fits a head to an encoder: a linear classifier over window vectors, and its thresholds."""

from __future__ import annotations

import hashlib
import io
import json
import random
from typing import TYPE_CHECKING, Any, NamedTuple

from rune_core.evaluation.stats import auc
from rune_core.layers.encoders import describe_encoder, open_encoder
from rune_core.layers.l2_head import WINDOW, features, windows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rune_core.evaluation.texts import LabelledText

MARKERS = {
    "input": "user",
    "output": "answer",
    "document": "document",
    "tool_result": "document",
    "tool_call": "command",
    "tool_definition": "document",
    "handoff": "document",
}
GROUPS = {
    "input": "input",
    "output": "input",
    "document": "data",
    "tool_result": "data",
    "tool_call": "call",
    "tool_definition": "data",
    "handoff": "data",
}
BUDGETS = ((0.03, 0.5), (0.005, 0.75), (0.001, 0.9))
"""Share of held-out benign texts at or above each confidence."""
LEAST = {0.5: -1.0, 0.75: 0.0, 0.9: 1.0}
_HELD_OUT = 5
_MOST_WINDOWS = 6
_STEPS = 400
_RATE = 0.05
_DECAY = 1e-3


class Fitted(NamedTuple):
    """How the head does on texts that it was not fitted to.

    Attributes:
        texts: How many texts it was fitted to.
        held_out: How many it was not.
        area: The ROC area on those; None without both attacks and benign texts.
    """

    texts: int
    held_out: int
    area: float | None


def class_of(text: LabelledText) -> int:
    """0 benign, 1 injection, 2 jailbreak, 3 harmful request."""
    if not text.attack:
        return 0
    return {"jailbreak": 2, "harmful_request": 3}.get(text.kind, 1)


def fit(
    encoder: str,
    texts: Sequence[LabelledText],
    folder: Path,
    *,
    advance: Callable[[int], None] | None = None,
) -> Fitted:
    """Fit a head and write the model's folder.

    One text in five is held out, chosen by a hash of its words: on those the thresholds are set.
    A short text met in data is also read between pieces of benign texts, as attacks are met.

    Args:
        encoder: The folder of an ONNX model, or the name or folder of a sentence-transformers
            model.
        texts: Labelled texts.
        folder: Where the model goes.
        advance: Told how many texts were encoded.

    Raises:
        ConfigError: The encoder cannot be loaded.
        ValueError: There are not both attacks and benign texts among those fitted to.
    """
    import numpy as np

    described = describe_encoder(encoder)
    opened = open_encoder(described)
    rows: list[tuple[int, int]] = []  # Text and class of each window.
    vectors: list[Any] = []
    surfaces: list[str] = []
    held = [int(text.key[:8], 16) % _HELD_OUT == 0 for text in texts]
    quiet = [t.text for t, out in zip(texts, held, strict=True) if not t.attack and not out]
    rng = random.Random(0)  # noqa: S311 - the draw must be repeatable, not secret
    for number, text in enumerate(texts):
        pieces = _pieces(text.text)
        if pieces:
            if not held[number] and text.surface != "input" and quiet:
                pieces += _between(pieces[0], quiet, rng)
            vectors.append(np.asarray(opened.encode(pieces), np.float32))
            rows += [(number, class_of(text))] * len(pieces)
            surfaces += [text.surface] * len(pieces)
        if advance is not None:
            advance(1)
    classes = np.array([label for _, label in rows])
    owners = np.array([number for number, _ in rows])
    training = np.array([not held[number] for number in owners], bool)
    if not {0, 1} <= {min(int(label), 1) for label in classes[training]}:
        raise ValueError("fitting needs attacks and benign texts")
    x = features(np.concatenate(vectors), surfaces, MARKERS)
    mean = x[training].mean(0)
    scale = x[training].std(0) + 1e-3
    weights, bias = _logistic((x[training] - mean) / scale, classes[training])
    logits = ((x - mean) / scale) @ weights + bias
    odds = np.logaddexp(logits[:, 1], logits[:, 2]) - np.logaddexp(logits[:, 0], logits[:, 3])
    scores = {
        int(n): float(odds[owners == n].max() - np.log((owners == n).sum())) for n in set(owners)
    }
    tested = {n: score for n, score in scores.items() if held[n]}
    area = auc(
        [score for n, score in tested.items() if not texts[n].attack],
        [score for n, score in tested.items() if class_of(texts[n]) in (1, 2)],
    )
    _write(folder, described, (mean, scale, weights, bias), _knots(texts, tested))
    return Fitted(len(scores) - len(tested), len(tested), area)


def _pieces(text: str) -> list[str]:
    words, ranges = windows_of(text)
    return [text[words[a][0] : words[b - 1][1]] for a, b in ranges[:_MOST_WINDOWS]]


def _between(piece: str, quiet: Sequence[str], rng: random.Random) -> list[str]:
    """The piece in the middle of a window filled with benign text; nothing when it fills one."""
    words = piece.split()
    room = WINDOW - len(words)
    if room < 4:
        return []
    filling = " ".join(rng.choice(quiet) for _ in range(4)).split()
    before = rng.randint(0, room)
    inside = filling[:before], words, filling[before:room]
    return [" ".join(word for part in inside for word in part)]


def _logistic(x: Any, classes: Any) -> tuple[Any, Any]:
    """Multinomial logistic regression by Adam; every class weighs the same."""
    import numpy as np

    n, width = x.shape
    target = np.eye(4, dtype=np.float32)[classes]
    counts = target.sum(0)
    weight = (target / np.maximum(counts, 1)).sum(1, keepdims=True) * n / (counts > 0).sum()
    parameters = np.zeros((width + 1, 4), np.float32)
    first = np.zeros_like(parameters)
    second = np.zeros_like(parameters)
    x = np.concatenate([x, np.ones((n, 1), np.float32)], axis=1)
    for step in range(1, _STEPS + 1):
        logits = x @ parameters
        logits -= logits.max(1, keepdims=True)
        chance = np.exp(logits)
        chance /= chance.sum(1, keepdims=True)
        slope = x.T @ ((chance - target) * weight) / n + _DECAY * parameters
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        rate = _RATE * (1 - step / _STEPS) + 1e-4
        parameters -= (
            rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        )
    return parameters[:-1], parameters[-1]


def _knots(texts: Sequence[LabelledText], scores: dict[int, float]) -> dict[str, list[list[float]]]:
    """The curve from log-odds to confidence, per group of surfaces."""
    import numpy as np

    found: dict[str, list[list[float]]] = {}
    for group in sorted(set(GROUPS.values())):
        values = [
            score
            for n, score in scores.items()
            if not texts[n].attack and GROUPS[texts[n].surface] == group
        ]
        knots: list[list[float]] = []
        for budget, confidence in BUDGETS:
            at = max(float(np.quantile(values, 1 - budget)) if values else 0.0, LEAST[confidence])
            knots.append([max(at, knots[-1][0] + 0.05) if knots else at, confidence])
        found[group] = [[knots[0][0] - 8, 0.01], *knots, [knots[-1][0] + 4, 0.99]]
    return found


def _write(
    folder: Path,
    described: dict[str, str],
    head: tuple[Any, Any, Any, Any],
    knots: dict[str, list[list[float]]],
) -> None:
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    mean, scale, weights, bias = head
    np.savez(buffer, mean=mean, scale=scale, weights=weights, bias=bias)
    settings = {
        "markers": MARKERS,
        "groups": GROUPS,
        "confidence": {"attack": knots, "harmful": {}},
    }
    files = {
        "head.npz": buffer.getvalue(),
        "thresholds.json": (json.dumps(settings, indent=1) + "\n").encode(),
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    version = "head-" + hashlib.sha256("".join(sorted(digests.values())).encode()).hexdigest()[:10]
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {"version": version, "kind": "head", "encoder": described, "files": digests}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
