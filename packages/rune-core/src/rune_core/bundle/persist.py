"""The last good bundle on disk, so that a restart without a server goes on where it was."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from rune_core.bundle.model import Bundle, decode, encode
from rune_core.bundle.verify import verify
from rune_core.errors import ServerAnswerError

if TYPE_CHECKING:
    from pathlib import Path

    from rune_core.connection import Connection

FOLDER = "policies"
MAX_BYTES = 32 * 1024 * 1024
MAX_FILES = 8
_STALE_SECONDS = 3600.0


class BundleFileError(Exception):
    """The file cannot be used. The message says why and holds nothing of its content."""


class BundleFile:
    """One file, replaced as a whole. Processes may share it.

    Args:
        path: The file. Its folder is made when first needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Bundle | None:
        """The bundle that was kept; None when there is none.

        Raises:
            BundleFileError: There is a file, and it must not be trusted or cannot be read.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BundleFileError(f"{self.path} cannot be read: {error.strerror}") from None
        try:
            problem = _distrust(os.fstat(handle))
            if problem:
                raise BundleFileError(f"{self.path} {problem}")
            with os.fdopen(handle, "rb", closefd=False) as file:
                bundle = decode(file.read(MAX_BYTES + 1))
        except ServerAnswerError as error:
            raise BundleFileError(f"{self.path} is damaged: {error}") from None
        except OSError as error:
            raise BundleFileError(f"{self.path} cannot be read: {error.strerror}") from None
        finally:
            os.close(handle)
        refused = verify(bundle)
        if refused:
            raise BundleFileError(f"{self.path} is damaged: {refused[0]}")
        return bundle

    def save(self, bundle: Bundle) -> None:
        """Put it there whole: a reader, and a crash, see the old one or the new one.

        Raises:
            OSError: The disk is full, read-only or gone.
        """
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f".{self.path.name}.{os.getpid()}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(encode(bundle))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            raise
        _sync_folder(folder)
        _tidy(folder, self.path)


def bundle_file(folder: Path, connection: Connection) -> BundleFile:
    """The file for one server and key, in the state folder.

    Another key can be another organisation's, whose policies are none of ours.
    """
    return BundleFile(folder / FOLDER / f"{connection.identity}.json")


def _distrust(status: os.stat_result) -> str:
    """Why a file's owner or size forbids to use it."""
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    if status.st_size > MAX_BYTES:
        return f"is larger than {MAX_BYTES:,} bytes"
    if hasattr(os, "geteuid"):
        if status.st_uid not in (os.geteuid(), 0):
            return "belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "can be written by others: remove it, or chmod go-w"
    return ""


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where a folder can be opened at all."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _tidy(folder: Path, kept: Path) -> None:
    """Remove files of keys no longer used, and drafts of processes that died."""
    with suppress(OSError):
        others: list[tuple[float, Path]] = []
        for path in folder.iterdir():
            with suppress(OSError):
                changed = path.stat().st_mtime
                if path.name.startswith(".") and time.time() - changed > _STALE_SECONDS:
                    path.unlink()
                elif path.suffix == ".json" and path != kept:
                    others.append((changed, path))
        others.sort(reverse=True)
        for _, path in others[MAX_FILES - 1 :]:
            path.unlink(missing_ok=True)
