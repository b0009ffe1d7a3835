"""Notices on their way: put down with the alert in one transaction, sent by a job, tried again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import delete, select, update

from rune_server import audit
from rune_server.actor import Permission
from rune_server.alerts import notice as notices
from rune_server.alerts.channels import target_of
from rune_server.alerts.destination import Sent, post
from rune_server.alerts.model import Delivery
from rune_server.errors import NotFoundError, UnavailableError
from rune_server.failure import described
from rune_server.mailer import Mail
from rune_server.paging import Page, bounded, id_of, page_of
from rune_server.state import versioned
from rune_server.state.tables.alerts import AlertChannelRow, AlertDeliveryRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.alerts.channels import Target
    from rune_server.alerts.model import Alert, DeliveryKind
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.alerts")
PAUSES: Final = (5, 30, 120, 600, 3600, 14_400, 43_200)
"""Seconds before each further attempt; after the last, the delivery has failed."""
LOG_DAYS: Final = 30
_LEASE: Final = timedelta(seconds=60)
"""A delivery being sent is left alone for so long; then its sender must have died."""
_AT_ONCE: Final = 16


async def deliveries(
    platform: Platform,
    actor: Actor,
    *,
    channel_id: UUID | None = None,
    alert_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Delivery]:
    """The organisation's deliveries of the last 30 days, the newest first."""
    actor.require(Permission.ALERTS_READ)
    limit = bounded(limit)
    query = (
        select(AlertDeliveryRow, AlertChannelRow.name)
        .join(AlertChannelRow, AlertChannelRow.id == AlertDeliveryRow.channel_id)
        .where(AlertDeliveryRow.organisation_id == actor.organisation_id)
    )
    if channel_id is not None:
        query = query.where(AlertDeliveryRow.channel_id == channel_id)
    if alert_id is not None:
        query = query.where(AlertDeliveryRow.alert_id == alert_id)
    if cursor is not None:
        query = query.where(AlertDeliveryRow.id < id_of(cursor))
    query = query.order_by(AlertDeliveryRow.id.desc()).limit(limit + 1)
    async with platform.state.read() as session:
        rows = (await session.execute(query)).all()
    found = [_delivery_of(row, name) for row, name in rows]
    return page_of(found, limit, lambda delivery: (str(delivery.id),))


async def test_channel(platform: Platform, actor: Actor, channel_id: UUID) -> Delivery:
    """Send a test notice now, once, and say what came of it.

    Raises:
        NotFoundError: There is no channel of this id.
    """
    actor.require(Permission.ALERTS_WRITE)
    now = platform.clock.now()
    async with platform.state.begin() as session:
        channel = await versioned.found(session, AlertChannelRow, actor.organisation_id, channel_id)
        notice = notices.of_test(channel.name, now, platform.settings.url)
        row = _row(channel.organisation_id, channel.id, None, "test", notice, now)
        row.due_at = now + _LEASE  # not for the job: it is sent here
        session.add(row)
        await session.flush()
        await audit.record(
            session,
            actor,
            action="alert_channel.tested",
            target=f"alert_channel:{channel.id}",
            details={"name": channel.name},
        )
        name, delivery_id = channel.name, row.id
        target = target_of(platform, channel)
        kind = channel.kind
    sent = await _send(platform, kind, target, notice, delivery_id)
    async with platform.state.begin() as session:
        row_again = await session.get(AlertDeliveryRow, delivery_id)
        if row_again is None:
            raise NotFoundError("the channel was deleted meanwhile")
        _settle(row_again, sent, platform.clock.now(), retry=False)
        return _delivery_of(row_again, name)


def put_down(
    session: AsyncSession,
    alert: Alert,
    organisation_id: UUID,
    channels: Iterable[UUID],
    what: DeliveryKind,
    *,
    now: datetime,
    url: str,
) -> None:
    """Note down that an alert shall be told to channels; the job sends it after the commit."""
    notice = notices.of_alert(alert, what, url)
    for channel_id in channels:
        session.add(_row(organisation_id, channel_id, alert.id, what, notice, now))


async def send_due(platform: Platform) -> int:
    """Send what is due. How many were tried.

    Several processes may do so at once: each claims what it sends. One that dies in between
    leaves its claim to run out, and the notice is sent again under the same id.
    """
    now = platform.clock.now()
    async with platform.state.read() as session:
        due = (
            await session.scalars(
                select(AlertDeliveryRow.id)
                .where(AlertDeliveryRow.state == "pending", AlertDeliveryRow.due_at <= now)
                .order_by(AlertDeliveryRow.due_at)
                .limit(_AT_ONCE)
            )
        ).all()
    if not due:
        return 0
    results = await asyncio.gather(
        *(_send_one(platform, delivery_id) for delivery_id in due), return_exceptions=True
    )
    for result in results:
        if isinstance(result, Exception):
            _log.error("alerts.delivery_failed", error=described(result))
    return len(due)


