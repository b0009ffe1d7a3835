"""Write batches of lines so that every event is there exactly once.

Three things see to it. The batch's id is the token by which ClickHouse drops a batch that it has
already, in the table and in everything that views fill from it. Events that another batch brought
are left out, by asking for their ids first. And a batch is written by one thread at a time.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clickhouse_connect.driver.external import ExternalData

from rune_server.analytics.conditions import stamp
from rune_server.analytics.rows import KEY_OF_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written at once.

    Attributes:
        token: The batch's id.
        segment: What its lines carry as ``batch``. The same as ``token``, but for parts.
        lines: The lines, each with its line break (see ``rows.line``).
        ids: The ids of its events.
        organisations: Whose events these are.
        spans: When they happened.
    """

    token: UUID
    segment: UUID
    lines: bytes
    ids: Sequence[str]
    organisations: Sequence[UUID]
    spans: Sequence[tuple[datetime, datetime]]


def write_batch(client: Client, database: str, batch: Batch, *, embedded: bool) -> int:
    """Write a batch, on the writer's thread. How many of its events were there already."""
    known = stored_elsewhere(client, database, batch, embedded=embedded)
    lines = batch.lines if not known else b"".join(_without(batch.lines, known))
    if lines:
        insert_lines(client, database, batch.token, lines, embedded=embedded)
    return len(known)


def insert_lines(
    client: Client, database: str, batch: UUID, lines: bytes, *, embedded: bool
) -> None:
    """Insert lines under the batch's token."""
    settings = {"insert_deduplication_token": str(batch)}
    if not embedded:
        client.raw_insert(
            f"{database}.events", insert_block=lines, settings=settings, fmt="JSONEachRow"
        )
        return
    # From memory as if it were a file: as part of the statement it would be copied and searched
    # several times over, which costs more than parsing it.
    with _in_memory(lines) as path:
        client.command(
            f"INSERT INTO {database}.events FROM INFILE '{path}' "
            f"SETTINGS insert_deduplication_token = '{batch}' FORMAT JSONEachRow"
        )


def stored_elsewhere(
    client: Client, database: str, batch: Batch, *, embedded: bool
) -> set[tuple[bytes, bytes]]:
    """Organisation and id of each event that another batch brought, as they stand in lines."""
    spans = " OR ".join(
        f"timestamp BETWEEN '{stamp(since)}' AND '{stamp(until)}'" for since, until in batch.spans
    )
    sql = (
        f"SELECT toString(organisation_id), toString(event_id) FROM {database}.events "
        f"WHERE organisation_id IN {{organisations:Array(UUID)}} AND ({spans}) "
        "AND batch != {batch:UUID} AND event_id IN (SELECT id FROM %s)"
    )
    parameters = {"organisations": list(batch.organisations), "batch": batch.segment}
    ids = _binary(batch.ids)
    if embedded:
        with _in_memory(ids) as path:
            source = f"file('{path}', 'RowBinary', 'id UUID')"
            found = client.query(sql % source, parameters=parameters).result_rows
    else:
        external = ExternalData(file_name="ids", data=ids, fmt="RowBinary", structure=["id UUID"])
        found = client.query(sql % "ids", parameters=parameters, external_data=external).result_rows
    return {(row[0].encode(), row[1].encode()) for row in found}


def _without(lines: bytes, known: set[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for line in lines.splitlines(keepends=True):
        key = KEY_OF_LINE.match(line)
        if key is None or key.groups() not in known:
            yield line


def _binary(ids: Sequence[str]) -> bytes:
    """UUIDs as ClickHouse keeps them: two little-endian halves."""
    halves = array("Q", bytes.fromhex("".join(ids).replace("-", "")))
    halves.byteswap()
    return halves.tobytes()


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path under which this process can read ``data``. It does not touch the disk on Linux."""
    if hasattr(os, "memfd_create"):
        opened = os.memfd_create("rune")
        try:
            _write_all(opened, data)
            yield f"/proc/self/fd/{opened}"
        finally:
            os.close(opened)
        return
    opened, name = tempfile.mkstemp(prefix="rune-")
    try:
        _write_all(opened, data)
        yield name
    finally:
        os.close(opened)
        Path(name).unlink()


def _write_all(opened: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(opened, view) :]
