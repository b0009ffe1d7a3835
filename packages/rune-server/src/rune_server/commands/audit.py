"""``rune audit``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from rune_server.commands.options import DataDir, settings, stores

if TYPE_CHECKING:
    from rune_server.audit import Verified

app = typer.Typer(no_args_is_help=True, help="The audit log.")


@app.command("verify")
def verify(
    data_dir: DataDir = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="A head that was printed before: it must still be in the log. Notices an older "
            "copy of the database put back. May be given several times."
        ),
    ] = None,
) -> None:
    """Go through every organisation's log and say whether anything was altered.

    Prints each log's head, to be written down elsewhere. Exits with 1 when something was altered.
    """
    from sqlalchemy import select

    from rune_server import audit
    from rune_server.state import migrations
    from rune_server.state.tables.audit import AuditEntry
    from rune_server.state.tables.organisations import Organisation

    async def run() -> tuple[list[tuple[str, Verified]], list[str]]:
        _, state = stores(settings(data_dir=data_dir))
        try:
            await migrations.require_current(state)
            async with state.read() as session:
                rows = (await session.execute(select(Organisation.id, Organisation.name))).all()
                found = [
                    (f"{name} ({id_})", await audit.verify(session, id_)) for id_, name in rows
                ]
                known = await session.scalars(
                    select(AuditEntry.mac).where(AuditEntry.mac.in_(head or []))
                )
                return found, sorted(set(head or []) - set(known.all()))
        finally:
            await state.close()

    logs, missing = asyncio.run(run())
    for name, found in logs:
        typer.echo(f"{name}: {found.entries} entries, head {found.head}")
        for fault in found.faults:
            typer.echo(f"  entry {fault.number}: {fault.reason}")
    for one in missing:
        typer.echo(f"no log holds the head {one}: entries were removed")
    if missing or any(found.faults for _, found in logs):
        raise typer.Exit(1)
    typer.echo("nothing was altered")
