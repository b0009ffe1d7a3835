"""What a back-up holds. Written last: a folder without a manifest is no back-up."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec

from rune_server.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.storage import Vault

NAME = "manifest.json"
FORMAT = 1
_PURPOSE = "backup manifest"


class Region(msgspec.Struct, frozen=True):
    """ClickHouse's back-up of one region.

    Attributes:
        region: ``us`` or ``eu``.
        database: The database's name.
        place: Where it is, as ``RESTORE … FROM`` takes it; for the embedded one, the folder's name.
        embedded: Whether it is in the back-up's own folder.
    """

    region: str
    database: str
    place: str
    embedded: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a back-up holds.

    Attributes:
        format: Version of this layout.
        name: The folder's name.
        made_at: RFC 3339, UTC.
        version: Of rune-server.
        migration: Revision of the state database.
        key_id: Of the master key it is sealed under.
        rows: Rows of each table of the state database.
        state_sha256: Of ``state.sealed``.
        spool: Names of the spool's files.
        regions: Analytics. A region that is not here was not backed up.
        left_out: What is not here, in words.
    """

    format: int = FORMAT
    name: str
    made_at: str
    version: str
    migration: str
    key_id: str
    rows: dict[str, int]
    state_sha256: str
    spool: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    left_out: tuple[str, ...] = ()


class _Signed(msgspec.Struct, frozen=True):
    manifest: msgspec.Raw
    mac: str


def write_manifest(folder: Path, manifest: Manifest, vault: Vault) -> None:
    """Write it, authenticated under the current master key."""
    body = msgspec.json.encode(manifest)
    signed = _Signed(msgspec.Raw(body), vault.mac(_PURPOSE, body).hex())
    scratch = folder / f".{NAME}"
    scratch.write_bytes(msgspec.json.encode(signed) + b"\n")
    scratch.chmod(0o600)
    scratch.replace(folder / NAME)


def read_manifest(folder: Path, vault: Vault) -> Manifest:
    """The manifest of a back-up.

    Raises:
        ConfigurationError: There is none, it was altered, or it was made under a master key that
            was not given.
    """
    path = folder / NAME
    try:
        signed = msgspec.json.decode(path.read_bytes(), type=_Signed)
        manifest = msgspec.json.decode(signed.manifest, type=Manifest)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{folder}: there is no {NAME}, so this is no finished back-up"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{path}: not a back-up's manifest: {error}") from None
    if manifest.format != FORMAT:
        raise ConfigurationError(
            f"{path}: format {manifest.format} is of another version of rune-server"
        )
    keys = dict(vault.keys(_PURPOSE))
    if manifest.key_id not in keys:
        raise ConfigurationError(
            f"{path}: sealed under the master key {manifest.key_id}, which is not given: set "
            "RUNE_MASTER_KEY or add it to RUNE_MASTER_KEYS_PREVIOUS"
        )
    expected = hmac.digest(keys[manifest.key_id], bytes(signed.manifest), "sha256").hex()
    if not hmac.compare_digest(expected, signed.mac):
        raise ConfigurationError(f"{path}: was altered after it was written")
    return manifest


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
