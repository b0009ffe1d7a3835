"""``rune keys``: API keys, and the keys that everything is sealed and signed with."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from rune_server.commands.options import DataDir, settings, stores

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rune_server.state import State
    from rune_server.storage import Vault
    from rune_server.storage.rotation import Left

app = typer.Typer(no_args_is_help=True, help="API keys, and the keys that data is sealed with.")
OrganisationId = Annotated[
    str | None, typer.Option("--organisation", help="Its id; needed when there are several.")
]


@app.command("new-master")
def new_master() -> None:
    """Print a new master key, for RUNE_MASTER_KEY or a file."""
    from rune_server.storage.master import new_master_key

    typer.echo(new_master_key())


@app.command("rotate")
def rotate(
    data_dir: DataDir = None,
    signing: Annotated[
        bool, typer.Option("--signing", help="Replace only the key that signs sessions, at once.")
    ] = False,
) -> None:
    """Seal everything again under the current master key, and replace the key that signs sessions.

    First put the new master key in RUNE_MASTER_KEY (or the file) and the one before in
    RUNE_MASTER_KEYS_PREVIOUS, and start the server with both. At the end it says whether anything
    still needs the key before.
    """
    from rune_server.auth.signing import rotate as rotate_signing
    from rune_server.clock import SystemClock
    from rune_server.storage import rotation
    from rune_server.storage.master import open_vault
    from rune_server.storage.reseal import reseal

    found = settings(data_dir=data_dir)
    # Before anything is opened: a server under another key would hold it.
    running = asyncio.run(rotation.check_server(found, open_vault(found)))

    async def run(vault: Vault, state: State) -> None:
        if not signing:
            for name, count in (await reseal(state, vault)).items():
                typer.echo(f"sealed again: {count} of {name}")
        await rotate_signing(state, vault, SystemClock(), revoke=True)
        typer.echo("sessions are signed with a new key; what the old ones signed is void")
        if not signing:
            await rotation.reseal_files(found, vault, running=running)
            typer.echo("sealed again: spool, quarantine, certificate and events of this folder")
            _say_what_is_left(rotation.left(found, vault))

    _with_state(data_dir, run)


def _say_what_is_left(left: Sequence[Left]) -> None:
    for each in left:
        typer.echo(
            f"still under a previous master key: {each.number} {each.what}: {each.way_out}",
            err=True,
        )
    if not left:
        typer.echo(
            "Nothing here needs the previous master key any more. When no other process of a "
            "cluster does either, remove it from RUNE_MASTER_KEYS_PREVIOUS."
        )


@app.command("show")
def show(data_dir: DataDir = None) -> None:
    """Say where the master key comes from, and what is encrypted at rest."""
    from rune_server.storage.at_rest import stores as all_stores
    from rune_server.storage.master import open_vault

    found = settings(data_dir=data_dir)
    vault = open_vault(found)
    previous = len(found.master_keys_previous)
    typer.echo(f"master key {vault.key_id} from {vault.origin}; {previous} previous")
    for store in all_stores(found, vault):
        typer.echo(
            f"{'encrypted' if store.encrypted else 'NOT ENCRYPTED':<14}{store.name}: {store.note}"
        )


@app.command("list")
def listed(data_dir: DataDir = None, organisation: OrganisationId = None) -> None:
    """List API keys; of each only the start is known."""
    from sqlalchemy import select

    from rune_server.state.tables.keys import ApiKey

    async def run(_vault: Vault, state: State) -> None:
        found = await _organisation(state, organisation)
        async with state.read() as session:
            query = select(ApiKey).where(ApiKey.organisation_id == found).order_by(ApiKey.id)
            for key in await session.scalars(query):
                standing = "revoked" if key.revoked_at else "good"
                if key.expires_at:
                    standing += f", until {key.expires_at:%Y-%m-%d}"
                used = f"{key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "never"
                typer.echo(f"{key.id}  {key.hint}…  {key.name}  {standing}  used {used}")

    _with_state(data_dir, run)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as `production`.")],
    data_dir: DataDir = None,
    organisation: OrganisationId = None,
    permission: Annotated[
        list[str] | None,
        typer.Option(help="May be given several times. Default: what an agent needs."),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Works for so many days.")] = None,
) -> None:
    """Make an API key and print it once."""
    from rune_core.cli.exits import CliError
    from rune_server import actor
    from rune_server.auth import keys
    from rune_server.clock import SystemClock
    from rune_server.names import checked_name

    try:
        wanted = frozenset(actor.Permission(one) for one in permission or actor.SDK_PERMISSIONS)
    except ValueError as error:
        known = ", ".join(actor.Permission)
        raise CliError(f"--permission: {error}; there are: {known}") from None
    checked = checked_name(name)
    until = SystemClock().now() + timedelta(days=days) if days else None

    async def run(_vault: Vault, state: State) -> None:
        found = await _organisation(state, organisation)
        async with state.begin() as session:
            new = await keys.insert(
                session,
                actor.job(found, "operator"),
                name=checked,
                permissions=wanted,
                expires_at=until,
            )
        typer.echo(new.key)

    _with_state(data_dir, run)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Its id, as `rune keys list` shows it.")],
    data_dir: DataDir = None,
) -> None:
    """End an API key, everywhere within a second."""
    from rune_core.cli.exits import CliError
    from rune_server.actor import job
    from rune_server.auth import keys
    from rune_server.state.tables.keys import ApiKey

    async def run(_vault: Vault, state: State) -> None:
        async with state.begin() as session:
            row = await session.get(ApiKey, _uuid(key_id))
            if row is None:
                raise CliError(f"{key_id}: there is no such key")
            await keys.revoke_row(session, job(row.organisation_id, "operator"), row)
        typer.echo(f"revoked {row.hint}… ({row.name})")

    _with_state(data_dir, run)


def _with_state(data_dir: object, run: Callable[[Vault, State], Awaitable[None]]) -> None:
    from rune_server.state import migrations

    async def whole() -> None:
        vault, state = stores(settings(data_dir=data_dir))
        try:
            await migrations.require_current(state)
            await run(vault, state)
        finally:
            await state.close()

    asyncio.run(whole())


async def _organisation(state: State, given: str | None) -> UUID:
    """The organisation that was named, or the only one there is."""
    from sqlalchemy import select

    from rune_core.cli.exits import CliError
    from rune_server.state.tables.organisations import Organisation

    async with state.read() as session:
        rows = (await session.execute(select(Organisation.id, Organisation.name).limit(50))).all()
    wanted = None if given is None else _uuid(given)
    matching = [row for row in rows if wanted is None or row.id == wanted]
    if len(matching) == 1:
        found: UUID = matching[0].id
        return found
    names = "".join(f"\n  {row.id}  {row.name}" for row in rows)
    raise CliError(f"--organisation: name one of:{names}" if rows else "there is no organisation")


def _uuid(text: str) -> UUID:
    from rune_core.cli.exits import CliError

    try:
        return UUID(text)
    except ValueError:
        raise CliError(f"{text}: is no id") from None
