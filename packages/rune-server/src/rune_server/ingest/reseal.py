"""After a new master key: files of the spool and the quarantine, sealed again under it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from rune_server.ingest.segment import SUFFIX, SegmentFile, records, sync_folder
from rune_server.storage.vault import SEGMENT_HEADER_BYTES, SealError

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.storage import Vault

_log = structlog.get_logger("rune_server.ingest")
_SCRATCH = ".resealed"


def older(folder: Path, vault: Vault) -> list[Path]:
    """Files that are sealed under another master key than the current one."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with path.open("rb") as file:
                header = file.read(SEGMENT_HEADER_BYTES)
        except FileNotFoundError:
            continue  # written and gone
        if len(header) == SEGMENT_HEADER_BYTES and not vault.is_current(header):
            found.append(path)
    return found


def reseal(folder: Path, vault: Vault) -> int:
    """Seal files again, each whole or not at all; nobody else may be writing there. How many.

    A file that cannot be opened stays as it is: whoever reads it says what is wrong with it.

    Raises:
        OSError: The disk refuses. What was not done yet is as it was.
    """
    for scratch in folder.glob(f"*{_SCRATCH}"):
        scratch.unlink()  # from a process that was killed
    done = 0
    for path in older(folder, vault):
        scratch = path.with_name(path.name + _SCRATCH)
        file = SegmentFile(scratch, vault)
        try:
            for lines in records(path, vault):
                file.append(lines)
        except SealError as error:
            _log.warning("segment cannot be sealed again", segment=path.stem, reason=str(error))
            continue
        else:
            scratch.replace(path)
            done += 1
        finally:
            file.close()
            with suppress(FileNotFoundError):
                scratch.unlink()
    if done:
        sync_folder(folder)
    return done
