"""``rune remember``, ``rune forget`` and ``rune memory list``: attacks to recognise again."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rune_core.cli.exits import CliError, ExitCode
from rune_core.cli.text import columns, plural, printable
from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from rune_core.shield import Shield

app = typer.Typer(
    help="What is remembered, and where.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Location = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="LOCATION",
        help="A file, chroma:FOLDER or chroma+http://HOST:PORT. Default: $RUNE_ATTACK_MEMORY, "
        "else a file in the state folder.",
    ),
]


def remember(
    text: Annotated[str, typer.Argument(help="The text, or - for stdin.")],
    threat: Annotated[
        Threat, typer.Option(help="What a match warns of.")
    ] = Threat.PROMPT_INJECTION,
    label: Annotated[
        str, typer.Option(help="A note of your own, such as a ticket number. Kept as it is.")
    ] = "",
    memory: Location = None,
) -> None:
    """Recognise a text, and texts close to it, from now on. Prints the signature's name.

    The words are not kept, only vectors made from them. Running Shields that share the memory see
    it within seconds. Name the attack itself rather than the mail or page around it.

    \b
    Examples:
      rune remember "Kindly wire the deposit to the account below." --label INC-1234
      rune remember - --threat jailbreak < attack.txt
    """  # noqa: D301 - \b keeps the lines below it apart
    content = sys.stdin.read() if text == "-" else text
    with _shield(memory) as shield:
        try:
            typer.echo(shield.remember(content, threat, label=label))
        except ValueError as error:
            raise CliError(str(error).replace("remember()", "rune remember")) from None


def forget(
    name: Annotated[str, typer.Argument(help="As `rune remember` printed it.")],
    memory: Location = None,
) -> None:
    """Drop a signature. Exits 1 when there is none of that name."""
    with _shield(memory) as shield:
        if not shield.forget(name.removeprefix("memory-")):
            raise CliError(
                f"nothing of the name {name!r} is remembered; see `rune memory list`",
                ExitCode.FINDINGS,
            )


@app.command("list")
def list_signatures(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    memory: Location = None,
) -> None:
    """List what is remembered: name, threat, words, model and label."""
    with _shield(memory) as shield:
        found = sorted(shield.remembered(), key=lambda entry: (entry.threat, entry.id))
    if as_json:
        rows = [
            {
                "id": entry.id,
                "threat": entry.threat.value,
                "words": entry.size,
                "model": entry.model,
                "label": entry.label,
            }
            for entry in found
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = [
        (entry.id, entry.threat.value, plural(entry.size, "word"), entry.model or "-",
         printable(entry.label) or "-")
        for entry in found
    ]  # fmt: skip
    for line in columns(table):
        typer.echo(line)
    if not found:
        typer.echo("nothing is remembered")


def _shield(memory: str | None) -> Shield:
    from rune_core.config import ShieldConfig
    from rune_core.shield import Shield

    config = (
        ShieldConfig(events_enabled=False)
        if memory is None
        else ShieldConfig(events_enabled=False, attack_memory=memory)
    )
    return Shield(config=config)
