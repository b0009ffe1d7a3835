"""One file of the spool: what was accepted, sealed, until it is in the store.

::

    file    = header of the vault's segment, then records
    record  = length (4 bytes, big-endian), zstd of lines sealed with AES-256-GCM

A record is acknowledged after it was synced. A file that ends in half a record was cut off while
it was written, and that record had not been acknowledged.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import zstandard

from rune_server.storage.vault import SEGMENT_HEADER_BYTES, SealError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rune_server.storage.vault import Segment, Vault

PURPOSE = "spool"
SUFFIX = ".spool"
_LENGTH = 4
_MAX_RECORD = 256 * 1024 * 1024


class SegmentFile:
    """A segment that is being written. Used on the spool's thread.

    Args:
        path: Where; must not exist.
        vault: Seals it.
    """

    def __init__(self, path: Path, vault: Vault) -> None:
        self.path = path
        self._segment: Segment = vault.new_segment(PURPOSE)
        self._zstd = zstandard.ZstdCompressor(level=1)
        self._number = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self.size = 0
        """Bytes that were synced."""
        try:
            self._write([self._segment.header])
            sync_folder(path.parent)
        except OSError:
            self.close()
            with suppress(OSError):
                path.unlink()
            raise

    def append(self, lines: bytes) -> None:
        """Add a record and return once it is on the disk.

        Raises:
            OSError: It is not. The file ends where it ended before, and takes no more.
        """
        sealed = self._segment.seal(self._number, self._zstd.compress(lines))
        # Never the same number twice: that would use one nonce for two texts.
        self._number += 1
        self._write([len(sealed).to_bytes(_LENGTH, "big"), sealed])

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, parts: list[bytes]) -> None:
        data = memoryview(b"".join(parts))
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            _sync(self._file)
        except OSError:
            # What is half written is cut off, so that nothing follows it.
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)


def records(path: Path, vault: Vault) -> Iterator[bytes]:
    """The lines of every whole record of a file.

    Raises:
        SealError: The file is damaged, or its master key was not given.
        OSError: It cannot be read.
    """
    unzstd = zstandard.ZstdDecompressor()
    with path.open("rb") as file:
        header = file.read(SEGMENT_HEADER_BYTES)
        if len(header) < SEGMENT_HEADER_BYTES:
            return
        segment = vault.open_segment(PURPOSE, header)
        number = 0
        while len(length := file.read(_LENGTH)) == _LENGTH:
            expected = int.from_bytes(length, "big")
            if expected > _MAX_RECORD:
                raise SealError(f"{path.name}: record {number} has an impossible length")
            sealed = file.read(expected)
            if len(sealed) < expected:
                return
            try:
                yield unzstd.decompress(segment.open(number, sealed))
            except zstandard.ZstdError:
                raise SealError(f"{path.name}: record {number} is damaged") from None
            number += 1


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a power failure."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


_sync = getattr(os, "fdatasync", os.fsync)
