"""``rune up`` and the roles of a cluster: ``rune edge``, ``rune web``, ``rune worker``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING

import typer

from rune_server.commands.options import (
    DataDir,
    Host,
    Port,
    TlsCertificate,
    TlsKey,
    settings,
)

if TYPE_CHECKING:
    from rune_server.bootstrap import First
    from rune_server.platform import Role
    from rune_server.settings import Settings
    from rune_server.tls import Certificate


def up(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
) -> None:
    """Run the whole platform in one process: dashboard, API and everything behind them.

    On first start it makes its folder, a certificate, an owner and an API key, and prints the
    owner's password and the key once. Every further setting is an environment variable.
    """
    asyncio.run(
        _up(
            settings(
                host=host,
                port=port,
                data_dir=data_dir,
                tls_certificate=tls_certificate,
                tls_key=tls_key,
            )
        )
    )
    _end()


def edge(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Take events in and hand policies out: one of several processes of a cluster."""
    _role("edge", settings(host=host, port=port, data_dir=data_dir))


def web(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Serve dashboard and management API: one of several processes of a cluster."""
    _role("web", settings(host=host, port=port, data_dir=data_dir))


def worker(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Evaluate alerts, deliver, purge, back up: one of several processes of a cluster."""
    _role("worker", settings(host=host, port=port, data_dir=data_dir))


async def _up(found: Settings) -> None:
    from rune_server import logs
    from rune_server.bootstrap import first_owner
    from rune_server.clock import SystemClock
    from rune_server.platform import Role
    from rune_server.serve import serve
    from rune_server.state import migrations, open_state
    from rune_server.storage.master import open_vault

    logs.configure(found)
    clock = SystemClock()
    vault = open_vault(found)
    state = open_state(found, vault, clock)
    try:
        await migrations.upgrade(state)
    finally:
        await state.close()
    first = await first_owner(found, vault, clock)
    if first is not None:
        # At once: should anything fail from here on, they are not lost.
        _print_first(first)
    await serve(found, Role.ALL, vault, clock, ready=lambda made: _print_ready(found, made, first))


def _role(name: str, found: Settings) -> None:
    from rune_server import logs
    from rune_server.clock import SystemClock
    from rune_server.platform import Role
    from rune_server.serve import serve
    from rune_server.storage.master import open_vault

    logs.configure(found)
    role: Role = Role(name)
    asyncio.run(serve(found, role, open_vault(found), SystemClock()))
    _end()


def _end() -> None:
    """End the process: all is closed, and taking embedded ClickHouse down takes three seconds."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _print_first(first: First) -> None:
    typer.echo(
        "This is a new server. Password and key are shown now and never again.\n\n"
        f"  sign in   {first.email}\n"
        f"  password  {first.password}\n"
        f"  API key   {first.key}\n"
    )


def _print_ready(found: Settings, made: Certificate, first: First | None) -> None:
    said = [f"Rune is at {found.url}"]
    if made.ours:
        said.append(f"Its certificate is its own: SHA-256 {made.fingerprint}")
        if first is not None:
            said.append(
                "\nPoint an agent at it:\n\n"
                f"  export RUNE_URL={found.url}\n"
                "  export RUNE_API_KEY=…the key above…\n"
                f"  export RUNE_CA_FILE={made.path}"
            )
    # At once: whoever waits for the first line finds the others with it.
    typer.echo("\n".join(said))
