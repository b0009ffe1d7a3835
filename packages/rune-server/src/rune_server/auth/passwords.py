"""Passwords: what a new one must be, hashing with bcrypt, the list of breached ones."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import bcrypt

from rune_server.errors import UnprocessableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rune_server.settings import Settings

T = TypeVar("T")
MIN_CHARACTERS = 12
MAX_BYTES = 72
"""Bcrypt reads no further: a longer password would be cut without a word."""
_SHA1_HEX = 40
_LINE = 256
# Bcrypt lets other threads run. Two of them leave the event loop its core.
_threads = ThreadPoolExecutor(2, thread_name_prefix="bcrypt")


async def checked(settings: Settings, password: str, email: str) -> str:
    """A new password, if it may be one.

    At least 12 characters, at most 72 bytes, not made of few characters, not the address, not
    known to be breached. No rules about digits and capitals: they make passwords worse.

    Raises:
        UnprocessableError: It may not. Says why, and does not repeat it.
    """
    if len(password) < MIN_CHARACTERS:
        raise UnprocessableError(f"password: must have at least {MIN_CHARACTERS} characters")
    if len(_encoded(password)) > MAX_BYTES:
        raise UnprocessableError(f"password: must have at most {MAX_BYTES} bytes in UTF-8")
    if "\0" in password:
        raise UnprocessableError("password: must not hold the character NUL")
    name = email.partition("@")[0].lower()
    lowered = password.lower()
    if len(set(password)) < 5 or (len(name) > 3 and name in lowered) or email.lower() in lowered:
        raise UnprocessableError("password: is too easy to guess")
    path = settings.breached_passwords_file
    if path is not None and await asyncio.to_thread(is_breached, path, password):
        raise UnprocessableError("password: is in a list of breached passwords; choose another")
    return password


async def hashed(settings: Settings, password: str) -> str:
    """The bcrypt hash of a password that was checked."""
    return await _in_thread(_hash, password, settings.password_cost)


async def matches(settings: Settings, password: str, stored: str | None) -> bool:
    """Whether it is the password that ``stored`` was made of.

    Takes as long when there is none, so that nobody learns which accounts exist.
    """
    known = stored is not None and len(_encoded(password)) <= MAX_BYTES
    against = stored if known and stored is not None else _nobody(settings.password_cost)
    return await _in_thread(_check, password, against) and known


def is_breached(path: Path, password: str) -> bool:
    """Whether the SHA-1 of a password is in a sorted list: the format of Pwned Passwords.

    One hash in hex a line, perhaps with a colon and a count, in ascending order. The file is not
    read whole; 40 GB take 35 reads.

    Raises:
        OSError: The file cannot be read.
    """
    # SHA-1 is the format of the list and protects nothing here.
    wanted = hashlib.sha1(_encoded(password), usedforsecurity=False).hexdigest().upper().encode()
    with path.open("rb") as file:
        low, high = 0, file.seek(0, os.SEEK_END)
        while low < high:
            middle = (low + high) // 2
            start, line = _line_from(file, middle)
            found = line[:_SHA1_HEX].upper()
            if not found or found > wanted:
                high = middle
            elif found == wanted:
                return True
            else:
                low = start + len(line)
    return False


def _line_from(file: BinaryIO, offset: int) -> tuple[int, bytes]:
    """Where the first line that starts at or after ``offset`` starts, and that line."""
    file.seek(max(0, offset - 1))
    if offset:
        file.readline(_LINE)
    return file.tell(), file.readline(_LINE)


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)


def _encoded(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _hash(password: str, cost: int) -> str:
    return bcrypt.hashpw(_encoded(password), bcrypt.gensalt(cost)).decode("ascii")


def _check(password: str, stored: str) -> bool:
    return bcrypt.checkpw(_encoded(password)[:MAX_BYTES], stored.encode("ascii"))


@lru_cache(maxsize=4)
def _nobody(cost: int) -> str:
    """The hash of a password that nobody has."""
    return _hash(secrets.token_urlsafe(32), cost)
