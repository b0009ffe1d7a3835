"""Cuts texts into token windows, with the class of each window and of each of its tokens."""

# ruff: noqa: S311 - the draws must be repeatable, not secret

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.rows import BENIGN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from training.compose import Example

SIZE = 128
"""Tokens of a window, with `[CLS]`, the surface marker and `[SEP]`."""
OVERLAP = 32
SIZES = (128, 128, 96, 64, 64, 48)
"""Sizes of training windows: shorter ones are cheaper, and make small texts as common as large."""
CLS, SEP, MASK, PAD = 101, 102, 103, 0
IGNORE = 255

MARKERS = {
    "input": "user",
    "output": "answer",
    "document": "document",
    "tool_result": "document",
    "tool_call": "command",
    "tool_definition": "document",
    "handoff": "document",
}
"""A word put before every window, so that one text can be judged by where it was met."""
TYPES = {"user": 0, "answer": 0, "document": 1, "command": 1}
"""BERT's token type for each marker: 0 for words of the conversation, 1 for data."""


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer without truncation, padding or special tokens: windows add their own."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def cuts(length: int, size: int = SIZE - 3, overlap: int = OVERLAP) -> list[tuple[int, int]]:
    """Token ranges of the windows over `length` tokens; the last one ends at the end."""
    if length <= size:
        return [(0, length)]
    starts = [*range(0, length - size, size - overlap), length - size]
    return [(start, start + size) for start in starts]


@dataclass(slots=True)
class Windows:
    """Ragged windows in flat arrays.

    Attributes:
        ids: Token ids of all windows, uint16, shape (total,).
        token_labels: 1 inside a planted span, 0 outside, `IGNORE` where unknown; shape (total,).
        offsets: Start of each window in `ids`; shape (n + 1,).
        labels, types, weights, sources: One entry a window; shape (n,).
    """

    ids: np.ndarray
    token_labels: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    types: np.ndarray
    weights: np.ndarray
    sources: list[str]

    def __len__(self) -> int:
        return len(self.labels)


def join(parts: Sequence[Windows]) -> Windows:
    """All windows of several sets, in order."""
    starts = np.cumsum([0, *(len(part.ids) for part in parts)])
    offsets = [part.offsets[:-1] + at for part, at in zip(parts, starts[:-1], strict=True)]
    return Windows(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.token_labels for part in parts]),
        np.concatenate([*offsets, starts[-1:]]).astype(np.int64),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.types for part in parts]),
        np.concatenate([part.weights for part in parts]),
        [source for part in parts for source in part.sources],
    )


def _window_label(example: Example, inside: int, total: int) -> int | None:
    """The class of a window that holds `inside` of a span's `total` tokens; None: leave it out."""
    if inside == 0:
        return BENIGN
    if inside >= min(total, max(8, total // 2)):
        return example.label
    return None


def build(examples: Sequence[Example], tokenizer: Tokenizer, seed: int = 0) -> Windows:
    """Draw windows from examples.

    A planted attack gives a window that holds it and, for long hosts, sometimes one that does not.
    Benign texts give `example.windows` windows. Starts are random, so that a span is met anywhere.
    """
    rng = random.Random(seed)
    marker_ids = {m: tokenizer.token_to_id(m) for m in TYPES}
    ids: list[np.ndarray] = []
    marks: list[np.ndarray] = []
    labels: list[int] = []
    types: list[int] = []
    weights: list[float] = []
    sources: list[str] = []

    def emit(
        example: Example, tokens: list[int], mark: np.ndarray, label: int, weight: float
    ) -> None:
        marker = MARKERS[example.surface]
        ids.append(np.array([CLS, marker_ids[marker], *tokens, SEP], np.uint16))
        marks.append(np.concatenate([[IGNORE, IGNORE], mark, [IGNORE]]).astype(np.uint8))
        labels.append(label)
        types.append(TYPES[marker])
        weights.append(weight)
        sources.append(example.source)

    for begin in range(0, len(examples), 2048):
        chunk = examples[begin : begin + 2048]
        encoded = tokenizer.encode_batch([e.text[:12000] for e in chunk], add_special_tokens=False)
        for example, encoding in zip(chunk, encoded, strict=True):
            tokens = encoding.ids
            if not tokens:
                continue
            n = len(tokens)
            size = rng.choice(SIZES) - 3
            if example.spans is None:
                starts = [0]
                if n > size + 20 and rng.random() < 0.6:
                    starts.append(rng.randrange(1, n - size + 1))
                for start in starts:
                    mark = np.full(min(size, n - start), IGNORE, np.uint8)
                    weight = example.weight * (1.0 if start == 0 else 0.4)
                    emit(example, tokens[start : start + size], mark, example.label, weight)
                continue
            inside = np.zeros(n, np.uint8)
            if example.spans:
                places = np.array(encoding.offsets)
                for a, b in example.spans:
                    inside[(places[:, 0] < b) & (places[:, 1] > a)] = 1
            where = np.flatnonzero(inside)
            if len(where):
                total = int(inside.sum())
                anchor = int(rng.choice(where[: max(1, min(total, size - 8))]))
                # Anywhere from the span at the window's end to the span at its beginning.
                low = max(0, min(int(where[0]), n - size) - max(0, size - total - 1))
                high = max(low, min(anchor, max(0, n - size)))
                chosen = [rng.randint(low, high)]
                if n > 2 * size and rng.random() < 0.3:
                    chosen.append(rng.randrange(n - size))
            else:
                # A benign text too long for one window is drawn from anywhere, often cut short:
                # tool results come in every size.
                chosen = [rng.randrange(max(1, n - size + 1)) for _ in range(example.windows)]
            for start in chosen:
                mark = inside[start : start + size]
                label = _window_label(example, int(mark.sum()), int(inside.sum()))
                if label is not None:
                    emit(example, tokens[start : start + size], mark, label, example.weight)
    lengths = [len(x) for x in ids]
    return Windows(
        ids=np.concatenate(ids),
        token_labels=np.concatenate(marks),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=np.array(labels, np.uint8),
        types=np.array(types, np.uint8),
        weights=np.array(weights, np.float32),
        sources=sources,
    )


def batches(lengths: np.ndarray, tokens: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Group windows of similar length into batches of about `tokens` padded tokens, shuffled."""
    order = np.argsort(lengths + rng.uniform(0, 12, len(lengths)), kind="stable")
    out, begin = [], 0
    while begin < len(order):
        end = begin + 1
        longest = int(lengths[order[begin]])
        while end < len(order):
            longest = max(longest, int(lengths[order[end]]))
            if longest * (end - begin + 1) > tokens:
                break
            end += 1
        out.append(order[begin:end])
        begin = end
    return [out[i] for i in rng.permutation(len(out))]


def pad(windows: Windows, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Padded ids, attention mask and token labels of some windows, each (len(index), longest)."""
    spans = [(int(windows.offsets[i]), int(windows.offsets[i + 1])) for i in index]
    longest = max(b - a for a, b in spans)
    ids = np.full((len(index), longest), PAD, np.int64)
    mask = np.zeros((len(index), longest), np.int64)
    marks = np.full((len(index), longest), IGNORE, np.uint8)
    for row, (a, b) in enumerate(spans):
        ids[row, : b - a] = windows.ids[a:b]
        mask[row, : b - a] = 1
        marks[row, : b - a] = windows.token_labels[a:b]
    return ids, mask, marks
