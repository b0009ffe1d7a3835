"""Appends to and verifies an organisation's chain.

Each entry carries an HMAC over itself and the HMAC of the entry before it, under a key that is
sealed by the vault. Whoever can write to the database but does not hold the master key can
neither alter, insert nor remove an entry, nor cut off the end, without ``rune audit verify``
noticing. Whoever holds both, or puts an older copy of the whole database back, can: compare the
head that ``verify`` prints with one written down elsewhere.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rune_server.state import secrets
from rune_server.state.tables.audit import AuditEntry, AuditHead
from rune_server.state.tables.organisations import Organisation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.clock import Clock

_SECRET = "audit"
_START = "0" * 64
_PAGE = 1000
_MAX_TARGET = 255


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a chain does not hold."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What ``verify`` found.

    Attributes:
        entries: How many entries there are.
        head: The last entry's MAC: write it down elsewhere to notice an old copy put back.
        faults: Where the chain does not hold; empty when it does.
    """

    entries: int
    head: str
    faults: tuple[Fault, ...]


async def record(
    session: AsyncSession,
    actor: Actor,
    *,
    action: str,
    target: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry, in the transaction of what it tells about.

    Args:
        session: From ``platform.state.begin()``.
        actor: Who did it; the entry goes to the actor's organisation.
        action: A noun and a past participle: ``policy.published``.
        target: What it was done to: ``policy:0198…``.
        details: Metadata, such as names, revisions and counts. Never content or secrets.
    """
    clock: Clock = session.info["clock"]
    key = await secrets.get(session, _SECRET)
    organisation_id = actor.organisation_id
    if session.bind is not None and session.bind.dialect.name == "postgresql":
        # One after the other within an organisation, the first entry included.
        await session.execute(
            select(Organisation.id)
            .where(Organisation.id == organisation_id)
            .with_for_update(key_share=True)
        )
    head = await session.get(AuditHead, organisation_id, populate_existing=True)
    entry = AuditEntry(
        organisation_id=organisation_id,
        number=1 if head is None else head.number + 1,
        at=clock.now(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        action=action,
        target=target[:_MAX_TARGET],
        details=json.dumps(details or {}, sort_keys=True, separators=(",", ":"), default=str),
        previous=_START if head is None else head.mac,
    )
    entry.mac = _mac(key, entry)
    session.add(entry)
    if head is None:
        head = AuditHead(organisation_id=organisation_id)
        session.add(head)
    head.number, head.mac = entry.number, entry.mac
    head.seal = _seal(key, organisation_id, entry.number, entry.mac)
    await session.flush()


async def verify(session: AsyncSession, organisation_id: UUID) -> Verified:
    """Go through an organisation's chain from the start."""
    key = await secrets.get(session, _SECRET)
    faults: list[Fault] = []
    expected, previous = 1, _START
    while True:
        page = list(
            await session.scalars(
                select(AuditEntry)
                .where(AuditEntry.organisation_id == organisation_id, AuditEntry.number >= expected)
                .order_by(AuditEntry.number)
                .limit(_PAGE)
                .execution_options(populate_existing=True)
            )
        )
        for entry in page:
            if entry.number != expected:
                faults.append(
                    Fault(expected, f"entries {expected} to {entry.number - 1} are missing")
                )
            elif entry.previous != previous:
                faults.append(Fault(entry.number, "does not follow from the entry before it"))
            if not hmac.compare_digest(entry.mac, _mac(key, entry)):
                faults.append(Fault(entry.number, "was altered"))
            expected, previous = entry.number + 1, entry.mac
            session.expunge(entry)
        if len(page) < _PAGE:
            break
    faults.extend(await _end_faults(session, key, organisation_id, expected - 1, previous))
    return Verified(expected - 1, previous, tuple(faults))


async def _end_faults(
    session: AsyncSession, key: bytes, organisation_id: UUID, last: int, mac: str
) -> list[Fault]:
    head = await session.get(AuditHead, organisation_id, populate_existing=True)
    if head is None:
        return [Fault(last, "the record of where the log ends is missing")] if last else []
    if not hmac.compare_digest(head.seal, _seal(key, organisation_id, head.number, head.mac)):
        return [Fault(last, "the record of where the log ends was altered")]
    if head.number > last:
        return [Fault(head.number, f"entries {last + 1} to {head.number} are missing at the end")]
    if (head.number, head.mac) != (last, mac):
        return [Fault(last, "entries were added at the end")]
    return []


def _mac(key: bytes, entry: AuditEntry) -> str:
    fields = (
        str(entry.organisation_id),
        entry.number,
        entry.at.isoformat(),
        entry.actor_kind,
        entry.actor_id,
        entry.action,
        entry.target,
        entry.details,
        entry.previous,
    )
    return hmac.digest(key, json.dumps(fields).encode(), "sha256").hex()


def _seal(key: bytes, organisation_id: UUID, number: int, mac: str) -> str:
    return hmac.digest(key, f"head {organisation_id} {number} {mac}".encode(), "sha256").hex()
