"""Chooses texts, scores those that were not scored before, and keeps the scores."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rune_core.evaluation.detectors import Scores
from rune_core.evaluation.report import Result
from rune_core.evaluation.texts import LabelledText, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rune_core.evaluation.detectors import Detectors


def files_in(paths: Sequence[Path]) -> list[Path]:
    """The JSON lines files among paths, those in folders in name order."""
    return [
        found
        for path in paths
        for found in (sorted(path.glob("*.jsonl*")) if path.is_dir() else [path])
    ]


def choose(
    paths: Sequence[Path],
    *,
    sample: int = 0,
    seed: int = 0,
    surface: str = "input",
    label: str | None = None,
    field: str = "text",
) -> list[LabelledText]:
    """Read labelled texts, or draw some of each source and kind.

    Args:
        paths: Files or folders of JSON lines.
        sample: Texts per source and kind; 0 for all.
        seed: Of the draw.
        surface: For lines that name none.
        label: For lines that have none; None to refuse them.
        field: The key of the text.

    Raises:
        ValueError: A line has no text or label; the message names file and line.
        OSError: A file cannot be read.
    """
    groups: dict[tuple[str, bool, str, bool], list[LabelledText]] = defaultdict(list)
    for file in files_in(paths):
        for text in read(file, surface, field=field, label=label):
            groups[text.source, text.attack, text.kind, text.weak].append(text)
    rng = random.Random(seed)  # noqa: S311 - the draw must be repeatable, not secret
    chosen: list[LabelledText] = []
    for _, group in sorted(groups.items()):
        chosen.extend(rng.sample(group, sample) if 0 < sample < len(group) else group)
    return chosen


def known_scores(cache: Path | None, revision: str) -> dict[str, Scores]:
    """The scores of an interrupted run, as long as the detectors are the same."""
    if cache is None or not cache.exists():
        return {}
    known = {}
    for line in cache.read_text(encoding="utf-8").splitlines():
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            continue  # An interrupted run may leave half a line behind.
        key, found = entry.pop("key"), entry.pop("revision")
        if found == revision:
            known[key] = Scores(**entry)
    return known


def score_all(
    texts: Sequence[LabelledText],
    detectors: Detectors,
    *,
    cache: Path | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Result]:
    """Score every text that is not in the cache, and write it there as it is known.

    Args:
        texts: The texts.
        detectors: What scores them.
        cache: Scores of an interrupted run, to go on from.
        advance: Told how many texts were done.
    """
    revision = detectors.revision
    known = known_scores(cache, revision)
    results: list[Result] = []
    detectors.warm_up({text.surface for text in texts if text.key not in known})
    log = cache.open("a", encoding="utf-8") if cache is not None else None
    try:
        for text in texts:
            scores = known.get(text.key)
            if scores is None:
                scores = known[text.key] = detectors.score(text.text, text.surface)
                if log is not None:
                    entry = {"key": text.key, "revision": revision, **asdict(scores)}
                    log.write(json.dumps(entry) + "\n")
            results.append(Result(text, scores))
            if advance is not None:
                advance(1)
    finally:
        if log is not None:
            log.close()
    return results


def distinct(texts: Sequence[LabelledText]) -> Iterator[LabelledText]:
    """Each text once: what is repeated in traffic is no further evidence."""
    seen: set[str] = set()
    for text in texts:
        if text.key not in seen:
            seen.add(text.key)
            yield text
