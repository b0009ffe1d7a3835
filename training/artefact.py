"""The last step: thresholds, prefilter and manifest around a quantised model."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from training import prefilter
from training.calibrate import GROUPS, calibrate
from training.rows import some
from training.score import READ, auc, log_odds, onnx_scorer, score_texts, score_windows
from training.windows import MARKERS, OVERLAP, SIZE, TYPES, Windows, cuts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from training.rows import Row
    from training.score import Scorer, TextScore

BUDGETS = ((0.02, 0.5), (0.005, 0.75), (0.001, 0.9))
"""Share of benign texts allowed at or above each confidence.

A stricter one, 0.2% for 0.75, was tried before anything else was looked at: of attacks derived from
Alpaca, which are never trained on, it let 28% pass instead of 25%, and spared no benign text more.
"""
TAKEN = 150
"""Held-out texts taken of each source and kind: enough for a threshold, and minutes saved."""
HARMFUL_BUDGETS = ((0.005, 0.5), (0.001, 0.75))
FLOORS = {0.5: 0.75, 0.75: 1.5, 0.9: 2.5}
"""Least log-odds of each confidence.

Held-out texts of sources that were trained on say little about others: where sources were left
out, what 1% of their benign texts reached, 0.4% of the held-out prompts and none of the held-out
data of known sources did. The floors are set where the latter stand so.
"""
SPARE = 1.5
"""Log-odds by which the prefilter clears less than held-out attacks allow: new ones look other.

At 0.5, 0.4.0's cleared five in a hundred attacks of `dev/`'s bipia that the encoder flags: a look
at `dev/` was one reason for this, see the model card.
"""
APART = 0.6
"""Least distance in log-odds between two confidences."""
FILES = ("model.onnx", "prefilter.npz", "tokenizer.json", "thresholds.json")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def confidence_knots(
    rows: Sequence[Row],
    scores: Sequence[TextScore],
    budgets: Sequence[tuple[float, float]],
    field: str,
) -> dict[str, list[list[float]]]:
    """Knots (log-odds, confidence) of each group of surfaces, ascending in both."""
    found: dict[str, list[list[float]]] = {}
    for budget, confidence in budgets:
        for group, threshold in calibrate(rows, scores, budget, field=field).items():
            knots = found.setdefault(group, [])
            value = max(threshold.log_odds, FLOORS[confidence])
            if knots:
                value = max(value, knots[-1][0] + APART)
            knots.append([value, confidence])
    for knots in found.values():
        # Far below the first threshold nothing is suspicious, far above the last all is said.
        knots.insert(0, [knots[0][0] - 8.0, 0.01])
        knots.append([knots[-1][0] + 4.0, 0.99])
    return found


def held_out_table(rows: Sequence[Row], scores: Sequence[TextScore]) -> list[dict[str, Any]]:
    """Per source, the AUC of its held-out attacks against the held-out benign texts.

    Benign texts are those of all sources on the same group of surfaces.
    """
    benign: dict[str, list[float]] = {}
    attack: dict[tuple[str, str], list[float]] = {}
    for row, score in zip(rows, scores, strict=True):
        group = GROUPS[row.surface]
        if row.label == 0:
            benign.setdefault(group, []).append(score.attack)
        elif row.attack:
            attack.setdefault((row.source, group), []).append(score.attack)
    return [
        {
            "source": source,
            "group": group,
            "attacks": len(values),
            "auc": auc(np.array(benign[group]), np.array(values)),
        }
        for (source, group), values in sorted(attack.items())
        if benign.get(group)
    ]


def _prefilter_scores(
    net: prefilter.PrefilterNet, texts: Sequence[str], surfaces: Sequence[str], tokenizer: Tokenizer
) -> list[np.ndarray]:
    import torch

    out: list[np.ndarray] = []
    for begin in range(0, len(texts), 512):
        encoded = tokenizer.encode_batch(list(texts[begin : begin + 512]), add_special_tokens=False)
        for encoding, surface in zip(encoded, surfaces[begin : begin + 512], strict=True):
            ranges = cuts(len(encoding.ids))[:READ]
            longest = max((b - a for a, b in ranges), default=0) or 1
            ids = torch.zeros((len(ranges), longest), dtype=torch.int64)
            mask = torch.zeros((len(ranges), longest))
            for i, (a, b) in enumerate(ranges):
                ids[i, : b - a] = torch.tensor(encoding.ids[a:b], dtype=torch.int64)
                mask[i, : b - a] = 1
            marker = torch.full((len(ranges),), prefilter.MARKERS.index(MARKERS[surface]))
            with torch.inference_mode():
                out.append(net(ids, mask, marker).numpy())
    return out


def _fitted(
    words: Any, windows: Windows, run: Scorer, tokenizer: Tokenizer, teach: int
) -> prefilter.PrefilterNet:
    """A prefilter that learns the windows' labels, and of `teach` of them what the encoder says."""
    import torch

    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(windows))[:teach]
    teacher = np.full(len(windows), np.nan, np.float32)
    logits = score_windows(windows, chosen, run, 4096)
    teacher[chosen] = 1 / (1 + np.exp(-log_odds(logits, (1, 2, 3))))
    hard = (windows.labels > 0).astype(np.float32)
    teacher = np.where(np.isnan(teacher), hard, teacher)
    marker_ids = {m: tokenizer.token_to_id(m) for m in prefilter.MARKERS}
    with torch.enable_grad():
        return prefilter.fit_prefilter(windows, teacher, words, marker_ids)


