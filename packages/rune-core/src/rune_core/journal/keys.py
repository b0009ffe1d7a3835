"""The journal's key: 32 random bytes in the operating system's keyring, or in a file.

The key id in each segment tells which key it was written with, so that a journal which began with
the one kind of keeping and went on with the other can be read whole.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from rune_core.errors import ConfigError
from rune_core.failure import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_BYTES: Final = 32
FILE_NAME: Final = "journal.key"
SERVICE: Final = "rune"
ACCOUNT: Final = "journal"
INSTALL: Final = "install it: pip install 'rune-core[journal]'"


class JournalKeys:
    """Finds the journal's key, and makes it when there is none.

    Args:
        setting: ``keyring``, ``file``, ``file:PATH``, or None: the keyring where there is one,
            else the file.
        folder: Where the file is unless the setting says so.
    """

    def __init__(self, setting: str | None, folder: Path) -> None:
        kind, _, path = (setting or "").partition(":")
        if kind not in ("", "keyring", "file") or (path and kind != "file"):
            raise ConfigError(f"journal_key: {setting!r} is none of keyring, file and file:PATH")
        self._kind = kind
        self._path = Path(path).expanduser() if path else folder / FILE_NAME

    def for_writing(self) -> bytes:
        """The key, made now when there is none yet.

        Raises:
            ConfigError: It cannot be read or kept.
        """
        if self._kind != "file":
            kept = _from_keyring(make=True, needed=self._kind == "keyring")
            if kept is not None:
                return kept
        return self._from_file(make=True)

    def for_reading(self) -> dict[str, bytes]:
        """Every key there is, by its id.

        Raises:
            ConfigError: One is there and cannot be read.
        """
        return {key_id(key): key for key in self._known()}

    def where(self) -> str:
        """Where the key is or would be kept, for people."""
        if self._kind != "file" and _backend() is not None:
            return "the keyring of the operating system"
        return str(self._path)

    def _known(self) -> Iterator[bytes]:
        if self._kind != "file":
            kept = _from_keyring(make=False, needed=self._kind == "keyring")
            if kept is not None:
                yield kept
        if self._kind != "keyring" and self._path.exists():
            yield self._from_file(make=False)

    def _from_file(self, *, make: bool) -> bytes:
        path = self._path
        try:
            if make and not path.exists():
                _write(path, os.urandom(KEY_BYTES).hex())
            info = path.stat()
            if os.name == "posix" and (
                info.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(info.st_mode) & 0o077
            ):
                raise ConfigError(
                    f"{path}: the journal's key can be read by others; run: chmod 600 {path}"
                )
            return _key(path.read_text(encoding="ascii").strip(), str(path))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is no key"
            raise ConfigError(f"{path} (the journal's key): {why}") from None


def key_id(key: bytes) -> str:
    """16 hex digits that tell one key from another and nothing about it."""
    return hashlib.blake2b(b"rune journal key id", digest_size=8, key=key).hexdigest()


def _key(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{where}: is no journal key ({KEY_BYTES * 2} hex digits); restore it from where you "
            "keep it, or erase the journal: rune journal erase"
        )
    return key


def _backend() -> object | None:
    """The operating system's keyring; None where there is none."""
    try:
        import keyring
        from keyring.backends import fail, null

        backend = keyring.get_keyring()
    except Exception:  # noqa: BLE001 - a stranger's backend that cannot be loaded is none
        return None
    # A chain of nothing has no backend in it; fail and null keep nothing.
    empty = isinstance(backend, fail.Keyring | null.Keyring) or not getattr(
        backend, "backends", True
    )
    return None if empty else backend


def _from_keyring(*, make: bool, needed: bool) -> bytes | None:
    """The key in the keyring; None where there is no keyring, or no key and none is made."""
    if _backend() is None:
        if needed:
            raise ConfigError(
                "journal_key is keyring, but no keyring can be used here; use file, or "
                "install one: see the documentation of the package keyring"
            )
        return None
    import keyring

    try:
        kept = keyring.get_password(SERVICE, ACCOUNT)
        if kept is None and make:
            keyring.set_password(SERVICE, ACCOUNT, os.urandom(KEY_BYTES).hex())
            # Read again: of two processes that start together, the last to write wins for both.
            kept = keyring.get_password(SERVICE, ACCOUNT)
    except Exception as error:  # noqa: BLE001 - backends raise what they like
        if needed:
            raise ConfigError(f"the keyring cannot be used: {describe(error)}") from None
        return None
    return None if kept is None else _key(kept, f"keyring entry {SERVICE}/{ACCOUNT}")


def _write(path: Path, text: str) -> None:
    """Put the key there whole; of two processes that start together, one wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{uuid4().hex}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
