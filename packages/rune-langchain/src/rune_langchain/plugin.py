"""What rune-langchain adds to the ``rune`` command. Imports LangChain only when it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rune_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def rune_cli_commands(app: typer.Typer) -> Iterable[object]:
    """Add ``rune demo``."""
    app.command("demo")(demo)
    return ()


def demo(
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Show an agent robbed without Rune and safe with it.

    Seven attacks and five honest tasks, each run by a real LangChain agent with and without Rune.
    Needs no network, no key and no model; takes a few seconds. Exits with 1 when an attack gets
    through, fails to do harm without Rune, or when an honest task is disturbed.
    """
    from rune_langchain.demo.run import show

    raise typer.Exit(show(as_json=json))
