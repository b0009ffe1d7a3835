"""Make, read, change and try the channels that notices go to."""

from __future__ import annotations

import base64
import re
import secrets
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from rune_server import audit
from rune_server.actor import Permission
from rune_server.alerts.destination import check_url
from rune_server.alerts.model import Channel, ChannelSpec
from rune_server.errors import (
    ConflictError,
    UnprocessableError,
)
from rune_server.paging import Page, bounded, id_of, page_of
from rune_server.state import versioned
from rune_server.state.tables.alerts import AlertChannelRow, AlertRuleRow

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.platform import Platform

MAX_CHANNELS: Final = 50
MAX_ADDRESSES: Final = 20
PURPOSE: Final = "alert channel"
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\-]{1,64}@[A-Za-z0-9.\-]{1,185}", re.ASCII)
_SECRET_BYTES: Final = 32


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is secret of a channel."""

    url: str = ""
    addresses: tuple[str, ...] = ()
    signing_secret: str = ""


async def channels(
    platform: Platform, actor: Actor, *, cursor: str | None = None, limit: int = 50
) -> Page[Channel]:
    """The organisation's channels, in the order they were made."""
    actor.require(Permission.ALERTS_READ)
    limit = bounded(limit)
    query = select(AlertChannelRow).where(AlertChannelRow.organisation_id == actor.organisation_id)
    if cursor is not None:
        query = query.where(AlertChannelRow.id > id_of(cursor))
    async with platform.state.read() as session:
        rows = (await session.scalars(query.order_by(AlertChannelRow.id).limit(limit + 1))).all()
    return page_of([channel_of(row) for row in rows], limit, lambda channel: (str(channel.id),))


async def channel(platform: Platform, actor: Actor, channel_id: UUID) -> Channel:
    """One channel.

    Raises:
        NotFoundError: There is none of this id.
    """
    actor.require(Permission.ALERTS_READ)
    async with platform.state.read() as session:
        return channel_of(
            await versioned.found(session, AlertChannelRow, actor.organisation_id, channel_id)
        )


async def create_channel(platform: Platform, actor: Actor, spec: ChannelSpec) -> Channel:
    """Make a channel. A webhook's ``signing_secret`` is in this answer and never again.

    Raises:
        UnprocessableError: The target cannot be used.
        ConflictError: There is one of this name, or there are too many.
    """
    actor.require(Permission.ALERTS_WRITE)
    _check(platform, spec, None)
    now = platform.clock.now()
    secret = _new_secret() if spec.kind == "webhook" else ""
    target = Target(url=spec.url, addresses=spec.addresses, signing_secret=secret)
    try:
        async with platform.state.begin() as session:
            count = await session.scalar(
                select(func.count())
                .select_from(AlertChannelRow)
                .where(AlertChannelRow.organisation_id == actor.organisation_id)
            )
            if (count or 0) >= MAX_CHANNELS:
                raise ConflictError(
                    f"an organisation has at most {MAX_CHANNELS} channels", code="too_many"
                )
            row = AlertChannelRow(
                organisation_id=actor.organisation_id,
                name=spec.name,
                kind=spec.kind,
                shown=_shown(target),
                sealed=b"",
                enabled=spec.enabled,
                version=1,
                created_at=now,
                updated_at=now,
            )
            session.add(row)
            await session.flush()
            _seal(platform, row, target)
            await _record(session, actor, "created", row)
            return channel_of(row, secret)
    except IntegrityError:
        raise _taken(spec.name) from None


async def edit_channel(
    platform: Platform,
    actor: Actor,
    channel_id: UUID,
    spec: ChannelSpec,
    *,
    new_secret: bool = False,
    version: int | None = None,
) -> Channel:
    """Change a channel. Without a ``url`` or ``addresses`` it keeps the target that it has.

    Args:
        platform: The platform.
        actor: Who changes it.
        channel_id: The channel.
        spec: What it shall be; its kind cannot change.
        new_secret: Give a webhook a new signing secret; it is in this answer and never again.
        version: The version that the change is based on; None for whichever.

    Raises:
        UnprocessableError: The target cannot be used.
        PreconditionFailedError: It changed since.
        ConflictError: Another channel has this name.
    """
    actor.require(Permission.ALERTS_WRITE)
    try:
        async with platform.state.begin() as session:
            row = await versioned.editable(
                session, AlertChannelRow, actor.organisation_id, channel_id, version
            )
            had = target_of(platform, row)
            _check(platform, spec, row)
            secret = _new_secret() if new_secret and row.kind == "webhook" else ""
            target = Target(
                url=spec.url or had.url,
                addresses=spec.addresses or had.addresses,
                signing_secret=secret or had.signing_secret,
            )
            row.name, row.enabled, row.shown = spec.name, spec.enabled, _shown(target)
            row.version += 1
            row.updated_at = platform.clock.now()
            _seal(platform, row, target)
            await session.flush()
            await _record(session, actor, "edited", row)
            return channel_of(row, secret)
    except IntegrityError:
        raise _taken(spec.name) from None


