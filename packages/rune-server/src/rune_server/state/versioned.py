"""Rows of one organisation that say which version they are: read, or locked to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select

from rune_server.errors import NotFoundError, PreconditionFailedError
from rune_server.state.tables.alerts import AlertChannelRow, AlertRuleRow
from rune_server.state.tables.policies import PolicyRow

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T", AlertChannelRow, AlertRuleRow, PolicyRow)
_CALLED: dict[type, str] = {
    AlertChannelRow: "channel",
    AlertRuleRow: "alert rule",
    PolicyRow: "policy",
}
"""What people call a row of each table."""


async def found(
    session: AsyncSession,
    table: type[T],
    organisation_id: UUID,
    row_id: UUID,
    *,
    lock: bool = False,
) -> T:
    """One row.

    Raises:
        NotFoundError: The organisation has none of this id.
    """
    query = select(table).where(table.organisation_id == organisation_id, table.id == row_id)
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFoundError(f"there is no {_CALLED[table]} of this id")
    return row


async def editable(
    session: AsyncSession, table: type[T], organisation_id: UUID, row_id: UUID, version: int | None
) -> T:
    """One row, locked, to be changed.

    Args:
        session: A transaction that may write.
        table: The row's table.
        organisation_id: Whose it is.
        row_id: Its id.
        version: The version that the change is based on; None for whichever.

    Raises:
        NotFoundError: The organisation has none of this id.
        PreconditionFailedError: It changed since.
    """
    row = await found(session, table, organisation_id, row_id, lock=True)
    check(row.version, version, _CALLED[table])
    return row


def check(current: int, based_on: int | None, called: str) -> None:
    """Go on only with a change that is based on the current version, or on whichever.

    Raises:
        PreconditionFailedError: It is based on another.
    """
    if based_on is not None and current != based_on:
        raise PreconditionFailedError(
            f"the {called} is at version {current} and the change is based on {based_on}: "
            "read it again"
        )
