"""Run the detection benchmark: `python -m benchmarks.detection FILES --output report.md`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rune_core.evaluation.detectors import Detectors
from rune_core.evaluation.report import AT, curves, markdown
from rune_core.evaluation.run import choose, score_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help=".jsonl or .jsonl.gz files or folders")
    parser.add_argument("--layers", default="l1,l2", help="l1, l2 or l1,l2")
    parser.add_argument("--at", type=float, default=AT, help="confidence that counts as flagged")
    parser.add_argument(
        "--sample", type=int, default=0, help="texts per source and kind; 0 for all"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--cache", type=Path, help="scores of an interrupted run, to go on from")
    parser.add_argument("--output", type=Path, help="where the Markdown goes; default: stdout")
    parser.add_argument("--picture", type=Path, help="where the ROC curves go, as SVG")
    return parser.parse_args(argv)


def _counter(total: int) -> Callable[[int], None]:
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if done % 50 == 0 or done == total:
            sys.stderr.write(f"\r{done}/{total} texts" + ("\n" if done == total else ""))

    return advance


def main(argv: Sequence[str] | None = None) -> int:
    """Score every text that is not in the cache yet, then write the report."""
    args = _arguments(argv)
    detectors = Detectors(frozenset(args.layers.split(",")))
    texts = choose(args.files, sample=args.sample, seed=args.seed)
    results = score_all(texts, detectors, cache=args.cache, advance=_counter(len(texts)))
    report = markdown(results, detectors.revision, args.at)
    if args.output:
        args.output.write_text(report, encoding="utf-8")
    else:
        print(report)
    if args.picture:
        args.picture.write_text(curves(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
