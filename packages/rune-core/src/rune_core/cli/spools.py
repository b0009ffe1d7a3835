"""The spools in the state folder, as the command line and ``rune doctor`` see them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rune_core.cli.exits import CliError
from rune_core.queue.spool import FOLDER, Spool
from rune_core.queue.spool_file import ENDING, SpoolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rune_core.config import ShieldConfig
    from rune_core.connection import Connection


def connection_of(config: ShieldConfig) -> Connection:
    """The server that the settings name.

    Raises:
        CliError: They name none.
    """
    from rune_core.connection import Connection

    if config.url is None or config.api_key is None:
        missing = "RUNE_URL" if config.url is None else "RUNE_API_KEY"
        raise CliError(f"no server is configured: set {missing}")
    return Connection(config)


def folder() -> Path:
    """The folder of spools."""
    from rune_core.config import state_folder

    return state_folder() / FOLDER


def names() -> list[str]:
    """The names of all spools that are there."""
    return sorted(path.name.removesuffix(ENDING) for path in folder().glob(f"*{ENDING}"))


def own_name(config: ShieldConfig) -> str | None:
    """The name of the spool of the server and key that the settings name; None without both."""
    if config.url is None or config.api_key is None:
        return None
    connection = connection_of(config)
    try:
        return connection.identity
    finally:
        connection.close()


@contextmanager
def opened(name: str, config: ShieldConfig) -> Iterator[Spool]:
    """A spool.

    Raises:
        CliError: It cannot be used.
    """
    spool = Spool(
        folder(), name, max_rows=config.spool_max_events, max_bytes=config.spool_max_bytes
    )
    try:
        yield spool
    except SpoolError as error:
        raise CliError(f"{spool.path} cannot be used: {error}") from None
    finally:
        spool.close()
