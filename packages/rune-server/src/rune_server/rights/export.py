"""Streams a copy of everything that is kept about an organisation or an agent, as JSON lines.

Nothing is written to disk: what is asked for is read and sent. Secrets are left out: password and
key hashes, sealed values, one-time tokens. They prove who somebody is and say nothing about them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import LargeBinary, Table, select

from rune_server import audit
from rune_server.actor import Permission
from rune_server.analytics import EventFilter
from rune_server.state.base import Base
from rune_server.state.tables import import_all
from rune_server.state.tables.organisations import Membership, Organisation
from rune_server.state.tables.users import User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.platform import Platform

LEFT_OUT = {
    "audit_heads": "where the audit log's chain ends: nothing that the log does not say",
    "erasures": "shown by themselves; names nobody once done",
}
"""Tables with rows of an organisation that are no part of its copy, and why."""
SECRET = ("sha256", "bcrypt", "mac", "previous")
"""How names of columns end that are never part of a copy, besides everything that is sealed."""
_PAGE = 1_000
_ROWS = 500
_encoder = msgspec.json.Encoder(enc_hook=str)


def tables() -> list[Table]:
    """The tables that hold rows of an organisation and are part of its copy."""
    import_all()
    return [
        table
        for table in Base.metadata.sorted_tables
        if "organisation_id" in table.columns and table.name not in LEFT_OUT
    ]


async def export(
    platform: Platform, actor: Actor, *, agent_id: str | None = None
) -> AsyncIterator[bytes]:
    """The copy, a line of JSON at a time: ``{"table": "…", …columns…}``.

    The first line says what it is, the last one ``{"table": "end", "rows": n}``: without it the
    copy was cut off.

    Args:
        platform: The platform.
        actor: Needs ``data:export``.
        agent_id: Only what is about this agent; None for the whole organisation.

    Returns:
        Lines. That the export was made stands in the audit log before the first one.
    """
    actor.require(Permission.DATA_EXPORT)
    async with platform.state.begin() as session:
        await audit.record(
            session,
            actor,
            action="data.exported",
            target=f"organisation:{actor.organisation_id}",
            details={"what": "organisation" if agent_id is None else "agent"},
        )
    return _lines(platform, actor.organisation_id, agent_id)


async def _lines(
    platform: Platform, organisation_id: UUID, agent_id: str | None
) -> AsyncIterator[bytes]:
    rows = 0
    yield _line(
        "export",
        {"organisation_id": organisation_id, "made_at": platform.clock.now(), "format": 1},
    )
    async with platform.state.read() as session:
        async for name, row in _state(session, organisation_id, agent_id):
            rows += 1
            yield _line(name, row)
    wanted = EventFilter() if agent_id is None else EventFilter(agents=(agent_id,))
    cursor: str | None = None
    while True:
        page = await platform.analytics.events(organisation_id, wanted, cursor=cursor, limit=_PAGE)
        for event in page.items:
            rows += 1
            yield _line("events", msgspec.to_builtins(event, enc_hook=str))
        cursor = page.cursor
        if cursor is None:
            break
    yield _line("end", {"rows": rows})


async def _state(
    session: AsyncSession, organisation_id: UUID, agent_id: str | None
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for name, query, columns in _queries(organisation_id, agent_id):
        found = await session.stream(query)
        async for part in found.partitions(_ROWS):
            for row in part:
                yield name, dict(zip(columns, row, strict=True))


def _queries(
    organisation_id: UUID, agent_id: str | None
) -> Iterable[tuple[str, Select[Any], list[str]]]:
    if agent_id is None:
        own = _shown(Organisation.__table__.columns)
        yield (
            "organisations",
            select(*own).where(Organisation.id == organisation_id),
            [column.name for column in own],
        )
        people = _shown(User.__table__.columns)
        yield (
            "users",
            select(*people)
            .join(Membership, Membership.user_id == User.id)
            .where(Membership.organisation_id == organisation_id),
            [column.name for column in people],
        )
    for table in tables():
        columns = _shown(table.columns)
        query = select(*columns).where(table.c.organisation_id == organisation_id)
        if agent_id is not None:
            if "agent_id" not in table.columns:
                continue
            query = query.where(table.c.agent_id == agent_id)
        yield table.name, query, [column.name for column in columns]


def _shown(columns: Iterable[ColumnElement[Any]]) -> list[Any]:
    return [
        column
        for column in columns
        if not isinstance(column.type, LargeBinary) and not column.name.endswith(SECRET)
    ]


def _line(table: str, row: dict[str, Any]) -> bytes:
    plain = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    return _encoder.encode({"table": table, **plain}) + b"\n"
