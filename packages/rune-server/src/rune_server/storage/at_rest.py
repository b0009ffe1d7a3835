"""Which stores are encrypted at rest, and which are not: said at every start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rune_server.state import sqlite
from rune_server.storage.master import KEY_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_server.settings import Settings
    from rune_server.storage import Vault


@dataclass(frozen=True, slots=True)
class Store:
    """A place where something is kept.

    Attributes:
        name: What is kept there.
        encrypted: Whether Rune encrypts it (AES-256).
        note: How, or what its operator should see to.
    """

    name: str
    encrypted: bool
    note: str


def stores(settings: Settings, vault: Vault) -> list[Store]:
    """Every store that these settings use."""
    return list(_stores(settings, vault))


def _stores(settings: Settings, vault: Vault) -> Iterator[Store]:
    if settings.state_dsn.startswith("postgresql"):
        yield Store(
            "state database",
            False,
            "PostgreSQL: encrypt its disks. Secrets in it are sealed by Rune all the same",
        )
    elif sqlite.ENCRYPTS:
        yield Store("state database", True, "SQLCipher")
    else:
        yield Store("state database", False, "plain SQLite: there is no SQLCipher for this system")
    for region, dsn in (
        ("us", settings.analytics_dsn),
        ("eu", settings.analytics_dsn_eu or settings.analytics_dsn),
    ):
        if not dsn or urlsplit(dsn).scheme == "chdb":
            yield Store(f"events ({region})", True, "encrypted disk of embedded ClickHouse")
        else:
            yield Store(
                f"events ({region})",
                "policy=" in urlsplit(dsn).query,
                "ClickHouse: give it an encrypted disk and name its storage policy in the address",
            )
    yield Store("spool", True, "AES-256-GCM")
    yield Store("back-ups", True, "AES-256-GCM")
    if settings.redis_dsn:
        yield Store("Redis", False, "counters and messages that live for seconds; no events")
    if settings.tls_key is not None:
        yield Store("key of the certificate", False, f"{settings.tls_key}: yours, left as it is")
    else:
        yield Store("key of the certificate", True, "encrypted PEM")
    if vault.origin == str(settings.data_dir / KEY_FILE):
        yield Store(
            "master key",
            False,
            f"{vault.origin}: whoever copies the whole folder can read it; keep the key elsewhere "
            "with RUNE_MASTER_KEY, RUNE_MASTER_KEY_FILE or RUNE_MASTER_KEY_KEYRING",
        )
