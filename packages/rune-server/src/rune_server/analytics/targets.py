"""From the settings to the stores, and from an organisation to its region."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from rune_server.analytics.analytics import DEFAULT_REGION
from rune_server.analytics.connect import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from rune_server.settings import Settings
    from rune_server.state import State
    from rune_server.storage import Vault

_PURPOSE = "analytics disk"
_SCHEMES = {"clickhouse": "http", "clickhouses": "https"}
_CACHE_SECONDS = 30.0
_MAX_CACHED = 100_000


def targets(settings: Settings, vault: Vault, backups: Path | None = None) -> Mapping[str, Target]:
    """Where each region's events are kept: two databases of one store, or a store each.

    Args:
        settings: The settings.
        vault: For the keys of an encrypted disk.
        backups: Where the embedded one may read and write back-ups; by default where back-ups are
            made.
    """
    backups = backups or settings.backup_dir or settings.data_dir / "backups"
    found = {}
    for region, dsn in (
        ("us", settings.analytics_dsn),
        ("eu", settings.analytics_dsn_eu or settings.analytics_dsn),
    ):
        if not dsn or dsn.startswith("chdb"):
            found[region] = Target(
                database=f"rune_{region}",
                path=settings.data_dir / "analytics",
                keys=disk_keys(vault),
                memory_bytes=settings.chdb_memory_bytes,
                backups=backups,
            )
        else:
            found[region] = _server(dsn, region)
    return found


def disk_keys(vault: Vault) -> tuple[bytes, ...]:
    """Keys of the embedded ClickHouse's disk: the current one first, then those of before."""
    return tuple(key for _, key in vault.keys(_PURPOSE))


def _server(dsn: str, region: str) -> Target:
    """``clickhouses://user:password@host:8443/database?cluster=c&policy=p&ca=file`` as a target."""
    from urllib.parse import parse_qs

    parts = urlsplit(dsn)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    scheme = _SCHEMES.get(parts.scheme, parts.scheme)
    return Target(
        database=f"{parts.path.strip('/') or 'rune'}_{region}",
        url=urlunsplit((scheme, parts.netloc, "", "", "")),
        cluster=options.get("cluster"),
        policy=options.get("policy"),
        ca_file=Path(options["ca"]) if "ca" in options else None,
    )


def region_of(state: State) -> Callable[[UUID], Awaitable[str]]:
    """Looks an organisation's region up, and keeps it for half a minute."""
    from rune_server.state.tables.organisations import Organisation

    known: dict[UUID, tuple[float, str]] = {}

    async def look_up(organisation_id: UUID) -> str:
        now = time.monotonic()
        found = known.get(organisation_id)
        if found is not None and now < found[0]:
            return found[1]
        async with state.read() as session:
            row = await session.get(Organisation, organisation_id)
        region = DEFAULT_REGION if row is None else row.region
        if len(known) >= _MAX_CACHED:
            known.clear()
        known[organisation_id] = (now + _CACHE_SECONDS, region)
        return region

    return look_up