async def delete_channel(
    platform: Platform, actor: Actor, channel_id: UUID, *, version: int | None = None
) -> None:
    """Remove a channel and the log of its deliveries; rules forget it.

    Raises:
        PreconditionFailedError: It changed since.
    """
    actor.require(Permission.ALERTS_WRITE)
    async with platform.state.begin() as session:
        row = await versioned.editable(
            session, AlertChannelRow, actor.organisation_id, channel_id, version
        )
        rules = await session.scalars(
            select(AlertRuleRow)
            .where(AlertRuleRow.organisation_id == actor.organisation_id)
            .with_for_update()
        )
        for rule in rules:
            if str(channel_id) in rule.channels:
                rule.channels = [each for each in rule.channels if each != str(channel_id)]
                rule.version += 1
        await _record(session, actor, "deleted", row)
        await session.delete(row)


def channel_of(row: AlertChannelRow, signing_secret: str = "") -> Channel:
    """The row as its callers see it."""
    return Channel(
        id=row.id,
        name=row.name,
        kind=row.kind,  # type: ignore[arg-type]
        target=row.shown,
        enabled=row.enabled,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        signing_secret=signing_secret,
    )


def target_of(platform: Platform, row: AlertChannelRow) -> Target:
    """What is secret of a channel."""
    opened = platform.vault.open(PURPOSE, row.sealed, row.id.bytes)
    return msgspec.json.decode(opened, type=Target)


def _seal(platform: Platform, row: AlertChannelRow, target: Target) -> None:
    row.sealed = platform.vault.seal(PURPOSE, msgspec.json.encode(target), row.id.bytes)


def _shown(target: Target) -> str:
    """The target without its secrets: the path of a Slack address is one."""
    if target.url:
        from urllib.parse import urlsplit

        return (urlsplit(target.url).hostname or "")[:300]
    shown = ", ".join(target.addresses)
    return shown if len(shown) <= 300 else shown[:299] + "…"


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _check(platform: Platform, spec: ChannelSpec, row: AlertChannelRow | None) -> None:
    faults: list[dict[str, str]] = []

    def fault(where: str, reason: str) -> None:
        faults.append({"where": where, "reason": reason})

    if not 1 <= len(spec.name.strip()) <= 128 or not spec.name.isprintable():
        fault("name", "must be 1 to 128 printable characters")
    if spec.kind not in ("slack", "webhook", "email"):
        fault("kind", "must be slack, webhook or email")
    elif row is not None and spec.kind != row.kind:
        fault("kind", f"cannot change: make a new channel in place of this {row.kind}")
    if spec.kind == "email":
        if spec.url:
            fault("url", "an e-mail channel has addresses")
        if len(spec.addresses) > MAX_ADDRESSES or (row is None and not spec.addresses):
            fault("addresses", f"must be 1 to {MAX_ADDRESSES}")
        for address in spec.addresses:
            if not _ADDRESS.fullmatch(address):
                fault("addresses", "must be mail addresses such as ops@example.com")
    else:
        if spec.addresses:
            fault("addresses", f"a {spec.kind} channel has a url")
        if spec.url or row is None:
            problem = check_url(spec.url, platform.settings.webhook_allow_networks)
            if problem:
                fault("url", problem)
    if faults:
        raise UnprocessableError("the channel cannot be used", errors=faults)


async def _record(session: AsyncSession, actor: Actor, what: str, row: AlertChannelRow) -> None:
    await audit.record(
        session,
        actor,
        action=f"alert_channel.{what}",
        target=f"alert_channel:{row.id}",
        details={"name": row.name, "kind": row.kind, "target": row.shown},
    )


def _taken(name: str) -> ConflictError:
    return ConflictError(f"there is a channel named {name!r} already", code="name_taken")
