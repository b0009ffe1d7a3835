"""Scores whole texts: windows, the encoder on each, and the worst window corrected for how many.

The same arithmetic as `rune_core.layers.l2_vector`, which a test compares with this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from training.windows import CLS, MARKERS, PAD, SEP, TYPES, cuts, pad

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from tokenizers import Tokenizer

    from training.windows import Windows


READ = 8
"""Windows read of a held-out text: enough to rank it, and minutes saved."""


class Scorer(Protocol):
    """Runs the network: ids, mask and types (n, tokens) to class logits (n, 4), token logits."""

    def __call__(
        self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(slots=True)
class TextScore:
    """What the network says about one text.

    Attributes:
        attack: Log-odds of injection or jailbreak in the worst window, less the logarithm of
            the number of windows: a text is not more suspicious for being long.
        harmful: The same for a harmful request.
        windows: The number of windows.
        worst: Index of the worst window.
        span: Characters of the worst window, in the text.
        logits: Class logits of every window, (windows, 4).
    """

    attack: float
    harmful: float
    windows: int
    worst: int
    span: tuple[int, int]
    logits: np.ndarray


def log_odds(logits: np.ndarray, classes: tuple[int, ...]) -> np.ndarray:
    """Log-odds that one of `classes` is true, for rows of class logits."""
    others = [c for c in range(logits.shape[1]) if c not in classes]
    return np.logaddexp.reduce(logits[:, list(classes)], axis=1) - np.logaddexp.reduce(
        logits[:, others], axis=1
    )


def torch_scorer(model: torch.nn.Module) -> Scorer:
    """A scorer over the float model, where the model's weights are."""
    import torch

    device = next(model.parameters()).device

    def run(ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            logits, tokens = model(*(torch.from_numpy(a).to(device) for a in (ids, mask, types)))
        return logits.float().cpu().numpy(), tokens.float().cpu().numpy()

    return run


def onnx_scorer(path: str, threads: int = 1) -> Scorer:
    """A scorer over an exported model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, tokens = session.run(
            ["logits", "token_logits"],
            {"input_ids": ids, "attention_mask": mask, "token_type_ids": types},
        )
        return logits, tokens

    return run


def score_windows(windows: Windows, index: np.ndarray, run: Scorer, tokens: int) -> np.ndarray:
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


def score_texts(
    texts: Sequence[str],
    surfaces: Sequence[str],
    tokenizer: Tokenizer,
    run: Scorer,
    *,
    limit: int = 64,
    batch_tokens: int = 4096,
    progress: Callable[[int], object] | None = None,
) -> list[TextScore]:
    """Score texts.

    Args:
        texts: The texts.
        surfaces: Where each was met.
        tokenizer: As `windows.load_tokenizer` gives it.
        run: The network.
        limit: Windows read of one text; the rest of a longer one is not looked at.
        batch_tokens: Padded tokens scored together.
        progress: Told how many windows were scored.
    """
    marker_ids = {m: tokenizer.token_to_id(m) for m in TYPES}
    pieces: list[tuple[int, list[int], int]] = []
    spans: list[list[tuple[int, int]]] = []
    for begin in range(0, len(texts), 1024):
        encoded = tokenizer.encode_batch(
            list(texts[begin : begin + 1024]), add_special_tokens=False
        )
        for i, encoding in enumerate(encoded, start=begin):
            marker = MARKERS[surfaces[i]]
            offsets = encoding.offsets
            mine = []
            for a, b in cuts(len(encoding.ids))[:limit]:
                pieces.append(
                    (i, [CLS, marker_ids[marker], *encoding.ids[a:b], SEP], TYPES[marker])
                )
                mine.append((offsets[a][0], offsets[b - 1][1]) if b > a else (0, 0))
            spans.append(mine)
    logits = np.zeros((len(pieces), 4), np.float32)
    order = sorted(range(len(pieces)), key=lambda k: len(pieces[k][1]))
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and len(pieces[order[end]][1]) * (end + 1 - begin) <= batch_tokens:
            end += 1
        chosen = order[begin:end]
        longest = len(pieces[chosen[-1]][1])
        ids = np.full((len(chosen), longest), PAD, np.int64)
        mask = np.zeros_like(ids)
        types = np.zeros_like(ids)
        for row, k in enumerate(chosen):
            _, tokens, kind = pieces[k]
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
            types[row, : len(tokens)] = kind
        logits[chosen] = run(ids, mask, types)[0]
        if progress:
            progress(len(chosen))
        begin = end
    out: list[TextScore] = []
    at = 0
    attack, harmful = log_odds(logits, (1, 2)), log_odds(logits, (3,))
    for mine in spans:
        n = len(mine)
        rows = slice(at, at + n)
        worst = int(np.argmax(attack[rows]))
        correction = float(np.log(n))
        out.append(
            TextScore(
                attack=float(attack[rows][worst]) - correction,
                harmful=float(harmful[rows].max()) - correction,
                windows=n,
                worst=worst,
                span=mine[worst],
                logits=logits[rows],
            )
        )
        at += n
    return out


def auc(benign: np.ndarray, attack: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half."""
    scores = np.concatenate([benign, attack])
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    values = scores[order]
    begin = 0
    while begin < len(values):
        end = begin + 1
        while end < len(values) and values[end] == values[begin]:
            end += 1
        ranks[order[begin:end]] = (begin + end + 1) / 2
        begin = end
    positive = ranks[len(benign) :].sum()
    return float((positive - len(attack) * (len(attack) + 1) / 2) / (len(attack) * len(benign)))
