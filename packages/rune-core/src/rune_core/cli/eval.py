"""``rune eval``: how much is caught, and how much that is harmless is flagged."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import Annotated

import typer

from rune_core.cli.exits import CliError
from rune_scanner.finding import Surface


def evaluate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES", help="JSON lines, gzipped or not, or folders.")
    ],
    layers: Annotated[str, typer.Option(help="l1, l2 or l1,l2.")] = "l1,l2",
    at: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Confidence that counts as flagged.")
    ] = 0.75,
    surface: Annotated[
        Surface, typer.Option("--surface", "-s", help="For rows that name no surface or channel.")
    ] = Surface.INPUT,
    sample: Annotated[int, typer.Option(min=0, help="Texts per source and kind; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Scores of an interrupted run, to go on from."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the Markdown there."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the ROC curves there.")
    ] = None,
) -> None:
    """Score labelled texts and tell, per source and kind, what is caught and what is flagged.

    Each row has a text and a label (attack or benign, 1 or 0), and may have kind, channel or
    surface. The report gives each layer and both together with 95% intervals, the ROC area, recall
    at a fixed rate of false positives, and latency. It holds none of the texts.

    \b
    Examples:
      rune eval redteam.jsonl --layers l1
      rune eval datasets/ --sample 200 --cache scores.jsonl --output report.md --picture roc.svg
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.cli.progress import bar
    from rune_core.config import ShieldConfig
    from rune_core.engine import Engine
    from rune_core.evaluation.detectors import Detectors
    from rune_core.evaluation.report import curves, markdown
    from rune_core.evaluation.run import choose, score_all

    named = frozenset(layers.split(","))
    if not named or named - {"l1", "l2"}:
        raise CliError(f"--layers {layers!r} is not l1, l2 or l1,l2")
    for target in (output, picture, cache):
        # Said before an hour of scoring, not after it.
        if target is not None and not target.parent.is_dir():
            raise CliError(f"{target}: there is no folder {target.parent}")
    try:
        vector = Engine(ShieldConfig()).vector_layer if "l2" in named else None
        texts = choose(files, sample=sample, seed=seed, surface=surface.value)
        detectors = Detectors(named, vector)
    except (ValueError, RuntimeError) as error:
        raise CliError(str(error)) from None
    if not texts:
        raise CliError("there are no texts in those files")
    with bar(len(texts), "texts") as advance:
        results = score_all(texts, detectors, cache=cache, advance=advance)
    report = markdown(results, detectors.revision, at)
    if output is None:
        sys.stdout.write(report)
    else:
        output.write_text(report, encoding="utf-8")
    if picture is not None:
        picture.write_text(curves(results), encoding="utf-8")
