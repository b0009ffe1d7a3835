"""Puts a back-up into an empty platform."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from rune_server.analytics.connect import Store, file_place
from rune_server.analytics.targets import targets
from rune_server.backup.creation import SPOOL, STATE_FILE
from rune_server.backup.manifest import Manifest, read_manifest, sha256_of
from rune_server.backup.state_dump import load, require_empty
from rune_server.clock import SystemClock
from rune_server.errors import ConfigurationError
from rune_server.state import migrations, open_state
from rune_server.storage.master import open_vault

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.settings import Settings


async def restore(settings: Settings, folder: Path) -> Manifest:
    """Restore the back-up in ``folder`` into what ``settings`` name: new, empty stores.

    No server may run on them. The master key must be the one of the back-up, or the back-up's
    among the previous ones.

    Raises:
        ConfigurationError: It is no whole back-up, its key is not given, or a store is not empty.
        UnavailableError: A store does not answer.
    """
    vault = open_vault(settings)
    manifest = read_manifest(folder, vault)
    dumped = folder / STATE_FILE
    if not dumped.exists() or sha256_of(dumped) != manifest.state_sha256:
        raise ConfigurationError(f"{dumped}: is not the file that the manifest names")
    if missing := [name for name in manifest.spool if not (folder / SPOOL / name).exists()]:
        raise ConfigurationError(f"{folder / SPOOL}: {missing[0]} is missing")
    spool = settings.data_dir / SPOOL
    if spool.exists() and any(path.is_file() for path in spool.rglob("*")):
        raise ConfigurationError(f"{spool}: is not empty: restore into a new data folder")
    stores = {region: Store(target) for region, target in targets(settings, vault, folder).items()}
    state = open_state(settings, vault, SystemClock())
    try:
        await migrations.upgrade(state, manifest.migration)
        await require_empty(state)
        for region in manifest.regions:
            if region.region not in stores:
                raise ConfigurationError(f"no store is set up for the region {region.region}")
            store = stores[region.region]
            place = file_place(folder / region.place) if region.embedded else region.place
            if region.embedded and not store.is_embedded:
                raise ConfigurationError(
                    f"the analytics of {region.region} were embedded and cannot be restored into a "
                    "ClickHouse server"
                )
            await store.restore(place, region.database)
        await load(state, vault, dumped)
        await migrations.upgrade(state)
    finally:
        await state.close()
        for store in stores.values():
            await store.close()
    for name in manifest.spool:
        target = spool / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(folder / SPOOL / name, target)
        target.chmod(0o600)
    return manifest
