"""Encrypted segments: append-only files, each written by one process, together bounded in size.

A segment is a head (magic, key id, salt) and records (length, ciphertext with tag). Its own key
is derived from the journal's key and its salt by HKDF-SHA-256; records are AES-256-GCM with their
number as nonce and the head as associated data. So no nonce is used twice under one key, and a
record that was changed, moved or taken out of the middle is noticed. A record at the end that was
not written whole, as when a process was killed, is left out.
"""

from __future__ import annotations

import heapq
import os
import struct
import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rune_core.errors import JournalError
from rune_core.forks import fork_safe
from rune_core.journal.entry import Entry
from rune_core.journal.keys import KEY_BYTES, key_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAGIC: Final = b"RUNEJ1\n\0"
SUFFIX: Final = ".runej"
PARTS: Final = 8
"""Into how many segments the journal's size is divided: what is dropped at once is the oldest."""
_SALT: Final = 16
_HEAD: Final = len(MAGIC) + 8 + _SALT
_LENGTH: Final = struct.Struct(">I")
_DAY: Final = 86_400


class SegmentWriter:
    """Appends entries. Threads may share it; a forked child begins a segment of its own.

    Args:
        folder: Where the segments are. Made with the first entry.
        key: The journal's key.
        max_bytes: Size of all segments together.
        keep_days: Age at which a segment is deleted; 0 for never.
    """

    def __init__(self, folder: Path, key: bytes, *, max_bytes: int, keep_days: float) -> None:
        self._folder = folder
        self._key = key
        self._max_bytes = max_bytes
        self._keep_days = keep_days
        self._encoder = msgspec.msgpack.Encoder()
        self._lock = fork_safe(Lock())
        self._handle = -1
        self._process = 0
        self._head = b""
        self._cipher: AESGCM | None = None
        self._number = 0
        self._size = 0

    def append(self, entry: Entry) -> None:
        """Write an entry.

        Raises:
            OSError: The disk is full, read-only or gone.
        """
        data = self._encoder.encode(entry)
        with self._lock:
            if self._process != os.getpid() or self._size >= self._max_bytes // PARTS:
                self._begin()
            assert self._cipher is not None
            sealed = self._cipher.encrypt(_nonce(self._number), data, self._head)
            # Never reuse a number, even when the write below fails.
            self._number += 1
            self._write(_LENGTH.pack(len(sealed)) + sealed)

    def close(self) -> None:
        """Close the segment; the next entry begins another."""
        with self._lock:
            self._drop_handle()

    def _begin(self) -> None:
        self._drop_handle()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._prune()
        salt = os.urandom(_SALT)
        self._head = MAGIC + bytes.fromhex(key_id(self._key)) + salt
        self._cipher = _cipher(self._key, salt)
        self._number = self._size = 0
        name = f"{time.time_ns():020d}-{salt[:4].hex()}{SUFFIX}"
        self._handle = os.open(
            self._folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600
        )
        self._process = os.getpid()
        self._write(self._head)

    def _write(self, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._handle, view) :]
        except OSError:
            # Half a record may stand there: nothing behind it could be read.
            self._drop_handle()
            raise
        self._size += len(data)

    def _drop_handle(self) -> None:
        if self._handle >= 0 and self._process == os.getpid():
            with suppress(OSError):
                os.close(self._handle)
        self._handle = -1
        self._process = 0

    def _prune(self) -> None:
        """Make room for one more segment, and forget what is too old."""
        room = self._max_bytes - self._max_bytes // PARTS
        now = time.time()
        for path in reversed(segments(self._folder)):
            with suppress(FileNotFoundError):
                info = path.stat()
                room -= info.st_size
                old = self._keep_days and now - info.st_mtime > self._keep_days * _DAY
                if room < 0 or old:
                    path.unlink()


def segments(folder: Path) -> list[Path]:
    """The segments in a folder, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def read(folder: Path, keys: Mapping[str, bytes]) -> Iterator[Entry]:
    """Every entry, in order of time.

    Args:
        folder: Where the segments are.
        keys: The keys there are, by id.

    Raises:
        JournalError: A segment was written with a key that is not there, or was changed.
    """
    return heapq.merge(
        *(_entries(path, keys) for path in segments(folder)), key=lambda entry: entry.at
    )


def erase(folder: Path) -> int:
    """Delete every segment, and say how many there were."""
    found = segments(folder)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _entries(path: Path, keys: Mapping[str, bytes]) -> Iterator[Entry]:
    decoder = msgspec.msgpack.Decoder(Entry)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return  # another process made room
    with file:
        head = file.read(_HEAD)
        if len(head) < _HEAD:
            return  # begun and not written whole
        if not head.startswith(MAGIC):
            raise JournalError(f"{path} is no journal segment of this version of Rune")
        wanted = head[len(MAGIC) : len(MAGIC) + 8].hex()
        key = keys.get(wanted)
        if key is None:
            raise JournalError(
                f"{path} was written with another key (id {wanted}); see RUNE_JOURNAL_KEY, or "
                "erase the journal: rune journal erase"
            )
        cipher = _cipher(key, head[-_SALT:])
        number = 0
        while len(prefix := file.read(_LENGTH.size)) == _LENGTH.size:
            (length,) = _LENGTH.unpack(prefix)
            sealed = file.read(length)
            if len(sealed) < length:
                return
            try:
                yield decoder.decode(cipher.decrypt(_nonce(number), sealed, head))
            except (InvalidTag, msgspec.MsgspecError):
                raise JournalError(
                    f"{path}: record {number + 1} was changed after it was written; nothing behind "
                    "it can be trusted. Delete the file to go on without it"
                ) from None
            number += 1


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    derived = HKDF(SHA256(), KEY_BYTES, salt, b"rune journal segment").derive(key)
    return AESGCM(derived)
