"""Identifiers and keyed hashes.

A plain hash of a short value can be guessed by trying all short values. The hashes here are
keyed with random bytes that are made when the process starts and never leave it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from uuid import UUID

_PROCESS_KEY = os.urandom(32)
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@\-]{0,127}", re.ASCII)
_SAFE_TITLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@\- ]{0,127}", re.ASCII)
MASKED_NAME = "masked"


def uuid7() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits.

    The standard library has one from Python 3.14 on.
    """
    milliseconds = (time.time_ns() // 1_000_000) & 0xFFFF_FFFF_FFFF
    random = int.from_bytes(os.urandom(10), "big")
    high = random >> 68
    low = random & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def keyed_hash(data: str | bytes) -> str:
    """HMAC-SHA-256 under the process key, as 32 hex digits (128 bits)."""
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    return hmac.digest(_PROCESS_KEY, raw, "sha256").hex()[:32]


def cache_digest(text: str) -> bytes:
    """16 bytes that stand for a text in this process; keyed, so they mean nothing outside."""
    raw = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, digest_size=16, key=_PROCESS_KEY).digest()


def safe_name(name: str | None) -> str | None:
    """A name fit for events, logs and explanations.

    Tool names can be made up by a model, so they are not trusted to be names. What does not look
    like one (too long, line breaks, other characters) becomes ``masked``.
    """
    if name is None or _SAFE_NAME.fullmatch(name):
        return name
    return MASKED_NAME


def safe_title(name: str | None) -> str | None:
    """The same for names that people give in code and configuration, which may have spaces."""
    if name is None or _SAFE_TITLE.fullmatch(name):
        return name
    return MASKED_NAME
