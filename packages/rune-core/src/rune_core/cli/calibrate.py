"""``rune calibrate``: set layer 2's thresholds from benign traffic of your own."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from rune_core.cli.exits import CliError, ExitCode, say
from rune_core.cli.text import columns, plural
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.evaluation.texts import LabelledText
    from rune_core.layers.calibration import Calibration
    from rune_core.layers.l2_vector import VectorLayer

_STEPS = 14


@dataclass(frozen=True, slots=True)
class Change:
    """What calibration does on one surface.

    Attributes:
        surface: The surface.
        texts: Different benign texts.
        own: Log-odds at which the model's own confidence reaches 0.75.
        at: Log-odds at which it will.
        before, after: How many of the texts reach each.
        bound: The highest share of such texts that may reach the new one.
        scores: Of the texts, in no order.
        attacks_before, attacks_after: Share of the given attacks that reach each; None without.
    """

    surface: str
    texts: int
    own: float
    at: float
    before: int
    after: int
    bound: float
    scores: tuple[float, ...]
    attacks_before: float | None = None
    attacks_after: float | None = None


def calibrate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES", help="Benign texts: JSON lines, or folders of them."),
    ] = None,
    benign: Annotated[
        list[Path] | None,
        typer.Option("--benign", metavar="FILE", help="The same, by option. May be repeated."),
    ] = None,
    budget: Annotated[
        str, typer.Option(help="Share of benign texts that may be called strong: 0.5% or 0.005.")
    ] = "0.5%",
    certainty: Annotated[str, typer.Option(help="How sure to be of that.")] = "95%",
    surface: Annotated[
        Surface, typer.Option("--surface", "-s", help="For rows that name no surface or channel.")
    ] = Surface.TOOL_RESULT,
    field: Annotated[str, typer.Option(help="The key of the text in each row.")] = "text",
    attacks: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Attacks, to show what the new thresholds cost."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Default: $RUNE_CALIBRATION_PATH, else calibration.json in the state folder.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the curves there.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; write no thresholds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Set where layer 2 begins to call a text strong, from benign traffic of your own.

    Each row is a JSON object with a text and, if it has one, a surface (or channel). The threshold
    of each surface becomes the lowest that, as far as that many texts can show, flags no more than
    the budget. Surfaces with too few different texts keep the model's own. Shields read the file
    when they are made; a threshold written in a policy rule still has the last word.

    \b
    Exit codes:
      0  thresholds were set
      1  no surface has enough texts; nothing was written
      2  wrong usage, rows that cannot be read, or layer 2 is not installed

    \b
    Examples:
      rune calibrate --benign yesterday.jsonl --budget 0.5%
      rune calibrate traffic/ --budget 1% --attacks redteam.jsonl --picture curve.svg --dry-run
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.cli.progress import bar
    from rune_core.config import ShieldConfig, state_folder
    from rune_core.evaluation.run import choose, distinct
    from rune_core.layers.calibration import FILE
    from rune_core.layers.l2_vector import VectorLayer

    paths = [*(files or ()), *(benign or ())]
    if not paths:
        raise CliError("name files of benign texts; see --help")
    allowed = share(budget, "--budget")
    sure = share(certainty, "--certainty")
    layer = VectorLayer(folder=ShieldConfig().l2_model)
    reason = layer.skip_reason(None, ())
    if reason is not None:
        raise CliError(f"calibration needs layer 2, which is not there: {reason}")
    try:
        rows = choose(paths, surface=surface.value, label="benign", field=field)
        bad = choose(attacks or (), surface=surface.value, label="attack", field=field)
    except ValueError as error:
        raise CliError(str(error)) from None
    good = list(distinct([row for row in rows if not row.attack]))
    left_out = sum(row.attack for row in rows)
    if left_out:
        say(f"warning: {plural(left_out, 'row')} labelled attack left out")
    if not good:
        raise CliError("there are no benign texts in those files")
    with bar(len(good) + len(bad), "texts") as advance:
        changes, short = _changes(layer, good, bad, allowed, sure, advance)
    for name, count, needed in short:
        say(
            f"{name}: {plural(count, 'different text')}, and it takes {needed:,} to be "
            f"{sure:.0%} sure of a rate of at most {allowed:.2%}; keeps the model's own threshold"
        )
    if not changes:
        say("nothing was written: give more texts, a larger --budget or a smaller --certainty")
        raise typer.Exit(ExitCode.FINDINGS)
    made = _calibration(layer, changes, allowed, sure)
    if picture is not None:
        picture.write_text(_picture(changes), encoding="utf-8")
    if as_json:
        shown = [{k: v for k, v in asdict(c).items() if k != "scores"} for c in changes]
        typer.echo(
            json.dumps({"model": made.model, "budget": allowed, "surfaces": shown}, indent=2)
        )
    else:
        for line in _report(changes):
            typer.echo(line)
    if not dry_run:
        target = output or ShieldConfig().calibration_path or state_folder() / FILE
        made.save(target)
        say(f"thresholds written to {target}")


def share(text: str, option: str) -> float:
    """A share from ``0.5%`` or ``0.005``, above 0 and below 1."""
    try:
        number = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        raise CliError(f"{option} {text!r} is no share; write 0.5% or 0.005")
    return number


def _changes(
    layer: VectorLayer,
    good: Sequence[LabelledText],
    bad: Sequence[LabelledText],
    allowed: float,
    sure: float,
    advance: object,
) -> tuple[list[Change], list[tuple[str, int, int]]]:
    """What changes on each surface, and the surfaces with too few texts."""
    from rune_core.evaluation.stats import cut_for, rows_needed, upper_bound
    from rune_core.layers.calibration import LEAST

    assert callable(advance)
    scores: dict[tuple[str, bool], list[float]] = {}
    for text in (*good, *bad):
        found = layer.log_odds(text.text, text.surface)
        scores.setdefault((text.surface, text.attack), []).append(found)
        advance(1)
    changes: list[Change] = []
    short: list[tuple[str, int, int]] = []
    for name in sorted({name for name, attack in scores if not attack}):
        values = scores[name, False]
        own = layer.strong_at(name)
        cut = cut_for(values, allowed, sure)
        if cut is None:
            short.append((name, len(values), rows_needed(allowed, sure)))
            continue
        at = max(cut.at, LEAST)
        after = sum(value >= at for value in values)
        attacks = scores.get((name, True), [])
        changes.append(
            Change(
                surface=name,
                texts=len(values),
                own=own,
                at=round(at, 4),
                before=sum(value >= own for value in values),
                after=after,
                bound=upper_bound(after, len(values), sure),
                scores=tuple(values),
                attacks_before=_rate(attacks, own),
                attacks_after=_rate(attacks, at),
            )
        )
    return changes, short


def _rate(scores: Sequence[float], at: float) -> float | None:
    return sum(score >= at for score in scores) / len(scores) if scores else None


def _calibration(
    layer: VectorLayer, changes: Sequence[Change], allowed: float, sure: float
) -> Calibration:
    from rune_core.layers.calibration import Calibration, SurfaceCalibration

    return Calibration(
        model=layer.model.version,
        budget=allowed,
        certainty=sure,
        surfaces={
            change.surface: SurfaceCalibration(
                change.at, change.texts, change.after, round(change.bound, 6)
            )
            for change in changes
        },
    )


def _report(changes: Sequence[Change]) -> list[str]:
    from rune_core.evaluation.picture import bars

    rows = [("surface", "texts", "strong from", "flagged", "rate at most", "attacks caught")]
    for change in changes:
        caught = "-"
        if change.attacks_before is not None and change.attacks_after is not None:
            caught = f"{change.attacks_before:.1%} -> {change.attacks_after:.1%}"
        rows.append(
            (
                change.surface,
                f"{change.texts:,}",
                f"{change.own:+.2f} -> {change.at:+.2f}",
                f"{change.before} -> {change.after}",
                f"{change.bound:.2%}",
                caught,
            )
        )
    lines = columns(rows)
    for change in changes:
        lines += ["", f"{change.surface}: share of benign texts at or above each score"]
        lines += bars([(_mark(change, at), _above(change, at)) for at in _grid(change)])
    return lines


def _grid(change: Change) -> list[float]:
    """Scores from a little below the lower threshold to a little above the higher, both in it."""
    low, high = min(change.own, change.at) - 1.5, max(change.own, change.at) + 1.0
    steps = [low + (high - low) * k / (_STEPS - 1) for k in range(_STEPS)]
    return sorted({round(value, 2) for value in (*steps, change.own, change.at)})


def _mark(change: Change, at: float) -> str:
    if at == round(change.at, 2):
        return f"new {at:+.2f}"
    if at == round(change.own, 2):
        return f"own {at:+.2f}"
    return f"{at:+.2f}"


def _above(change: Change, at: float) -> float:
    return sum(score >= at for score in change.scores) / change.texts


def _picture(changes: Sequence[Change]) -> str:
    from rune_core.evaluation.picture import Line, svg

    low = min(min(change.own, change.at) for change in changes) - 3
    high = max(max(change.own, change.at) for change in changes) + 1.5
    grid = [low + (high - low) * k / 120 for k in range(121)]
    lines = [
        Line(change.surface, [(at, _above(change, at)) for at in grid], change.at)
        for change in changes
    ]
    return svg(
        "Benign texts at or above each score; dashed: the new threshold",
        lines,
        x="log-odds that the text is an attack",
        y="share of benign texts",
    )
