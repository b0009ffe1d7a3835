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

from training.windows import IGNORE, Windows, batches, pad

if TYPE_CHECKING:
    from pathlib import Path

    from training.model import Detector


@dataclass(frozen=True, slots=True)
class Settings:
    """What one training run may use.

    `minutes` bounds the wall time: the schedule is stretched or cut to it, so that a slow machine
    still ends with a decayed learning rate.
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
    return torch.optim.AdamW(groups, weight_decay=0.01)


def fit(model: Detector, windows: Windows, settings: Settings, checkpoint: Path) -> None:
    """Train in place; write `checkpoint` every few minutes and at the end, resume from it if there.

    The learning rate follows whichever has gone further, the share of the planned tokens or of
    the wall time, so that the run always ends annealed.
    """
    torch.manual_seed(settings.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).train()
    optimizer = _optimizer(model, settings)
    lengths = np.diff(windows.offsets)
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
            ids, mask, marks = (torch.from_numpy(a).to(device) for a in pad(windows, index))
            types = torch.from_numpy(windows.types[index].astype(np.int64)).to(device)
            labels = torch.from_numpy(windows.labels[index].astype(np.int64)).to(device)
            weights = torch.from_numpy(windows.weights[index]).to(device)
            with torch.autocast(device, dtype=torch.bfloat16):
                logits, token_logits = model(ids, mask, types[:, None].expand_as(ids) * mask)
            loss = functional.cross_entropy(
                logits.float(), labels, reduction="none", label_smoothing=settings.smoothing
            )
            loss = (loss * weights).sum() / weights.sum()
            known = marks != IGNORE
            if bool(known.any()):
                token_loss = functional.binary_cross_entropy_with_logits(
                    token_logits.float()[known], marks[known].float()
                )
                total = loss + settings.token_weight * token_loss
            else:
                total = loss
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
            optimizer.step()
            step += 1
            running = (
                0.98 * running + 0.02 * float(loss.detach()) if step > 1 else float(loss.detach())
            )
            bar.update(1)
            bar.set_postfix_str(f"loss {running:.4f} {elapsed / 60:.1f} min", refresh=False)
            if time.monotonic() - saved > settings.save_every:
                saved = time.monotonic()
                state = {
                    "model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
                    "spent": spent + saved - begun,
                }  # fmt: skip
                torch.save(state, partial.with_suffix(".tmp"))
                partial.with_suffix(".tmp").replace(partial)
    model.eval()
    torch.save({name: value.cpu() for name, value in model.state_dict().items()}, checkpoint)
    partial.unlink(missing_ok=True)