async def forget_old(platform: Platform) -> None:
    """Drop finished deliveries that are older than the log reaches back."""
    before = platform.clock.now() - timedelta(days=LOG_DAYS)
    async with platform.state.begin() as session:
        await session.execute(
            delete(AlertDeliveryRow).where(
                AlertDeliveryRow.state != "pending", AlertDeliveryRow.created_at < before
            )
        )


async def _send_one(platform: Platform, delivery_id: UUID) -> None:
    now = platform.clock.now()
    async with platform.state.begin() as session:
        claimed = await session.execute(
            update(AlertDeliveryRow)
            .where(
                AlertDeliveryRow.id == delivery_id,
                AlertDeliveryRow.state == "pending",
                AlertDeliveryRow.due_at <= now,
            )
            .values(due_at=now + _LEASE, attempts=AlertDeliveryRow.attempts + 1)
            .returning(AlertDeliveryRow.channel_id, AlertDeliveryRow.notice)
        )
        found = claimed.one_or_none()
        if found is None:  # another process was faster
            return
        channel = await session.get(AlertChannelRow, found[0])
        if channel is None:
            return
        notice = found[1]
    if not channel.enabled:
        sent = Sent(ok=False, status=0, answer="the channel is switched off", final=True)
    else:
        try:
            target = target_of(platform, channel)
            sent = await _send(platform, channel.kind, target, notice, delivery_id)
        except Exception as error:  # noqa: BLE001 - it counts as an attempt, so that it ends
            _log.error("alerts.delivery_failed", error=described(error))
            sent = Sent(ok=False, status=0, answer=f"could not be sent: {type(error).__name__}")
    async with platform.state.begin() as session:
        row = await session.get(AlertDeliveryRow, delivery_id)
        if row is not None:
            _settle(row, sent, platform.clock.now(), retry=True)


async def _send(
    platform: Platform, kind: str, target: Target, notice: dict[str, Any], delivery_id: UUID
) -> Sent:
    if kind == "email":
        return await _mail(platform, target, notice)
    if kind == "slack":
        body, headers = notices.slack(notice)
    else:
        body, headers = notices.webhook(
            notice, delivery_id, platform.clock.now(), target.signing_secret
        )
    return await post(
        target.url, body, headers, allow_networks=platform.settings.webhook_allow_networks
    )


async def _mail(platform: Platform, target: Target, notice: dict[str, Any]) -> Sent:
    subject, text = notices.mail(notice)
    try:
        for address in target.addresses:
            await platform.mailer.send(Mail(address, subject, text))
    except UnavailableError as error:
        return Sent(False, 0, error.detail, final=not platform.mailer.configured)
    return Sent(ok=True, status=0, answer="taken by the mail server")


def _settle(row: AlertDeliveryRow, sent: Sent, now: datetime, *, retry: bool) -> None:
    row.answer = sent.answer[:300]
    if not retry:
        row.attempts += 1
    if sent.ok:
        row.state, row.finished_at = "sent", now
    elif not retry or sent.final or row.attempts > len(PAUSES):
        row.state, row.finished_at = "failed", now
    else:
        pause = PAUSES[row.attempts - 1]
        if sent.retry_after is not None:
            pause = max(pause, min(int(sent.retry_after), PAUSES[-1]))
        row.due_at = now + timedelta(seconds=pause)


def _row(
    organisation_id: UUID,
    channel_id: UUID,
    alert_id: UUID | None,
    what: DeliveryKind,
    notice: dict[str, Any],
    now: datetime,
) -> AlertDeliveryRow:
    return AlertDeliveryRow(
        organisation_id=organisation_id,
        channel_id=channel_id,
        alert_id=alert_id,
        what=what,
        notice=notice,
        state="pending",
        attempts=0,
        due_at=now,
        created_at=now,
        answer="",
    )


def _delivery_of(row: AlertDeliveryRow, channel: str) -> Delivery:
    return Delivery(
        id=row.id,
        channel_id=row.channel_id,
        channel=channel,
        alert_id=row.alert_id,
        what=row.what,  # type: ignore[arg-type]
        state=row.state,  # type: ignore[arg-type]
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
        answer=row.answer,
    )
