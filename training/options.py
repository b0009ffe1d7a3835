"""The options that every training command has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from training.rounds import Plan

if TYPE_CHECKING:
    import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    plan = Plan()
    parser.add_argument("--data", type=Path, required=True, help="folder of .jsonl.gz files")
    parser.add_argument("--out", type=Path, required=True, help="work folder; kept for resuming")
    parser.add_argument(
        "--minutes",
        type=float,
        nargs="+",
        default=list(plan.minutes),
        help="wall time of each round; rounds after the first mine hard negatives",
    )
    parser.add_argument(
        "--planted", type=int, default=plan.planted, help="attacks planted per round"
    )
    parser.add_argument(
        "--mistaken", type=int, default=plan.mistaken, help="benign look-alikes per round"
    )
    parser.add_argument("--rows", type=float, default=plan.rows, help="share of the rows to read")
    parser.add_argument(
        "--rate", type=float, default=plan.rate, help="learning rate of the first round"
    )
    parser.add_argument("--tokens", type=int, default=plan.tokens, help="padded tokens of one step")
    parser.add_argument(
        "--epochs", type=float, default=plan.epochs, help="passes over a round's windows"
    )
    parser.add_argument(
        "--teacher", type=int, metavar="LAYERS", help="train a larger detector first, to learn from"
    )
    parser.add_argument(
        "--teacher-minutes", type=float, default=plan.teacher_minutes, help="of its one round"
    )
    parser.add_argument(
        "--scored", type=int, default=plan.scored, help="benign windows looked for hard negatives"
    )
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--encoder", type=Path, help="folder of all-MiniLM-L6-v2; default: package")


def plan_of(args: argparse.Namespace) -> Plan:
    """What the options ask for."""
    return Plan(
        minutes=tuple(args.minutes), planted=args.planted, mistaken=args.mistaken, rows=args.rows,
        rate=args.rate, tokens=args.tokens, threads=args.threads, epochs=args.epochs,
        teacher_minutes=args.teacher_minutes, scored=args.scored, seed=args.seed,
    )  # fmt: skip
