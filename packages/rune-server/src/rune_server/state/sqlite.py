"""SQLite as the state database: SQLCipher through aiosqlite's thread.

SQLCipher is SQLite with every page encrypted (AES-256-CBC, HMAC-SHA-512 per page). Where it has no
wheels, plain SQLite is used, and start-up names the state database as not encrypted.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi

from rune_server.errors import ConfigurationError

try:
    from sqlcipher3 import dbapi2 as driver

    ENCRYPTS = True
except ImportError:  # no wheels for this platform
    import sqlite3 as driver

    ENCRYPTS = False

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

BUSY_MILLISECONDS = 10_000


class _Dbapi(AsyncAdapt_aiosqlite_dbapi):
    """SQLAlchemy's adapter, with the errors of the driver in use instead of ``sqlite3``'s.

    Without it an IntegrityError of SQLCipher would not be recognised as one.
    """

    def _init_dbapi_attributes(self) -> None:
        super()._init_dbapi_attributes()
        for name in (
            "DatabaseError",
            "Error",
            "IntegrityError",
            "NotSupportedError",
            "OperationalError",
            "ProgrammingError",
            "sqlite_version",
            "sqlite_version_info",
        ):
            setattr(self, name, getattr(driver, name))


def dbapi() -> Any:
    """The DBAPI for ``create_async_engine(module=…)``."""
    return _Dbapi(aiosqlite, driver)


def creator(path: Path, keys: Sequence[bytes]) -> Callable[..., Awaitable[aiosqlite.Connection]]:
    """For ``create_async_engine(async_creator=…)``: opens connections to ``path``."""

    async def connect(*_args: object, **_options: object) -> aiosqlite.Connection:
        found = aiosqlite.Connection(lambda: open_connection(path, keys), iter_chunk_size=64)
        # A process that ends without closing must not wait for this thread.
        found._thread.daemon = True
        try:
            return await found
        except Exception:
            # The thread still reports its end to the loop, which may be about to close.
            await asyncio.to_thread(found._thread.join)
            raise

    return connect


def open_connection(path: Path, keys: Sequence[bytes]) -> Any:
    """A connection to ``path``, made with ``keys[0]`` when it does not exist.

    A file that is still under one of the other keys is encrypted again under the first.

    Raises:
        ConfigurationError: None of the keys opens it.
    """
    if not path.exists():
        # Made here, so that nobody else can read it for a moment.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    for number, key in enumerate(keys if ENCRYPTS else keys[:1]):
        connection: Any = driver.connect(
            str(path),
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_MILLISECONDS / 1000,
        )
        try:
            if ENCRYPTS:
                connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if number:
                # Only possible outside WAL.
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute(f"PRAGMA rekey = \"x'{keys[0].hex()}'\"")
            _prepare(connection)
        except driver.DatabaseError as error:
            connection.close()
            if "not a database" in str(error):
                continue
            raise
        return connection
    raise ConfigurationError(
        f"{path}: none of the master keys given opens it; give the key it was made under, or "
        "add that to RUNE_MASTER_KEYS_PREVIOUS after a rotation"
    )


def _prepare(connection: Any) -> None:
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"busy_timeout = {BUSY_MILLISECONDS}",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
