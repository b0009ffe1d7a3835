"""Options that several commands share, and how settings come from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rune_server.settings import Settings
    from rune_server.state import State
    from rune_server.storage import Vault

Host = Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on. Default: 8420.")]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the server's data. Default: RUNE_DATA_DIR.")
]
TlsCertificate = Annotated[
    Path | None, typer.Option(help="Your certificate and its chain, PEM. Default: self-signed.")
]
TlsKey = Annotated[Path | None, typer.Option(help="Its private key, PEM.")]


def settings(**options: object) -> Settings:
    """The settings, these options first.

    Raises:
        ConfigurationError: Some cannot be used.
    """
    from rune_server.settings import load

    return load(options)


def stores(found: Settings) -> tuple[Vault, State]:
    """Vault and state database, for commands that need no more. Close the latter.

    Raises:
        ConfigurationError: The settings cannot be used.
    """
    from rune_server.clock import SystemClock
    from rune_server.state import open_state
    from rune_server.storage.master import open_vault

    vault = open_vault(found)
    return vault, open_state(found, vault, SystemClock())
