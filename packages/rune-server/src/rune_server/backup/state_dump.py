"""The state database as a sealed file of rows, the same for SQLite and PostgreSQL.

So a back-up of one opens on the other, which is also how an installation moves from the embedded
database to a server. The rows are read in one snapshot.

::

    file   = segment header, then records: length (4 bytes, big-endian), sealed record
    record = MessagePack [table, [row, …]], compressed; the last one is ["", {table: rows}]
"""

from __future__ import annotations

import asyncio
import itertools
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import zstandard
from sqlalchemy import LargeBinary, Table, Uuid, func, insert, select, text

from rune_server.errors import ConfigurationError
from rune_server.state.base import Base, UtcDateTime
from rune_server.state.tables import import_all
from rune_server.storage.vault import RECORD_OVERHEAD_BYTES, SEGMENT_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from sqlalchemy import Column, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from rune_server.state import State
    from rune_server.storage import Vault

PURPOSE = "backup"
_ROWS = 500
_LENGTH = 4
_MAX_RECORD = 256 * 1024 * 1024


def tables() -> list[Table]:
    """Every table, those that others refer to first."""
    import_all()
    return list(Base.metadata.sorted_tables)


async def dump(state: State, vault: Vault, path: Path) -> dict[str, int]:
    """Write every row to ``path``.

    Returns:
        Rows of each table.
    """
    file = await asyncio.to_thread(_Writer, path, vault)
    counts: dict[str, int] = {}
    try:
        async with state.engine.connect() as connection:
            await _one_snapshot(connection)
            for table in tables():
                counts[str(table.name)] = 0
                found = await connection.stream(select(table))
                async for rows in found.partitions(_ROWS):
                    await asyncio.to_thread(file.put, str(table.name), rows)
                    counts[str(table.name)] += len(rows)
        await asyncio.to_thread(file.end, counts)
    finally:
        await asyncio.to_thread(file.close)
    return counts


class _Writer:
    """Writes records. Compressing and sealing take time, so it is used on threads."""

    def __init__(self, path: Path, vault: Vault) -> None:
        self._segment = vault.new_segment(PURPOSE)
        self._numbers = itertools.count()
        self._squeeze = zstandard.ZstdCompressor(level=6)
        self._file = path.open("xb")
        path.chmod(0o600)
        self._file.write(self._segment.header)

    def put(self, table: str, rows: Sequence[Row[Any]]) -> None:
        self._write([table, [[_plain(value) for value in row] for row in rows]])

    def end(self, counts: dict[str, int]) -> None:
        self._write(["", counts])
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def _write(self, record: object) -> None:
        plain = self._squeeze.compress(msgspec.msgpack.encode(record))
        sealed = self._segment.seal(next(self._numbers), plain)
        self._file.write(len(sealed).to_bytes(_LENGTH, "big") + sealed)


async def load(state: State, vault: Vault, path: Path) -> dict[str, int]:
    """Put the rows of ``path`` into an empty, migrated database, in one transaction.

    Raises:
        ConfigurationError: The file is damaged or cut short, or the database is not empty.
    """
    known = {table.name: table for table in tables()}
    counts: dict[str, int] = {}
    complete: dict[str, int] | None = None
    async with state.engine.execution_options(rune_write=True).begin() as connection:
        await _require_empty(connection)
        for name, content in _records(path, vault):
            if name == "":
                complete = content
                break
            table = known.get(name)
            if table is None:
                raise ConfigurationError(
                    f"{path}: holds the table {name}, which this version does not have: "
                    "it was made by a newer one"
                )
            readers = [(column.name, _reader(column)) for column in table.columns]
            if any(len(row) != len(readers) for row in content):
                raise ConfigurationError(f"{path}: the table {name} has other columns here")
            rows = [
                {
                    column: None if value is None else read(value)
                    for (column, read), value in zip(readers, row, strict=True)
                }
                for row in content
            ]
            await connection.execute(insert(table), rows)
            counts[name] = counts.get(name, 0) + len(rows)
        if complete is None or {k: v for k, v in complete.items() if v} != counts:
            raise ConfigurationError(f"{path}: is cut short")
        await _move_sequences(connection)
    return counts


async def _one_snapshot(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execution_options(isolation_level="REPEATABLE READ")
    # SQLite: a transaction that has read once sees that moment until it ends.
    await connection.execute(text("SELECT 1"))


async def require_empty(state: State) -> None:
    """Go on only with a database that has no rows.

    Raises:
        ConfigurationError: It has some. Names the table.
    """
    async with state.engine.connect() as connection:
        await _require_empty(connection)


async def _require_empty(connection: AsyncConnection) -> None:
    for table in tables():
        found = await connection.scalar(select(func.count()).select_from(table))
        if found:
            raise ConfigurationError(
                f"the state database is not empty ({table.name} has {found} rows): "
                "restore into a new one"
            )


async def _move_sequences(connection: AsyncConnection) -> None:
    """PostgreSQL's counters know nothing of rows that brought their numbers along."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables():
        column = table.autoincrement_column
        if column is None or column.foreign_keys:
            continue
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        last = select(func.coalesce(func.max(column), 1)).scalar_subquery()
        await connection.execute(select(func.setval(sequence, last)).where(sequence.is_not(None)))


def _records(path: Path, vault: Vault) -> Iterator[tuple[str, Any]]:
    expand = zstandard.ZstdDecompressor()
    try:
        with path.open("rb") as file:
            segment = vault.open_segment(PURPOSE, file.read(SEGMENT_HEADER_BYTES))
            for number in itertools.count():
                sealed = _record(file)
                if sealed is None:
                    return
                plain = expand.decompress(segment.open(number, sealed), _MAX_RECORD)
                name, content = msgspec.msgpack.decode(plain)
                yield name, content
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: does not exist") from None


def _record(file: BinaryIO) -> bytes | None:
    length = int.from_bytes(file.read(_LENGTH), "big")
    sealed = file.read(length) if length <= _MAX_RECORD else b""
    return sealed if len(sealed) == length and length > RECORD_OVERHEAD_BYTES else None


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value


def _reader(column: Column[Any]) -> Callable[[Any], Any]:
    """From what ``_plain`` made back to what the column takes."""
    kind = column.type
    if isinstance(kind, Uuid):
        return lambda value: UUID(bytes=value)
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat
    if isinstance(kind, LargeBinary):
        return bytes
    return lambda value: value
