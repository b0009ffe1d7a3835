"""Fits the detector on windows: resumable, repeatable, on a GPU where there is one."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from training.windows import IGNORE, MASK, PAD, Windows, batches

if TYPE_CHECKING:
    from pathlib import Path

    from training.model import Detector


@dataclass(frozen=True, slots=True)
class Settings:
    """What one training run may use.

    `minutes` bounds the wall time: the schedule is stretched or cut to it, so that a slow machine
    still ends with a decayed learning rate. `blank` is the share of words hidden from the model, so
    that it does not lean on single ones.
    """

    minutes: float = 20.0
    epochs: float = 1.0
    tokens: int = 4096
    rate: float = 2e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.85
    warmup: float = 0.05
    token_weight: float = 0.5
    smoothing: float = 0.02
    blank: float = 0.0
    seed: int = 0
    save_every: float = 180.0


def _optimizer(model: Detector, settings: Settings) -> torch.optim.Optimizer:
    groups = []
    layers = model.encoder.encoder.layer
    for depth, layer in enumerate(layers):
        rate = settings.rate * settings.layer_decay ** (len(layers) - 1 - depth)
        groups.append({"params": list(layer.parameters()), "lr": rate})
    rest = [p for p in model.encoder.embeddings.parameters() if p.requires_grad]
    groups.append({"params": rest, "lr": settings.rate * settings.layer_decay ** len(layers)})
    heads = [
        *model.token_head.parameters(),
        *model.mix.parameters(),
        *model.window_head.parameters(),
    ]
    groups.append({"params": heads, "lr": settings.head_rate})
    for group in groups:
        group["base"] = group["lr"]
    return torch.optim.AdamW(groups, weight_decay=0.01, fused=torch.cuda.is_available())


TAUGHT = 0.5
"""Weight of what a teacher says of a window, against its label."""
WATCHED = 20
"""Steps between two readings of the loss: on a GPU each one waits for all work under way."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Padded windows where the model is, each (windows, longest) or (windows,)."""

    ids: torch.Tensor
    mask: torch.Tensor
    marks: torch.Tensor
    types: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    taught: torch.Tensor | None


class _Feed:
    """The windows where the model is, so that a step waits for nothing but its own arithmetic."""

    def __init__(
        self, windows: Windows, taught: np.ndarray | None, device: str, blank: float
    ) -> None:
        self.blank = blank
        self.taught = None if taught is None else torch.from_numpy(taught).to(device)
        self.ids = torch.from_numpy(windows.ids.astype(np.int32)).to(device)
        self.marks = torch.from_numpy(windows.token_labels).to(device)
        self.starts = torch.from_numpy(windows.offsets[:-1]).to(device)
        self.lengths = torch.from_numpy(np.diff(windows.offsets)).to(device)
        self.types = torch.from_numpy(windows.types.astype(np.int64)).to(device)
        self.labels = torch.from_numpy(windows.labels.astype(np.int64)).to(device)
        self.weights = torch.from_numpy(windows.weights).to(device)

    def batch(self, index: torch.Tensor, longest: int) -> _Batch:
        """The windows at `index`, padded; a share `blank` of their words is hidden."""
        places = torch.arange(longest, device=index.device)
        mask = places < self.lengths[index, None]
        at = torch.where(mask, self.starts[index, None] + places, 0)
        ids = torch.where(mask, self.ids[at].long(), PAD)
        if self.blank:
            hidden = torch.rand(ids.shape, device=ids.device) < self.blank
            # Neither the marker nor what surrounds a window: they say where it was met.
            hidden &= (places > 1) & (places < self.lengths[index, None] - 1)
            ids = torch.where(hidden, MASK, ids)
        marks = torch.where(mask, self.marks[at], IGNORE)
        return _Batch(
            ids, mask.long(), marks, self.types[index, None] * mask, self.labels[index],
            self.weights[index], None if self.taught is None else self.taught[index],
        )  # fmt: skip


