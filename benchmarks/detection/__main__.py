"""Run the detection benchmark: `python -m benchmarks.detection FILES --output report.md`."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.detection.detectors import Detectors, Scores
from benchmarks.detection.report import AT, Result, markdown
from benchmarks.detection.texts import LabelledText, read

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    return parser.parse_args(argv)


def _texts(paths: Sequence[Path], sample: int, seed: int) -> list[LabelledText]:
    files = [
        found
        for path in paths
        for found in (sorted(path.glob("*.jsonl*")) if path.is_dir() else [path])
    ]
    groups: dict[tuple[str, bool, str, bool], list[LabelledText]] = defaultdict(list)
    for file in files:
        for text in read(file):
            groups[text.source, text.attack, text.kind, text.weak].append(text)
    rng = random.Random(seed)
    chosen: list[LabelledText] = []
    for _, group in sorted(groups.items()):
        chosen.extend(rng.sample(group, sample) if 0 < sample < len(group) else group)
    return chosen


def _known(cache: Path | None, revision: str) -> dict[str, Scores]:
    if cache is None or not cache.exists():
        return {}
    known = {}
    for line in cache.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # An interrupted run may leave half a line behind.
        key, found = entry.pop("key"), entry.pop("revision")
        if found == revision:
            known[key] = Scores(**entry)
    return known


def main(argv: Sequence[str] | None = None) -> int:
    """Score every text that is not in the cache yet, then write the report."""
    args = _arguments(argv)
    detectors = Detectors(frozenset(args.layers.split(",")))
    revision = detectors.revision
    texts = _texts(args.files, args.sample, args.seed)
    known = _known(args.cache, revision)
    results: list[Result] = []
    log = args.cache.open("a", encoding="utf-8") if args.cache else None
    try:
        for number, text in enumerate(texts, start=1):
            scores = known.get(text.key)
            if scores is None:
                scores = detectors.score(text.text, text.surface)
                if log:
                    entry = {"key": text.key, "revision": revision, **asdict(scores)}
                    log.write(json.dumps(entry) + "\n")
            results.append(Result(text, scores))
            if number % 50 == 0 or number == len(texts):
                sys.stderr.write(f"\r{number}/{len(texts)} texts, now {text.source:24}")
        sys.stderr.write("\n")
    finally:
        if log:
            log.close()
    report = markdown(results, revision, args.at)
    if args.output:
        args.output.write_text(report, encoding="utf-8")
    else:
        print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
