"""Read alerts, take them on and end them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from rune_server import audit
from rune_server.actor import Permission
from rune_server.alerts.model import Alert
from rune_server.errors import ConflictError, NotFoundError
from rune_server.paging import Page, bounded, id_of, page_of
from rune_server.state import versioned
from rune_server.state.tables.alerts import AlertRow, AlertRuleRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.sql.elements import ColumnElement

    from rune_server.actor import Actor
    from rune_server.alerts.model import AlertState
    from rune_server.platform import Platform


def topic(organisation_id: UUID) -> str:
    """The bus topic that says an organisation's alerts changed."""
    return f"alerts.{organisation_id}"


async def alerts(
    platform: Platform,
    actor: Actor,
    *,
    states: Sequence[AlertState] = (),
    severities: Sequence[str] = (),
    rule_id: UUID | None = None,
    group: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Alert]:
    """The organisation's alerts, those that began last first.

    Args:
        platform: The platform.
        actor: Who asks.
        states: Only those in one of these states; empty for all.
        severities: Only those of one of these; empty for all.
        rule_id: Only those of this rule.
        group: Only those about this group, such as an agent.
        cursor: From an earlier page.
        limit: At most so many.
    """
    actor.require(Permission.ALERTS_READ)
    limit = bounded(limit)
    query = (
        select(AlertRow, AlertRuleRow.name)
        .join(AlertRuleRow, AlertRuleRow.id == AlertRow.rule_id)
        .where(AlertRow.organisation_id == actor.organisation_id)
    )
    if states:
        any_of = [_in_state(state) for state in dict.fromkeys(states)]
        condition = any_of[0]
        for other in any_of[1:]:
            condition = condition | other
        query = query.where(condition)
    if severities:
        query = query.where(AlertRow.severity.in_(tuple(severities)))
    if rule_id is not None:
        query = query.where(AlertRow.rule_id == rule_id)
    if group is not None:
        query = query.where(AlertRow.group_key == group)
    if cursor is not None:
        query = query.where(AlertRow.id < id_of(cursor))
    async with platform.state.read() as session:
        rows = (await session.execute(query.order_by(AlertRow.id.desc()).limit(limit + 1))).all()
    found = [alert_of(row, name) for row, name in rows]
    return page_of(found, limit, lambda alert: (str(alert.id),))


async def alert(platform: Platform, actor: Actor, alert_id: UUID) -> Alert:
    """One alert.

    Raises:
        NotFoundError: There is none of this id.
    """
    actor.require(Permission.ALERTS_READ)
    async with platform.state.read() as session:
        return alert_of(*await _alert_row(session, actor.organisation_id, alert_id))


async def counts(platform: Platform, actor: Actor) -> dict[AlertState, int]:
    """How many alerts are open and how many acknowledged."""
    actor.require(Permission.ALERTS_READ)
    async with platform.state.read() as session:
        row = (
            await session.execute(
                select(func.count(), func.count(AlertRow.acknowledged_at)).where(
                    AlertRow.organisation_id == actor.organisation_id,
                    AlertRow.resolved_at.is_(None),
                )
            )
        ).one()
    return {"open": row[0] - row[1], "acknowledged": row[1]}


async def acknowledge(
    platform: Platform, actor: Actor, alert_id: UUID, *, version: int | None = None
) -> Alert:
    """Take an alert on: it is not told again until it is resolved.

    Raises:
        ConflictError: It is resolved.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.ALERTS_WRITE)
    async with platform.state.begin() as session:
        row, name = await _editable(session, actor, alert_id, version)
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by = platform.clock.now(), actor.id
            row.version += 1
            await _record(session, actor, "acknowledged", row, name)
        found = alert_of(row, name)
    await platform.bus.publish(topic(actor.organisation_id), str(alert_id).encode())
    return found


async def resolve(
    platform: Platform, actor: Actor, alert_id: UUID, *, version: int | None = None
) -> Alert:
    """End an alert. When its condition still holds at the next evaluation a new one begins.

    Raises:
        ConflictError: It is resolved already.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.ALERTS_WRITE)
    async with platform.state.begin() as session:
        row, name = await _editable(session, actor, alert_id, version)
        row.resolved_at, row.resolved_by = platform.clock.now(), actor.id
        row.version += 1
        await _record(session, actor, "resolved", row, name)
        found = alert_of(row, name)
    await platform.bus.publish(topic(actor.organisation_id), str(alert_id).encode())
    return found


def alert_of(row: AlertRow, rule: str) -> Alert:
    """The row as its callers see it."""
    return Alert(
        id=row.id,
        rule_id=row.rule_id,
        rule=rule,
        group=row.group_key,
        severity=row.severity,  # type: ignore[arg-type]
        title=row.title,
        value=row.value,
        threshold=row.threshold,
        details=row.details,
        state=_state(row),
        times=row.times,
        version=row.version,
        began_at=row.began_at,
        last_at=row.last_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
    )


def _state(row: AlertRow) -> AlertState:
    if row.resolved_at is not None:
        return "resolved"
    return "open" if row.acknowledged_at is None else "acknowledged"


def _in_state(state: AlertState) -> ColumnElement[bool]:
    if state == "resolved":
        return AlertRow.resolved_at.is_not(None)
    taken = AlertRow.acknowledged_at
    unresolved = AlertRow.resolved_at.is_(None)
    return unresolved & (taken.is_(None) if state == "open" else taken.is_not(None))


async def _alert_row(
    session: AsyncSession, organisation_id: UUID, alert_id: UUID, *, lock: bool = False
) -> tuple[AlertRow, str]:
    query = (
        select(AlertRow, AlertRuleRow.name)
        .join(AlertRuleRow, AlertRuleRow.id == AlertRow.rule_id)
        .where(AlertRow.organisation_id == organisation_id, AlertRow.id == alert_id)
    )
    found = (
        await session.execute(query.with_for_update(of=AlertRow) if lock else query)
    ).one_or_none()
    if found is None:
        raise NotFoundError("there is no alert of this id")
    return found[0], found[1]


async def _editable(
    session: AsyncSession, actor: Actor, alert_id: UUID, version: int | None
) -> tuple[AlertRow, str]:
    row, name = await _alert_row(session, actor.organisation_id, alert_id, lock=True)
    versioned.check(row.version, version, "alert")
    if row.resolved_at is not None:
        raise ConflictError("the alert is resolved", code="resolved")
    return row, name


async def _record(session: AsyncSession, actor: Actor, what: str, row: AlertRow, rule: str) -> None:
    await audit.record(
        session,
        actor,
        action=f"alert.{what}",
        target=f"alert:{row.id}",
        details={"rule": rule, "group": row.group_key},
    )