def _loss(
    logits: torch.Tensor, token_logits: torch.Tensor, batch: _Batch, settings: Settings
) -> torch.Tensor:
    loss = functional.cross_entropy(
        logits.float(), batch.labels, reduction="none", label_smoothing=settings.smoothing
    )
    if batch.taught is not None:
        # A teacher that is wrong about a window teaches nothing about it.
        right = batch.taught.argmax(1) == batch.labels
        likeness = functional.kl_div(
            functional.log_softmax(logits.float(), 1), functional.softmax(batch.taught, 1),
            reduction="none",
        ).sum(1)  # fmt: skip
        loss = torch.where(right, (1 - TAUGHT) * loss + TAUGHT * likeness, loss)
    loss = (loss * batch.weights).sum() / batch.weights.sum()
    known = (batch.marks != IGNORE).float()
    token_loss = functional.binary_cross_entropy_with_logits(
        token_logits.float(), (batch.marks == 1).float(), weight=known, reduction="sum"
    )
    return loss + settings.token_weight * token_loss / known.sum().clamp(min=1)


def fit(
    model: Detector,
    windows: Windows,
    settings: Settings,
    checkpoint: Path,
    again: np.ndarray | None = None,
    taught: np.ndarray | None = None,
) -> None:
    """Train in place; write `checkpoint` every few minutes and at the end, resume from it if there.

    The learning rate follows whichever has gone further, the share of the planned tokens or of
    the wall time, so that the run always ends annealed.

    Args:
        model: Trained where `cuda` is when there is one, and left there.
        windows: What to fit to.
        settings: For how long and how fast.
        checkpoint: Where the weights go.
        again: Windows to see more often: indices, repeated as often as they are to be added.
        taught: A teacher's class logits of the windows, (n, 4).
    """
    torch.manual_seed(settings.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).train()
    model.dtype = torch.bfloat16
    optimizer = _optimizer(model, settings)
    feed = _Feed(windows, taught, device, settings.blank)
    chosen = np.arange(len(windows))
    if again is not None:
        chosen = np.concatenate([chosen, again])
    lengths = np.diff(windows.offsets)[chosen]
    plan: list[np.ndarray] = []
    rng = np.random.default_rng(settings.seed)
    for _ in range(math.ceil(settings.epochs)):
        plan.extend(batches(lengths, settings.tokens, rng))
    plan = plan[: int(len(plan) * settings.epochs / math.ceil(settings.epochs))]
    step, spent = 0, 0.0
    partial = checkpoint.with_suffix(".partial")
    if partial.exists():
        state = torch.load(partial, weights_only=True, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    trained = [p for p in model.parameters() if p.requires_grad]
    begun = saved = time.monotonic()
    running = 0.0
    with tqdm(total=len(plan), initial=step, mininterval=20) as bar:
        while step < len(plan):
            elapsed = spent + time.monotonic() - begun
            done = max(step / len(plan), elapsed / (settings.minutes * 60))
            if done >= 1:
                break
            factor = min(1.0, done / settings.warmup) if done < settings.warmup else 1.0
            factor *= 0.5 * (1 + math.cos(math.pi * done))
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * max(factor, 0.01)
            index = plan[step]
            batch = feed.batch(
                torch.from_numpy(chosen[index]).to(device), int(lengths[index].max())
            )
            logits, token_logits = model(batch.ids, batch.mask, batch.types)
            total = _loss(logits, token_logits, batch, settings)
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            if step % WATCHED == 0:
                loss = float(total.detach())
                running = 0.8 * running + 0.2 * loss if step else loss
                bar.set_postfix_str(f"loss {running:.4f} {elapsed / 60:.1f} min", refresh=False)
            step += 1
            bar.update(1)
            if time.monotonic() - saved > settings.save_every:
                saved = time.monotonic()
                state = {
                    "model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
                    "spent": spent + saved - begun,
                }  # fmt: skip
                torch.save(state, partial.with_suffix(".tmp"))
                partial.with_suffix(".tmp").replace(partial)
    model.eval()
    model.dtype = torch.float32
    torch.save({name: value.cpu() for name, value in model.state_dict().items()}, checkpoint)
    partial.unlink(missing_ok=True)
