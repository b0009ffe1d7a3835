"""From data to artefact: `python -m training --data FOLDER --out FOLDER`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

REPEAT = {
    "safeguard": 0.5,
    "agent_traces": 0.35,
    "bfcl": 0.3,
    "intents": 0.3,
    "gsm8k": 0.3,
    "hinglish": 0.4,
    "xquad": 0.5,
    "roleplay": 0.7,
    "promptshield": 0.8,
    "sgd": 0.5,
    "harmful_requests:attack": 0.15,
    "garak:attack": 0.3,
    "hinglish:attack": 0.5,
    "injecagent:attack": 0.6,
    "promptshield:attack": 0.5,
    "injecagent": 0.5,
}
"""How often a row of a source is taken: large uniform sources must not drown small ones."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of .jsonl.gz files")
    parser.add_argument("--out", type=Path, required=True, help="work folder; kept for resuming")
    parser.add_argument(
        "--artefact", type=Path, help="where the artefact goes; default OUT/artefact"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        nargs="+",
        default=[25.0, 30.0],
        help="wall time of each round; rounds after the first mine hard negatives",
    )
    parser.add_argument("--planted", type=int, default=11000, help="attacks planted per round")
    parser.add_argument("--mistaken", type=int, default=9000, help="benign look-alikes per round")
    parser.add_argument("--rows", type=float, default=1.0, help="share of the rows to read")
    parser.add_argument("--rate", type=float, default=2e-4, help="learning rate of the first round")
    parser.add_argument("--start", type=Path, help="go on from this model.onnx, not from MiniLM")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="SOURCE")
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--encoder", type=Path, help="folder of all-MiniLM-L6-v2; default: package")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run every step that is not done yet. Interrupted, it resumes where it was."""
    args = _arguments(argv)
    import torch

    from training import export, mine, train, warm
    from training.compose import Composer
    from training.model import Detector, encoder_folder
    from training.rows import load_folder, split
    from training.score import onnx_scorer
    from training.windows import build, load_tokenizer

    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    encoder = args.encoder or encoder_folder()
    tokenizer = load_tokenizer(encoder / "tokenizer.json")
    rows, held = split(load_folder(args.data, leave_out=args.leave_out))
    _say(f"{len(rows)} training rows, {len(held)} held out")
    model = Detector(encoder, args.layers)
    if args.start:
        warm.load(model, args.start)
    repeat = {source: share * args.rows for source, share in REPEAT.items()}
    for row in rows:
        for key in (row.source, f"{row.source}:attack"):
            repeat.setdefault(key, args.rows)
    windows = None
    for number, minutes in enumerate(args.minutes, start=1):
        checkpoint = args.out / f"round{number}.pt"
        quantised = args.out / f"round{number}.int8.onnx"
        if not checkpoint.exists():
            examples = Composer(rows, seed=number).examples(
                args.planted, mistaken=args.mistaken, repeat=repeat
            )
            if number > 1:
                run = onnx_scorer(str(args.out / f"round{number - 1}.int8.onnx"), args.threads)
                mined = mine.mine(rows, tokenizer, run, seed=number)
                _say(f"{len(mined)} hard negatives mined")
                examples.extend(mined)
            windows = build(examples, tokenizer, seed=number)
            _say(f"round {number}: {len(windows)} windows, {len(windows.ids)} tokens")
            rate = args.rate if number == 1 else 0.6 * args.rate
            settings = train.Settings(minutes=minutes, seed=number, rate=rate, head_rate=4 * rate)
            train.fit(model, windows, settings, checkpoint)
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
        if not quantised.exists():
            export.to_onnx(model, args.out / "float.onnx")
            export.quantise(args.out / "float.onnx", quantised)
    if windows is None:
        examples = Composer(rows, seed=len(args.minutes)).examples(
            args.planted, mistaken=args.mistaken, repeat=repeat
        )
        windows = build(examples, tokenizer, seed=len(args.minutes))
    from training.artefact import write

    write(
        model,
        quantised,
        held,
        windows,
        tokenizer,
        encoder,
        args.artefact or args.out / "artefact",
        args.version,
        args.threads,
    )
    return 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
