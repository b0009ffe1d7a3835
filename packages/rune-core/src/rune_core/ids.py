"""Identifiers and keyed hashes.

A plain hash of a short value can be guessed by trying all short values. The hashes here are
keyed: with random bytes that are made when the process starts and never leave it, or with a key
that the user configures so that several processes give equal values equal hashes.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from uuid import UUID

_PROCESS_KEY = os.urandom(32)
_SAFE_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_][A-Za-z0-9_.:/\-]{0,127}", re.ASCII)
_SAFE_TITLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@\- ]{0,127}", re.ASCII)
MASKED_NAME = "masked"
_SECOND = 1000 << 12
_last = 0
"""Milliseconds and fraction of the last id that was made now."""


def uuid7(at: int | None = None) -> UUID:
    """A UUIDv7 (RFC 9562): Unix milliseconds, 12 bits of their fraction, then 62 random bits.

    Ids of one process that are made without ``at`` sort in the order in which they were made, but
    for two threads in the same quarter of a microsecond, and when the clock goes back by more than
    a second. The standard library has a UUIDv7 from Python 3.14 on.

    Args:
        at: Nanoseconds since the epoch; now by default.
    """
    global _last  # noqa: PLW0603 - two threads that meet here make ids that differ all the same
    milliseconds, rest = divmod(time.time_ns() if at is None else at, 1_000_000)
    stamp = (milliseconds & 0xFFFF_FFFF_FFFF) << 12 | (rest << 12) // 1_000_000
    if at is None:
        if stamp <= _last < stamp + _SECOND:
            stamp = _last + 1
        _last = stamp
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=stamp >> 12 << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random)


class KeyedHash:
    """Hashes values under one key.

    Args:
        secret: The configured key; None for the random one of this process.

    Attributes:
        key_id: 16 hex digits that tell one key from another and nothing about it. Hashes can be
            compared where this is equal.
    """

    __slots__ = ("_keyed", "key_id")

    def __init__(self, secret: str | None = None) -> None:
        key = (
            _PROCESS_KEY
            if secret is None
            else hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        )
        self.key_id = hashlib.blake2b(b"rune key id", digest_size=8, key=key).hexdigest()
        # A copy of a keyed hash costs half of what keying a new one does.
        self._keyed = hashlib.blake2b(digest_size=16, key=key, person=b"rune value").copy

    def __call__(self, data: str | bytes) -> str:
        """Keyed BLAKE2b (RFC 7693) of ``data``, as 32 hex digits (128 bits)."""
        value = self._keyed()
        value.update(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
        return value.hexdigest()

    def __repr__(self) -> str:
        return f"KeyedHash(key_id={self.key_id!r})"


keyed_hash = KeyedHash()
"""Under the random key of this process."""


cache_hash = hashlib.blake2b(digest_size=16, key=_PROCESS_KEY).copy
"""A new hash under the key of ``cache_digest``, for what comes in pieces."""


def cache_digest(text: str) -> bytes:
    """16 bytes that stand for a text in this process; keyed, so they mean nothing outside."""
    value = cache_hash()
    value.update(text.encode("utf-8", "surrogatepass"))
    return value.digest()


def safe_name(name: str | None) -> str | None:
    """A name fit for events, logs and explanations.

    Tool names can be made up by a model, so they are not trusted to be names. What does not look
    like one (too long, line breaks, other characters) becomes ``masked``; so does what looks like a
    mail address or is a number, which may be somebody's.
    """
    if name is None or _SAFE_NAME.fullmatch(name):
        return name
    return MASKED_NAME


def safe_title(name: str | None) -> str | None:
    """The same for names that people give in code and configuration, which may have spaces."""
    if name is None or _SAFE_TITLE.fullmatch(name):
        return name
    return MASKED_NAME
