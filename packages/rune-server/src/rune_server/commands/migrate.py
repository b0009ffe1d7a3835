"""``rune migrate``, ``rune owner``, ``rune password`` and ``rune plan``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from rune_server.commands.options import DataDir, settings, stores


def migrate(
    data_dir: DataDir = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 when it is not current.")
    ] = False,
    rollups: Annotated[
        bool,
        typer.Option(
            "--rollups",
            help="Make a ClickHouse server's rollups of another version anew. "
            "No process of rune-server may run meanwhile.",
        ),
    ] = False,
) -> None:
    """Bring the state database to the tables of this version.

    `rune up` does it by itself; a cluster runs this once, before its new processes start.
    """
    from rune_server.analytics.connect import Store
    from rune_server.analytics.targets import targets
    from rune_server.state import migrations

    async def run() -> tuple[str | None, str]:
        found = settings(data_dir=data_dir)
        vault, state = stores(found)
        try:
            before = await migrations.current(state)
            if not check:
                await migrations.upgrade(state)
        finally:
            await state.close()
        for target in targets(found, vault).values() if rollups and not check else ():
            if target.url is not None:
                store = Store(target)
                try:
                    await store.open(alone=True)
                finally:
                    await store.close()
        return before, migrations.newest()

    before, newest = asyncio.run(run())
    if before == newest:
        typer.echo(f"the state database is current: {newest}")
    elif check:
        typer.echo(f"the state database is at {before or 'nothing'}, this version needs {newest}")
        raise typer.Exit(1)
    else:
        typer.echo(f"the state database went from {before or 'nothing'} to {newest}")


def owner(
    email: Annotated[str, typer.Argument(help="The owner's address.")],
    organisation: Annotated[str, typer.Option(help="The organisation's name.")] = "My organisation",
    data_dir: DataDir = None,
) -> None:
    """Make a new organisation, its owner and an API key, and print password and key once.

    `rune up` does it on first start; on a cluster, run it where only you read the output.
    """
    from rune_server.bootstrap import first_owner
    from rune_server.clock import SystemClock
    from rune_server.storage.master import open_vault

    found = settings(data_dir=data_dir)
    made = asyncio.run(
        first_owner(
            found,
            open_vault(found),
            SystemClock(),
            email=email,
            organisation=organisation,
            only_if_none=False,
        )
    )
    assert made is not None
    typer.echo(
        f"organisation  {made.organisation} ({made.organisation_id})\n"
        f"sign in       {made.email}\n"
        f"password      {made.password}\n"
        f"API key       {made.key}\n"
        "Password and key are shown now and never again."
    )


def password(
    email: Annotated[str, typer.Argument(help="The address that the person signs in with.")],
    data_dir: DataDir = None,
) -> None:
    """Print a link with which somebody sets a new password, once and within an hour.

    For servers that send no mail, and for whoever cannot read theirs. The second factor stays.
    """
    from rune_server.auth import reset
    from rune_server.clock import SystemClock

    found = settings(data_dir=data_dir)

    async def run() -> str:
        _, state = stores(found)
        try:
            async with state.begin() as session:
                return await reset.link_by_operator(found, session, email, SystemClock().now())
        finally:
            await state.close()

    typer.echo(asyncio.run(run()))
    typer.echo(
        "It works once, within an hour. Where browsers reach the server under another address, put "
        "that before /reset/.",
        err=True,
    )


def plan(
    organisation: Annotated[str, typer.Argument(help="Its id, as `rune audit verify` shows it.")],
    name: Annotated[str, typer.Argument(metavar="PLAN", help="community, starter, pro, growth.")],
    region: Annotated[str | None, typer.Option(help="us or eu; on growth alone.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Change an organisation's plan: how long events are kept, how many are taken, and where.

    Choose a region before the first event: events do not move.
    """
    from uuid import UUID

    from rune_core.cli.exits import CliError
    from rune_server.accounts import organisations
    from rune_server.errors import ProblemError

    found = settings(data_dir=data_dir)

    async def run() -> organisations.OrganisationInfo:
        _, state = stores(found)
        try:
            async with state.begin() as session:
                return await organisations.set_plan(
                    found, session, UUID(organisation), plan=name, region=region
                )
        finally:
            await state.close()

    try:
        made = asyncio.run(run())
    except (ValueError, ProblemError) as error:
        raise CliError(str(error)) from None
    typer.echo(f"{made.name}: {made.plan}, {made.region}, {made.retention_days} days")
