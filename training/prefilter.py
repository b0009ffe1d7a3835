"""Fits the prefilter: a small convolution that says which windows the encoder need not read.

It learns from the same windows as the encoder and from the encoder's own opinion of them. Its
threshold is set on held-out texts so that hardly any window the encoder flags is cleared.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.windows import TYPES, Windows, batches, pad

if TYPE_CHECKING:
    from pathlib import Path

VOCABULARY = 30522
DEPTH, HIDDEN, WIDTH = 48, 96, 5
MARKERS = tuple(TYPES)


class PrefilterNet(nn.Module):
    """Word vectors, one convolution, and the maximum and mean over the window."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors.clone())
        self.shifts = nn.Parameter(torch.zeros(len(MARKERS), DEPTH))
        self.kernel = nn.Linear(WIDTH * DEPTH, HIDDEN)
        self.out = nn.Linear(2 * HIDDEN, 1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, marker: torch.Tensor) -> torch.Tensor:
        """Log-odds (batch,) of windows (batch, tokens) without their special tokens."""
        x = functional.embedding(ids, self.vectors) + self.shifts[marker][:, None]
        x = x * mask[..., None]
        x = functional.pad(x, (0, 0, WIDTH // 2, WIDTH // 2))
        x = x.unfold(1, WIDTH, 1).transpose(2, 3).flatten(2)
        h = torch.relu(self.kernel(x)) * mask[..., None]
        pooled = torch.cat([h.max(1).values, h.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)], 1)
        return self.out(pooled).squeeze(-1)


def start_vectors(words: torch.Tensor) -> torch.Tensor:
    """The encoder's word vectors, reduced to `DEPTH` principal directions of unit scale."""
    centred = words - words.mean(0)
    _, _, directions = torch.linalg.svd(centred[::7], full_matrices=False)
    reduced = centred @ directions[:DEPTH].T
    return reduced / reduced.std()


def _inputs(
    windows: Windows, index: np.ndarray, markers: dict[int, int]
) -> tuple[torch.Tensor, ...]:
    ids, mask, _ = pad(windows, index)
    marker = torch.tensor([markers[int(m)] for m in ids[:, 1]])
    # Without [CLS] and the marker before, and without the [SEP] after.
    inner = mask[:, 2:].copy()
    inner[np.arange(len(inner)), inner.sum(1) - 1] = 0
    return torch.from_numpy(ids[:, 2:]), torch.from_numpy(inner).float(), marker


def fit_prefilter(
    windows: Windows,
    teacher: np.ndarray | None,
    words: torch.Tensor,
    marker_ids: dict[str, int],
    *,
    epochs: int = 4,
    seed: int = 0,
) -> PrefilterNet:
    """Train on windows.

    Args:
        windows: The encoder's training windows.
        teacher: The encoder's probability that a window is not benign, (n,), or None.
        words: The encoder's word vectors.
        marker_ids: Token id of each marker.
        epochs: Passes over the windows.
        seed: For the order and the start.
    """
    torch.manual_seed(seed)
    net = PrefilterNet(start_vectors(words))
    markers = {token: i for i, token in enumerate(marker_ids[m] for m in MARKERS)}
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    rng = np.random.default_rng(seed)
    lengths = np.diff(windows.offsets)
    target = (windows.labels > 0).astype(np.float32)
    if teacher is not None:
        target = 0.5 * target + 0.5 * teacher.astype(np.float32)
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - epoch / epochs)
        for index in batches(lengths, 16384, rng):
            logits = net(*_inputs(windows, index, markers))
            loss = functional.binary_cross_entropy_with_logits(
                logits, torch.from_numpy(target[index]), pos_weight=torch.tensor(3.0)
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        sys.stderr.write(f"prefilter epoch {epoch + 1}/{epochs}, loss {float(loss.detach()):.3f}\n")
    return net.eval()


def save(net: PrefilterNet, thresholds: dict[str, float], path: Path) -> None:
    """Write the prefilter as numpy arrays, word vectors as int8."""
    vectors = net.vectors.detach().numpy()
    scale = float(np.quantile(np.abs(vectors), 0.9995)) / 127
    np.savez_compressed(
        path,
        vectors=np.clip(np.round(vectors / scale), -127, 127).astype(np.int8),
        scale=np.float32(scale),
        markers=np.array(MARKERS),
        shifts=net.shifts.detach().numpy().astype(np.float32),
        kernel=net.kernel.weight.detach().numpy().T.astype(np.float32).copy(),
        bias=net.kernel.bias.detach().numpy().astype(np.float32),
        out=net.out.weight.detach().numpy()[0].astype(np.float32),
        out_bias=np.float32(net.out.bias.item()),
        thresholds=np.array([thresholds.get(m, -20.0) for m in MARKERS], np.float32),
    )


def load(path: Path) -> PrefilterNet:
    """A prefilter that `save` wrote."""
    with np.load(path) as kept:
        net = PrefilterNet(torch.from_numpy(kept["vectors"] * kept["scale"]).float())
        state = {
            "shifts": kept["shifts"],
            "kernel.weight": kept["kernel"].T.copy(),
            "kernel.bias": kept["bias"],
            "out.weight": kept["out"][None],
            "out.bias": np.atleast_1d(kept["out_bias"]),
        }
    found = {name: torch.from_numpy(value) for name, value in state.items()}
    net.load_state_dict({"vectors": net.vectors.detach(), **found})
    return net.eval()
