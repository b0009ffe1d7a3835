"""The instance id: a random UUID that tells one installation of the SDK from another.

A server uses it to decide which revision of a policy that is being rolled out in stages this
installation gets. It is kept in the state folder, so that a restart changes nothing, and it is
random, so that it says nothing about the machine.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from rune_core.config import state_folder

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "instance"
_MAX_BYTES = 64
_lock = threading.Lock()
_known: dict[Path, str] = {}
_of_process: str | None = None


def instance_id(folder: Path | None = None) -> str:
    """The id kept in ``folder``; one for this process alone where it cannot be kept.

    Args:
        folder: By default the state folder. Made when it does not exist.
    """
    global _of_process  # noqa: PLW0603 - one per process is the point
    folder = state_folder() if folder is None else folder
    with _lock:
        if folder not in _known:
            kept = _kept(folder / FILE_NAME)
            if kept is None:
                _of_process = _of_process or str(uuid4())
                return _of_process
            _known[folder] = kept
        return _known[folder]


def _kept(path: Path) -> str | None:
    """The id in the file, written first when there is none; None when that is not possible."""
    try:
        found = _read(path)
        if found is None:
            _write(path, str(uuid4()))
            # Read again: of two processes that start together, the last to write wins for both.
            found = _read(path)
    except OSError:
        return None
    return found


def _read(path: Path) -> str | None:
    """The id in the file; None when there is no file or it holds something else."""
    try:
        with path.open("rb") as file:
            return str(UUID(file.read(_MAX_BYTES).decode("ascii").strip()))
    except (FileNotFoundError, ValueError):
        return None


def _write(path: Path, text: str) -> None:
    """Put the id there whole: another process sees all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{uuid4().hex}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        # Bytes: an encoding would be imported here, and a fork leave it half imported.
        with os.fdopen(handle, "wb") as file:
            file.write(f"{text}\n".encode())
        _place(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _place(draft: Path, path: Path) -> None:
    if _read(path) is None and path.exists():
        draft.replace(path)  # what is there is no id
        return
    try:
        # A link fails where a file is: of two processes that start together, one wins.
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        with suppress(FileExistsError):
            draft.replace(path)


def _after_fork() -> None:
    global _lock, _of_process  # noqa: PLW0603 - as above; the lock may have been held
    _lock = threading.Lock()
    _of_process = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
