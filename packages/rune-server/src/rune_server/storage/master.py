"""Where the master key comes from: environment, file, keyring, or a file made on first start."""

from __future__ import annotations

import os
import secrets
import stat
from typing import TYPE_CHECKING

from rune_server import settings_values as values
from rune_server.errors import ConfigurationError
from rune_server.storage.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.settings import Settings

KEY_FILE = "master.key"
_SERVICE = "rune-server"


def open_vault(settings: Settings) -> Vault:
    """The vault that the settings ask for. Makes a master key on first start.

    Without one in the settings it is kept in ``master.key`` in the data folder, readable by its
    owner alone. That protects copies of the data without that file (back-ups, a lost volume), not
    against somebody who reads the whole folder: start-up says so.

    Raises:
        ConfigurationError: The key cannot be read, or others could read it.
    """
    previous = [bytes.fromhex(key) for key in settings.master_keys_previous]
    if settings.master_key:
        return Vault(bytes.fromhex(settings.master_key), previous, "environment or settings file")
    if settings.master_key_file is not None:
        if not settings.master_key_file.exists():
            raise ConfigurationError(
                f"master_key_file: {settings.master_key_file} does not exist; "
                "`rune keys new-master` prints a key"
            )
        return Vault(_read(settings.master_key_file), previous, str(settings.master_key_file))
    if settings.master_key_keyring:
        return Vault(_from_keyring(), previous, "the operating system's keyring")
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        _write_new(path, new_master_key())
    return Vault(_read(path), previous, str(path))


def new_master_key() -> str:
    """32 random bytes in hex."""
    return secrets.token_bytes(values.MASTER_KEY_BYTES).hex()


def _read(path: Path) -> bytes:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigurationError(f"{path}: others can read the master key: chmod 600 {path}")
        found = values.master_key(path.read_text("ascii"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    if not found:
        raise ConfigurationError(f"{path}: is empty")
    return bytes.fromhex(found)


def _write_new(path: Path, key: str) -> None:
    """Whole or not at all, and never over another process's: two may start at once."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{key}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass  # another process was first; its key is the one
    finally:
        scratch.unlink()


def _from_keyring() -> bytes:
    import keyring
    from keyring.errors import KeyringError

    try:
        found = keyring.get_password(_SERVICE, "master key")
        if found is None:
            found = new_master_key()
            keyring.set_password(_SERVICE, "master key", found)
        return bytes.fromhex(values.master_key(found))
    except KeyringError as error:
        raise ConfigurationError(
            f"master_key_keyring: the keyring cannot be used ({error}); use master_key_file instead"
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"master_key_keyring: what the keyring holds {error}") from None
