"""Makes a back-up of a running platform, and removes old ones."""

from __future__ import annotations

import asyncio
import os
import shutil
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from rune_server.analytics.connect import file_place
from rune_server.backup.manifest import (
    NAME,
    Manifest,
    Region,
    sha256_of,
    write_manifest,
)
from rune_server.backup.state_dump import dump
from rune_server.errors import ConfigurationError, ServerError
from rune_server.state import migrations

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.analytics.connect import Store
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.backup")
STATE_FILE = "state.sealed"
SPOOL = "spool"


def folder_of(platform: Platform) -> Path:
    """Where back-ups are kept."""
    return platform.settings.backup_dir or platform.settings.data_dir / "backups"


async def create(platform: Platform) -> Path:
    """Make a back-up. The server goes on working meanwhile.

    The spool is copied before ClickHouse is: what is acknowledged before this begins is in one of
    the two, and events that are in both are written once, since they carry their batch's id.

    Returns:
        The back-up's folder.

    Raises:
        ConfigurationError: The folder cannot be written.
        UnavailableError: A store does not answer.
    """
    at = platform.clock.now()
    name = at.strftime("%Y-%m-%dT%H%M%S%fZ")
    folder = folder_of(platform) / name
    try:
        # By itself, since ``mode`` is not for the parents that mkdir makes; one that is there
        # already is the operator's.
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"backup_dir: {folder}: {error.strerror}") from None
    try:
        spool = await asyncio.to_thread(_copy_spool, platform.settings.data_dir, folder)
        rows = await dump(platform.state, platform.vault, folder / STATE_FILE)
        regions, left_out = await _analytics(platform, folder, name)
        manifest = Manifest(
            name=name,
            made_at=at.isoformat(),
            version=version("rune-server"),
            migration=migrations.newest(),
            key_id=platform.vault.key_id,
            rows=rows,
            state_sha256=await asyncio.to_thread(sha256_of, folder / STATE_FILE),
            spool=spool,
            regions=regions,
            left_out=left_out,
        )
        write_manifest(folder, manifest, platform.vault)
        await asyncio.to_thread(_close_to_others, folder)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    _log.info("back-up made", name=name, rows=sum(rows.values()), regions=len(regions))
    return folder


def _close_to_others(folder: Path) -> None:
    """What ClickHouse wrote has the modes that it likes."""
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


def _copy_spool(data_dir: Path, folder: Path) -> tuple[str, ...]:
    """Segments are only appended to and then removed, so a copy of one is a prefix of it."""
    source = data_dir / SPOOL
    found = sorted(path for path in source.rglob("*") if path.is_file()) if source.exists() else []
    copied = []
    for path in found:
        name = path.relative_to(source)
        target = folder / SPOOL / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            shutil.copyfile(path, target)
        except FileNotFoundError:
            continue  # written to ClickHouse meanwhile, and so in its back-up
        os.chmod(target, 0o600)  # noqa: PTH101 - as copyfile beside it
        copied.append(name.as_posix())
    return tuple(copied)


async def _analytics(
    platform: Platform, folder: Path, name: str
) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    regions, left_out = [], []
    for region, store in sorted(platform.analytics.stores.items()):
        place = _place(platform, store, region, folder, name)
        if place is None:
            left_out.append(
                f"analytics of the region {region}: it is on a ClickHouse server, and "
                "backup_clickhouse_to does not say where that puts its back-ups"
            )
            continue
        await store.back_up(place)
        shown = f"analytics-{region}" if store.is_embedded else place
        regions.append(Region(region, store.database, shown, store.is_embedded))
    return tuple(regions), tuple(left_out)


def _place(platform: Platform, store: Store, region: str, folder: Path, name: str) -> str | None:
    if store.is_embedded:
        return file_place(folder / f"analytics-{region}")
    template = platform.settings.backup_clickhouse_to
    return template.replace("{name}", f"{name}-{region}") if template else None


async def prune(platform: Platform, keep: int) -> list[str]:
    """Remove all but the newest ``keep`` finished back-ups, and what is left of unfinished ones.

    Back-ups that a ClickHouse server keeps are its operator's to remove.

    Returns:
        Names of those removed.
    """
    return await asyncio.to_thread(_prune, folder_of(platform), keep)


def _prune(base: Path, keep: int) -> list[str]:
    if not base.exists():
        return []
    finished = sorted(path.parent for path in base.glob(f"*/{NAME}"))
    removed = finished[:-keep] if keep else finished
    newest = finished[-1].name if finished else ""
    # An unfinished one that is older than a finished one is nobody's any more.
    removed += [
        path
        for path in base.iterdir()
        if path.is_dir() and not (path / NAME).exists() and path.name < newest
    ]
    for path in removed:
        shutil.rmtree(path)
    return [path.name for path in removed]


async def run_scheduled(platform: Platform) -> None:
    """The job: a back-up every ``backup_hours``, the newest ``backup_keep`` kept. Never returns."""
    hours = platform.settings.backup_hours
    while True:
        if hours <= 0:
            await asyncio.sleep(3600)
            continue
        await asyncio.sleep(await asyncio.to_thread(_due_in, platform, hours))
        try:
            await create(platform)
            await prune(platform, platform.settings.backup_keep)
        except (ServerError, OSError) as error:
            _log.error("back-up failed", kind=type(error).__name__)
            await asyncio.sleep(300)


def _due_in(platform: Platform, hours: float) -> float:
    """Seconds until the next one is due, by the age of the newest manifest."""
    made = [path.stat().st_mtime for path in folder_of(platform).glob(f"*/{NAME}")]
    if not made:
        return 60.0
    return max(1.0, max(made) + hours * 3600 - platform.clock.now().timestamp())
