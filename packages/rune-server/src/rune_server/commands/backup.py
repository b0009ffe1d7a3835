"""``rune backup`` and ``rune restore``."""

from __future__ import annotations

import asyncio
from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import Annotated

import typer


def backup(
    data_dir: Annotated[
        Path | None, typer.Option(help="The server's data folder. Default: RUNE_DATA_DIR.")
    ] = None,
) -> None:
    """Have the running server make a back-up now.

    It goes into `backups` in the data folder, or where RUNE_BACKUP_DIR says, sealed under the
    master key, which is not in it. The server makes one every RUNE_BACKUP_HOURS by itself and
    keeps the newest RUNE_BACKUP_KEEP.
    """
    from rune_server.control import ask
    from rune_server.settings import load

    answer = asyncio.run(ask(load({"data_dir": data_dir}), "backup"))
    if answer.error:
        typer.echo(answer.error, err=True)
        raise typer.Exit(1)
    typer.echo(answer.folder)
    for what in answer.left_out:
        typer.echo(f"not in it: {what}", err=True)
    for name in answer.removed:
        typer.echo(f"removed: {name}", err=True)


def restore(
    folder: Annotated[Path, typer.Argument(help="The back-up's folder.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="The new data folder. Default: RUNE_DATA_DIR.")
    ] = None,
) -> None:
    """Put a back-up into new, empty stores, with no server running on them.

    Give the master key that it was made under. A back-up of the embedded state database also opens
    on PostgreSQL, and the other way round: set RUNE_STATE_DSN to where it should go.
    """
    from rune_server.backup.restoration import restore as put_back
    from rune_server.settings import load

    manifest = asyncio.run(put_back(load({"data_dir": data_dir}), folder.absolute()))
    rows = sum(manifest.rows.values())
    typer.echo(
        f"restored {manifest.name}: {rows} rows of state, analytics of "
        f"{', '.join(region.region for region in manifest.regions) or 'no region'}, "
        f"{len(manifest.spool)} spool files"
    )
    for what in manifest.left_out:
        typer.echo(f"was not in it: {what}", err=True)
