"""Reading the audit log, newest first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rune_server.actor import Actor, Permission
from rune_server.state.tables.audit import AuditEntry

if TYPE_CHECKING:
    from datetime import datetime

    from rune_server.platform import Platform

MAX_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done."""

    number: int
    at: datetime
    actor_kind: str
    actor_id: str
    action: str
    target: str
    details: dict[str, Any]


async def entries(
    platform: Platform,
    actor: Actor,
    *,
    before: int | None = None,
    limit: int = 100,
    action: str | None = None,
) -> list[Entry]:
    """The actor's organisation's entries, newest first.

    Args:
        platform: The platform.
        actor: Needs ``audit:read``.
        before: Only entries with a smaller number: the last one's of the page before.
        limit: At most this many, up to 500.
        action: Only those whose action starts like this, such as ``policy.``.
    """
    actor.require(Permission.AUDIT_READ)
    query = (
        select(AuditEntry)
        .where(AuditEntry.organisation_id == actor.organisation_id)
        .order_by(AuditEntry.number.desc())
        .limit(max(1, min(limit, MAX_LIMIT)))
    )
    if before is not None:
        query = query.where(AuditEntry.number < before)
    if action:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    async with platform.state.read() as session:
        return [
            Entry(
                row.number,
                row.at,
                row.actor_kind,
                row.actor_id,
                row.action,
                row.target,
                json.loads(row.details),
            )
            for row in await session.scalars(query)
        ]
