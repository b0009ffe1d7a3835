"""From data to artefact: `python -m training --data FOLDER --out FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run every step that is not done yet. Interrupted, it resumes where it was."""
    import torch

    from training import options, rounds, warm
    from training.artefact import write
    from training.model import Detector, encoder_folder
    from training.rows import load_folder, split
    from training.windows import load_tokenizer

    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    options.add(parser)
    parser.add_argument(
        "--artefact", type=Path, help="where the artefact goes; default OUT/artefact"
    )
    parser.add_argument("--start", type=Path, help="go on from this model.onnx, not from MiniLM")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="SOURCE")
    parser.add_argument("--version", default="0.1.0")
    args = parser.parse_args(argv)

    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    encoder = args.encoder or encoder_folder()
    tokenizer = load_tokenizer(encoder / "tokenizer.json")
    rows, held = split(load_folder(args.data, leave_out=args.leave_out))
    rounds.say(f"{len(rows)} training rows, {len(held)} held out")
    model = Detector(encoder, args.layers)
    if args.start:
        warm.load(model, args.start)
    windows = rounds.fit(
        model,
        rows,
        tokenizer,
        options.plan_of(args),
        args.out,
        start=args.start,
        teacher=Detector(encoder, args.teacher) if args.teacher else None,
    )
    write(
        model,
        rounds.quantised(model, args.out / f"round{len(args.minutes)}"),
        held,
        windows,
        tokenizer,
        encoder,
        args.artefact or args.out / "artefact",
        args.version,
        args.threads,
        args.start,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
