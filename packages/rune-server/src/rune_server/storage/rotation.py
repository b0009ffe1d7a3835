"""A rotation of the master key, from start to end, and what still hangs on the one before."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rune_server import control, tls
from rune_server.errors import ConfigurationError
from rune_server.ingest.reseal import older, reseal
from rune_server.ingest.spool import lock

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.settings import Settings
    from rune_server.storage import Vault

SPOOL, QUARANTINE, BACKUPS, ANALYTICS = "spool", "quarantine", "backups", "analytics"


@dataclass(frozen=True, slots=True)
class Left:
    """What cannot be opened without a previous master key.

    Attributes:
        what: For people.
        number: How many.
        way_out: What to do about it.
    """

    what: str
    number: int
    way_out: str


async def check_server(settings: Settings, vault: Vault) -> bool:
    """Whether a server runs on this data folder.

    Raises:
        ConfigurationError: One does, and it seals under another key than this command.
    """
    try:
        answer = await control.ask(settings, "key")
    except control.NobodyError:
        return False
    if answer.key_id != vault.key_id:
        raise ConfigurationError(
            f"the running server seals under the master key {answer.key_id}, this command under "
            f"{vault.key_id}: restart the server with the new key in RUNE_MASTER_KEY and the one "
            "before in RUNE_MASTER_KEYS_PREVIOUS, then run this with the same two"
        )
    return True


async def reseal_files(settings: Settings, vault: Vault, *, running: bool) -> None:
    """Whatever is sealed in this data folder, under the current key: all but the state database.

    Args:
        settings: For the data folder.
        vault: With the previous keys.
        running: Whether a server holds the folder. It sealed spool, quarantine and the key of its
            certificate again when it started, and is asked to write the analytics anew.

    Raises:
        ConfigurationError: The analytics cannot be written anew, or somebody else has the folder.
        UnavailableError: Files under an older key are still in use.
    """
    if running:
        answer = await control.ask(settings, "reseal")
        if answer.error:
            raise ConfigurationError(answer.error)
        return
    await asyncio.to_thread(tls.reseal, settings, vault)
    await asyncio.to_thread(_reseal_here, settings.data_dir, vault)
    if (settings.data_dir / ANALYTICS / "store").exists():
        from rune_server.analytics import open_analytics
        from rune_server.analytics.targets import targets

        async with open_analytics(targets(settings, vault)) as analytics:
            await analytics.reseal()


def _reseal_here(folder: Path, vault: Vault) -> None:
    if not (folder / SPOOL).exists():
        return
    try:
        held = lock(folder / SPOOL)
    except ConfigurationError:
        raise ConfigurationError(
            f"{folder} is held by a process that this command cannot ask. An edge seals its folder "
            "again when it starts; any other server: stop it and run this once more"
        ) from None
    try:
        for name in (SPOOL, QUARANTINE):
            reseal(folder / name, vault)
    finally:
        os.close(held)


def left(settings: Settings, vault: Vault) -> list[Left]:
    """What in this data folder still needs a previous master key."""
    folder = settings.data_dir
    return [each for each in _counted(settings, folder, vault) if each.number]


def _counted(settings: Settings, folder: Path, vault: Vault) -> list[Left]:
    backups = settings.backup_dir or folder / BACKUPS
    return [
        Left(
            "files of the spool",
            len(older(folder / SPOOL, vault)),
            "they are written to ClickHouse by the running server; look again later",
        ),
        Left(
            "files in quarantine",
            len(older(folder / QUARANTINE, vault)),
            "restart the server with both keys: it seals them again",
        ),
        Left(
            "back-ups",
            _old_backups(backups, vault),
            "keep the key beside them for as long as you keep them; `rune backup` makes a new one",
        ),
    ]


def _old_backups(folder: Path, vault: Vault) -> int:
    from rune_server.backup.manifest import NAME, read_manifest

    number = 0
    for path in folder.glob(f"*/{NAME}"):
        try:
            number += read_manifest(path.parent, vault).key_id != vault.key_id
        except ConfigurationError:
            number += 1  # under a key that is not given at all
    return number