def fit_prefilter(
    words: Any,
    windows: Windows,
    run: Scorer,
    held: Sequence[Row],
    scores: Sequence[TextScore],
    knots: dict[str, list[list[float]]],
    tokenizer: Tokenizer,
    *,
    kept: prefilter.PrefilterNet | None = None,
    teach: int = 4000,
    lost: float = 0.002,
) -> tuple[prefilter.PrefilterNet, dict[str, float]]:
    """Train the prefilter, unless one is `kept`, and set its thresholds.

    A threshold lets through, of the held-out attack texts that the encoder would flag, all but a
    share `lost`, and `SPARE` more.
    """
    net = kept or _fitted(words, windows, run, tokenizer, teach)
    texts, surfaces = [r.text for r in held], [r.surface for r in held]
    coarse = _prefilter_scores(net, texts, surfaces, tokenizer)
    flagged: dict[str, list[float]] = {m: [] for m in prefilter.MARKERS}
    for row, score, windows_of in zip(held, scores, coarse, strict=True):
        group = GROUPS[row.surface]
        if row.label and group in knots and score.attack >= knots[group][1][0]:
            flagged[MARKERS[row.surface]].append(float(windows_of[score.worst]))
    thresholds = {
        m: float(np.quantile(values, lost)) - SPARE if len(values) >= 50 else -20.0
        for m, values in flagged.items()
    }
    passed: dict[str, list[float]] = {}
    for row, windows_of in zip(held, coarse, strict=True):
        if row.label == 0:
            share = float((windows_of >= thresholds[MARKERS[row.surface]]).mean())
            passed.setdefault(f"{row.source}/{row.surface}", []).append(share)
    for key, shares in sorted(passed.items()):
        _say(f"prefilter passes {np.mean(shares):6.1%} of windows of {key}")
    return net, thresholds


def write(
    model: Any,
    quantised: Path,
    held: Sequence[Row],
    windows: Windows,
    tokenizer: Tokenizer,
    encoder: Path,
    target: Path,
    version: str,
    threads: int,
    start: Path | None = None,
) -> None:
    """Calibrate on held-out rows, fit the prefilter, and write every file with its hash.

    A training that went on from a shipped model, `start`, keeps the prefilter beside that: it has
    learned from more windows.
    """
    target.mkdir(parents=True, exist_ok=True)
    run = onnx_scorer(str(quantised), threads)
    held = some(held, TAKEN)
    scores = score_texts(
        [r.text for r in held], [r.surface for r in held], tokenizer, run, limit=READ
    )
    knots = confidence_knots(held, scores, BUDGETS, "attack")
    # People ask for harm in their own words; in data the class has no examples to go by.
    harmful = confidence_knots(held, scores, HARMFUL_BUDGETS, "harmful")
    harmful = {group: knots for group, knots in harmful.items() if group == "input"}
    for entry in held_out_table(held, scores):
        _say("held out: {source:20} {group:6} n={attacks:5} AUC {auc:.3f}".format(**entry))
    words = model.encoder.embeddings.word_embeddings.weight.detach()
    kept = prefilter.load(start.with_name("prefilter.npz")) if start else None
    net, thresholds = fit_prefilter(words, windows, run, held, scores, knots, tokenizer, kept=kept)
    shutil.copyfile(quantised, target / "model.onnx")
    prefilter.save(net, thresholds, target / "prefilter.npz")
    shutil.copyfile(encoder / "tokenizer.json", target / "tokenizer.json")
    settings = {
        "window": SIZE,
        "overlap": OVERLAP,
        "markers": MARKERS,
        "types": TYPES,
        "groups": GROUPS,
        "confidence": {"attack": knots, "harmful": harmful},
        "budgets": {"attack": BUDGETS, "harmful": HARMFUL_BUDGETS},
    }
    (target / "thresholds.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    seal(target, version)


def seal(target: Path, version: str) -> None:
    """Write `manifest.json`: the version and the SHA-256 of every file."""
    files = {
        name: hashlib.sha256((target / name).read_bytes()).hexdigest()
        for name in FILES
        if (target / name).exists()
    }
    manifest = {"version": version, "files": files}
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
