"""Seals what is stored: AES-256-GCM under keys derived from one master key.

Nothing but the master key is secret, so replicas share a vault by sharing that. Keys are derived
per purpose (HKDF-SHA-256), and per message or segment with a random salt, so that no key seals
so much that GCM's nonces could repeat. What is sealed names the master key it was sealed under:
after a rotation the previous keys open what is old until ``rune keys rotate`` has sealed it again.

::

    sealed  = "RV1" . key id (8) . salt (16) . AES-256-GCM(subkey, nonce 0, aad = purpose 0 aad)
    segment = "RS1" . key id (8) . salt (16), then records under the subkey, their number as nonce
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rune_server.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEALED, _SEGMENT = b"RV1", b"RS1"
_KEY_ID, _SALT, _NONCE, _TAG = 8, 16, 12, 16
SEGMENT_HEADER_BYTES = len(_SEGMENT) + _KEY_ID + _SALT
RECORD_OVERHEAD_BYTES = _TAG


class SealError(ServerError):
    """Something sealed cannot be opened: altered, cut short, or sealed under a key not given."""


def _expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand (RFC 5869) for 32 bytes; ``key`` is uniformly random."""
    return hmac.digest(key, info + b"\x01", "sha256")


class _Master:
    """One master key and what is derived from it."""

    __slots__ = ("_key", "id")

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("a master key has 32 bytes")
        self._key = hmac.digest(b"rune vault v1", key, "sha256")  # HKDF-Extract
        self.id = _expand(self._key, b"key id")[:_KEY_ID]

    def purpose(self, purpose: str) -> bytes:
        return _expand(self._key, b"purpose " + purpose.encode())


class Segment:
    """Seals or opens the records of one file, in order.

    A record cannot be moved, swapped or taken from another file. Records that were cut off the end
    are not noticed: whoever writes a file says where it ends.

    Attributes:
        header: Goes at the start of the file.
    """

    __slots__ = ("_aad", "_aead", "header")

    def __init__(self, key: bytes, header: bytes, purpose: str) -> None:
        self.header = header
        self._aead = AESGCM(_expand(key, b"segment" + header))
        self._aad = purpose.encode()

    def seal(self, number: int, plain: bytes) -> bytes:
        """Record ``number`` (from 0, each used once), sealed; 16 bytes longer."""
        return self._aead.encrypt(number.to_bytes(_NONCE, "big"), plain, self._aad)

    def open(self, number: int, sealed: bytes) -> bytes:
        """Record ``number``, opened.

        Raises:
            SealError: It is not what was sealed.
        """
        try:
            return self._aead.decrypt(number.to_bytes(_NONCE, "big"), sealed, self._aad)
        except InvalidTag:
            raise SealError(f"record {number} is damaged") from None


class Vault:
    """Seals and opens. Shared by threads.

    Args:
        master: The master key, 32 bytes.
        previous: Master keys of before, that old things may be sealed under.
        origin: Where the master key is kept, for the report at start-up.
    """

    __slots__ = ("_by_id", "_current", "origin")

    def __init__(self, master: bytes, previous: Iterable[bytes] = (), origin: str = "") -> None:
        self._current = _Master(master)
        older = [_Master(key) for key in previous]
        self._by_id = {key.id: key for key in (*reversed(older), self._current)}
        self.origin = origin

    def __repr__(self) -> str:
        return f"Vault(key_id={self.key_id!r}, keys={len(self._by_id)})"

    @property
    def key_id(self) -> str:
        """The current master key's id, 16 hex digits: tells keys apart and nothing else."""
        return self._current.id.hex()

    def key(self, purpose: str) -> bytes:
        """32 bytes for a store that encrypts by itself, such as SQLCipher or ClickHouse's disks."""
        return self._current.purpose(purpose)

    def keys(self, purpose: str) -> list[tuple[str, bytes]]:
        """``(key id, 32 bytes)`` under every master key given, the current one first."""
        rest = [key for key in self._by_id.values() if key is not self._current]
        return [(key.id.hex(), key.purpose(purpose)) for key in (self._current, *reversed(rest))]

    def mac(self, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA-256 under the current key, 32 bytes."""
        return hmac.digest(self._current.purpose(purpose), data, "sha256")

    def seal(self, purpose: str, plain: bytes, aad: bytes = b"") -> bytes:
        """Seal ``plain``; 43 bytes longer.

        Args:
            purpose: What it is, such as ``totp``: sealed for one purpose, it opens for no other.
            plain: Anything.
            aad: What it belongs to, such as a row's id: it opens only with the same.
        """
        header = _SEALED + self._current.id + os.urandom(_SALT)
        aead = AESGCM(_expand(self._current.purpose(purpose), b"message" + header))
        return header + aead.encrypt(bytes(_NONCE), plain, purpose.encode() + b"\0" + aad)

    def open(self, purpose: str, sealed: bytes, aad: bytes = b"") -> bytes:
        """Open what ``seal`` made of the same purpose and ``aad``.

        Raises:
            SealError: It is damaged or not ours, or its master key was not given.
        """
        header, body = sealed[:SEGMENT_HEADER_BYTES], sealed[SEGMENT_HEADER_BYTES:]
        key = self._opener(_SEALED, header).purpose(purpose)
        try:
            aead = AESGCM(_expand(key, b"message" + header))
            return aead.decrypt(bytes(_NONCE), body, purpose.encode() + b"\0" + aad)
        except InvalidTag:
            raise SealError(f"what is sealed as {purpose!r} is damaged") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether it is sealed under the current master key, so that a rotation may skip it."""
        return sealed[3 : 3 + _KEY_ID] == self._current.id

    def new_segment(self, purpose: str) -> Segment:
        """Keys for a new file of records; its ``header`` goes at the start of the file."""
        header = _SEGMENT + self._current.id + os.urandom(_SALT)
        return Segment(self._current.purpose(purpose), header, purpose)

    def open_segment(self, purpose: str, header: bytes) -> Segment:
        """Keys for the file that starts with ``header`` (``SEGMENT_HEADER_BYTES``).

        Raises:
            SealError: It is no such header, or its master key was not given.
        """
        return Segment(self._opener(_SEGMENT, header).purpose(purpose), header, purpose)

    def _opener(self, magic: bytes, header: bytes) -> _Master:
        if len(header) != SEGMENT_HEADER_BYTES or header[:3] != magic:
            raise SealError("this was not sealed by a vault")
        key = self._by_id.get(header[3 : 3 + _KEY_ID])
        if key is None:
            raise SealError(
                f"sealed under the master key {header[3:11].hex()}, which is not given: "
                "add it to RUNE_MASTER_KEYS_PREVIOUS"
            )
        return key


def fingerprint(secret: str) -> str:
    """SHA-256 of a long random secret, in hex: what is stored in its place."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
