"""Make, read, change and mute alert rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from rune_server import audit
from rune_server.actor import Permission
from rune_server.alerts import spec as specs
from rune_server.alerts.model import AlertRule, RuleSpec
from rune_server.errors import (
    ConflictError,
    UnprocessableError,
)
from rune_server.paging import Page, bounded, id_of, page_of
from rune_server.state import versioned
from rune_server.state.tables.alerts import AlertChannelRow, AlertRuleRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.platform import Platform

MAX_RULES = 200


async def rules(
    platform: Platform, actor: Actor, *, cursor: str | None = None, limit: int = 50
) -> Page[AlertRule]:
    """The organisation's rules, in the order they were made."""
    actor.require(Permission.ALERTS_READ)
    limit = bounded(limit)
    query = select(AlertRuleRow).where(AlertRuleRow.organisation_id == actor.organisation_id)
    if cursor is not None:
        query = query.where(AlertRuleRow.id > id_of(cursor))
    async with platform.state.read() as session:
        rows = (await session.scalars(query.order_by(AlertRuleRow.id).limit(limit + 1))).all()
    return page_of([rule_of(row) for row in rows], limit, lambda rule: (str(rule.id),))


async def rule(platform: Platform, actor: Actor, rule_id: UUID) -> AlertRule:
    """One rule.

    Raises:
        NotFoundError: There is none of this id.
    """
    actor.require(Permission.ALERTS_READ)
    async with platform.state.read() as session:
        return rule_of(await versioned.found(session, AlertRuleRow, actor.organisation_id, rule_id))


async def create_rule(platform: Platform, actor: Actor, spec: RuleSpec) -> AlertRule:
    """Make a rule; it is evaluated from now on.

    Raises:
        UnprocessableError: It cannot be evaluated, or names a channel that is not there.
        ConflictError: There is one of this name, or there are too many.
    """
    actor.require(Permission.ALERTS_WRITE)
    specs.check(spec)
    now = platform.clock.now()
    try:
        async with platform.state.begin() as session:
            await _check_channels(session, actor, spec)
            count = await session.scalar(
                select(func.count())
                .select_from(AlertRuleRow)
                .where(AlertRuleRow.organisation_id == actor.organisation_id)
            )
            if (count or 0) >= MAX_RULES:
                raise ConflictError(
                    f"an organisation has at most {MAX_RULES} alert rules", code="too_many"
                )
            row = AlertRuleRow(
                organisation_id=actor.organisation_id,
                version=1,
                created_at=now,
                updated_at=now,
                updated_by=actor.id,
                fault="",
            )
            _put(row, spec)
            session.add(row)
            await session.flush()
            await _record(session, actor, "created", row)
            return rule_of(row)
    except IntegrityError:
        raise _taken(spec) from None


async def edit_rule(
    platform: Platform, actor: Actor, rule_id: UUID, spec: RuleSpec, *, version: int | None = None
) -> AlertRule:
    """Give a rule another content. Its open alerts stay.

    Raises:
        UnprocessableError: It cannot be evaluated.
        PreconditionFailedError: It changed since.
        ConflictError: Another rule has this name.
    """
    actor.require(Permission.ALERTS_WRITE)
    specs.check(spec)
    try:
        async with platform.state.begin() as session:
            row = await versioned.editable(
                session, AlertRuleRow, actor.organisation_id, rule_id, version
            )
            await _check_channels(session, actor, spec)
            _put(row, spec)
            row.evaluated_at, row.fault = None, ""
            _touch(platform, actor, row)
            await session.flush()
            await _record(session, actor, "edited", row)
            return rule_of(row)
    except IntegrityError:
        raise _taken(spec) from None


async def delete_rule(
    platform: Platform, actor: Actor, rule_id: UUID, *, version: int | None = None
) -> None:
    """Remove a rule, its alerts and their deliveries.

    Raises:
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.ALERTS_WRITE)
    async with platform.state.begin() as session:
        row = await versioned.editable(
            session, AlertRuleRow, actor.organisation_id, rule_id, version
        )
        await _record(session, actor, "deleted", row)
        await session.delete(row)


async def mute_rule(
    platform: Platform,
    actor: Actor,
    rule_id: UUID,
    until: datetime | None,
    *,
    version: int | None = None,
) -> AlertRule:
    """Tell nobody of a rule's alerts until a time; None ends that.

    Raises:
        UnprocessableError: The time is past.
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.ALERTS_WRITE)
    if until is not None and (until.tzinfo is None or until <= platform.clock.now()):
        raise UnprocessableError("until: must be a time to come, with its time zone")
    async with platform.state.begin() as session:
        row = await versioned.editable(
            session, AlertRuleRow, actor.organisation_id, rule_id, version
        )
        row.muted_until = until
        _touch(platform, actor, row)
        await _record(session, actor, "unmuted" if until is None else "muted", row)
        return rule_of(row)


def rule_of(row: AlertRuleRow) -> AlertRule:
    """The row as its callers see it."""
    return AlertRule(
        id=row.id,
        spec=specs.restored(row.name, row.kind, row.spec, row.channels, row.enabled),
        version=row.version,
        muted_until=row.muted_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        evaluated_at=row.evaluated_at,
        fault=row.fault,
    )


def _put(row: AlertRuleRow, spec: RuleSpec) -> None:
    row.name, row.kind, row.enabled = spec.name, spec.kind, spec.enabled
    row.spec = specs.stored(spec)
    row.channels = [str(channel) for channel in dict.fromkeys(spec.channels)]


def _touch(platform: Platform, actor: Actor, row: AlertRuleRow) -> None:
    row.version += 1
    row.updated_at, row.updated_by = platform.clock.now(), actor.id


async def _check_channels(session: AsyncSession, actor: Actor, spec: RuleSpec) -> None:
    wanted = set(spec.channels)
    if not wanted:
        return
    known = await session.scalars(
        select(AlertChannelRow.id).where(
            AlertChannelRow.organisation_id == actor.organisation_id,
            AlertChannelRow.id.in_(wanted),
        )
    )
    missing = sorted(wanted - set(known.all()))
    if missing:
        raise UnprocessableError(
            "the alert rule cannot be used",
            errors=[
                {"where": "channels", "reason": f"there is no channel {channel}"}
                for channel in missing
            ],
        )


async def _record(session: AsyncSession, actor: Actor, what: str, row: AlertRuleRow) -> None:
    await audit.record(
        session,
        actor,
        action=f"alert_rule.{what}",
        target=f"alert_rule:{row.id}",
        details={"name": row.name, "kind": row.kind},
    )


def _taken(spec: RuleSpec) -> ConflictError:
    return ConflictError(f"there is an alert rule named {spec.name!r} already", code="name_taken")
