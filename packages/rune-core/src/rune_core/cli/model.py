"""``rune model fit``: let another encoder do layer 2's work."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import Annotated

import typer

from rune_core.cli.exits import CliError, say
from rune_core.cli.text import plural
from rune_scanner.finding import Surface

app = typer.Typer(
    help="Let another encoder do layer 2's work.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _group() -> None:
    """Keeps ``fit`` a command of its own while it is the only one."""


@app.command("fit")
def fit_head(
    encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER",
            help="A sentence-transformers model, or a folder with model.onnx and tokenizer.json.",
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Labelled texts, JSON lines. May be repeated."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where it goes.")],
    surface: Annotated[
        Surface, typer.Option("--surface", "-s", help="For rows that name no surface or channel.")
    ] = Surface.INPUT,
) -> None:
    """Fit a head to an encoder, and set its thresholds on texts held out of the fit.

    Rows have a text and a label (attack or benign), and may have kind (jailbreak and
    harmful_request are told apart) and channel or surface. Use the result with
    RUNE_L2_MODEL=FOLDER, and measure it with `rune eval` on other texts than these.

    \b
    Examples:
      rune model fit --encoder ./all-MiniLM-L6-v2 --data mine.jsonl --out ./my-model
      RUNE_L2_MODEL=./my-model rune eval others.jsonl
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.cli.progress import bar
    from rune_core.evaluation.fit import fit
    from rune_core.evaluation.run import choose

    try:
        texts = choose(data, surface=surface.value)
        with bar(len(texts), "texts") as advance:
            fitted = fit(encoder, texts, out, advance=advance)
    except ValueError as error:
        raise CliError(str(error)) from None
    area = "not known" if fitted.area is None else f"{fitted.area:.3f}"
    typer.echo(
        f"fitted to {plural(fitted.texts, 'text')}, held out {fitted.held_out:,}: AUC {area}"
    )
    say(f"written to {out}; use it with RUNE_L2_MODEL={out}")
