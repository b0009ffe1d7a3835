"""Connections and transactions, on SQLite (encrypted by SQLCipher) or PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from rune_server.errors import ConfigurationError, UnavailableError
from rune_server.state import sqlite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.engine import URL, Connection

    from rune_server.clock import Clock
    from rune_server.settings import Settings
    from rune_server.storage import Vault

STATE_FILE = "state.db"
RETRY_AFTER_SECONDS = 5
_POSTGRES_SECONDS = 15


class State:
    """The state database.

    Attributes:
        engine: For migrations and back-ups; everything else uses ``begin`` and ``read``.
        dialect: ``sqlite`` or ``postgresql``.
        path: SQLite's file; None on PostgreSQL.
        encrypted: Whether we encrypt it at rest. PostgreSQL's disks are its operator's.
    """

    def __init__(
        self, engine: AsyncEngine, vault: Vault, clock: Clock, *, path: Path | None, encrypted: bool
    ) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self.path = path
        self.encrypted = encrypted
        self._vault = vault
        self._clock = clock
        writing = engine.execution_options(rune_write=True)
        self._write = async_sessionmaker(writing, expire_on_commit=False)
        self._read = async_sessionmaker(engine, expire_on_commit=False)
        # SQLite has one writer. Waiting here is fair and costs nothing; waiting inside SQLite
        # polls.
        self._writer: asyncio.Lock | None = asyncio.Lock() if self.dialect == "sqlite" else None
        self._writing: asyncio.Task[object] | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A transaction that may write; committed at the end, rolled back on an exception.

        On SQLite it is ``BEGIN IMMEDIATE``, so that what was read in it still holds when it writes.

        Raises:
            UnavailableError: The database cannot be reached.
        """
        if self._writer is None:
            async with self._transaction(self._write) as session:
                yield session
            return
        task = asyncio.current_task()
        if self._writing is task:
            raise RuntimeError("a transaction that writes, inside another of the same task")
        async with self._writer:
            self._writing = task
            try:
                async with self._transaction(self._write) as session:
                    yield session
            finally:
                self._writing = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads; nothing in it is kept.

        Raises:
            UnavailableError: The database cannot be reached.
        """
        async with self._transaction(self._read, commit=False) as session:
            yield session

    @asynccontextmanager
    async def _transaction(
        self, sessions: async_sessionmaker[AsyncSession], *, commit: bool = True
    ) -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            session.info.update(vault=self._vault, clock=self._clock)
            try:
                # Connected at once: whatever comes up later is not a database that is down.
                await session.connection()
            except (DBAPIError, OSError, PoolTimeout) as error:
                raise _unavailable() from error
            try:
                yield session
                if commit:
                    await session.commit()
            except (OperationalError, InterfaceError) as error:
                raise _unavailable() from error
            except DBAPIError as error:
                if error.connection_invalidated or _is_connection_fault(error):
                    raise _unavailable() from error
                raise

    async def ping(self) -> None:
        """Whether the database answers.

        Raises:
            UnavailableError: It does not.
        """
        async with self.read() as session:
            await session.execute(text("SELECT 1"))

    async def run_sync(self, function: Any) -> Any:
        """Run ``function(connection)`` on a synchronous connection, in one transaction."""
        async with self.engine.begin() as connection:
            return await connection.run_sync(function)

    async def close(self) -> None:
        """Give back every connection."""
        await self.engine.dispose()


def open_state(settings: Settings, vault: Vault, clock: Clock) -> State:
    """The state database that the settings name. Nothing is connected yet; see ``migrations``.

    Raises:
        ConfigurationError: ``state_dsn`` cannot be used.
    """
    url = _url(settings)
    if url.get_backend_name() == "postgresql":
        engine = create_async_engine(
            url,
            pool_size=10,
            max_overflow=20,
            pool_timeout=_POSTGRES_SECONDS,
            pool_pre_ping=True,
            connect_args={"timeout": _POSTGRES_SECONDS, "command_timeout": 60},
        )
        return State(engine, vault, clock, path=None, encrypted=False)
    path = settings.data_dir / STATE_FILE if not url.database else _path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = [key for _, key in vault.keys("state database")]
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        module=sqlite.dbapi(),
        async_creator=sqlite.creator(path, keys),
        pool_size=6,
        max_overflow=0,
        pool_timeout=_POSTGRES_SECONDS,
    )
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return State(engine, vault, clock, path=path, encrypted=sqlite.ENCRYPTS)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("rune_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _url(settings: Settings) -> URL:
    try:
        url = make_url(settings.state_dsn or "sqlite://")
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "state_dsn: must be such as postgresql://user:password@host/database"
        ) from None
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+asyncpg")
    return url.set(drivername="sqlite+aiosqlite")


def _path(database: str) -> Path:
    from pathlib import Path

    return Path(database).expanduser().absolute()


def _is_connection_fault(error: DBAPIError) -> bool:
    """What asyncpg raises when a server goes away, wrapped by SQLAlchemy as a plain DBAPIError."""
    import asyncpg

    cause: BaseException | None = error.orig
    while cause is not None:
        if isinstance(
            cause,
            asyncpg.PostgresConnectionError
            | asyncpg.CannotConnectNowError
            | asyncpg.AdminShutdownError
            | asyncpg.CrashShutdownError
            | asyncpg.TooManyConnectionsError
            | asyncpg.InterfaceError
            | ConnectionError,
        ):
            return True
        cause = cause.__cause__
    return False


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "the state database does not answer", code="state_down", retry_after=RETRY_AFTER_SECONDS
    )
