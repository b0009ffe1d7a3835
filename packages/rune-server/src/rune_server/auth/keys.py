"""API keys: made, shown once, listed, revoked; and the directory that tells what a key may do.

A key is ``rune_live_`` and 43 characters from 32 random bytes. Only its SHA-256 is stored: with
256 random bits there is nothing to guess, so no slow hash is needed.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from rune_server import audit
from rune_server.accounts import plans
from rune_server.actor import SDK_PERMISSIONS, Permission
from rune_server.errors import NotFoundError, UnprocessableError
from rune_server.names import checked_name
from rune_server.state.tables.keys import ApiKey
from rune_server.state.tables.organisations import Organisation
from rune_server.storage.vault import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.actor import Actor
    from rune_server.bus import Bus
    from rune_server.clock import Clock
    from rune_server.platform import Platform
    from rune_server.state import State

HEADER = b"x-rune-key"
PREFIX = "rune_live_"
TOPIC = "keys"
CACHE_SECONDS = 1.0
_MAX_CACHED = 50_000
_HINT_CHARACTERS = len(PREFIX) + 4
_MAX_KEYS = 1000
_RAW_LENGTH = len(PREFIX) + 43


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a valid key allows.

    Attributes:
        organisation_id: The organisation it belongs to.
        key_id: Its id, as in the audit log.
        permissions: What it may do.
        plan: The organisation's plan.
        region: Where the organisation's events are kept.
        retention_days: For how long.
        events_per_second: How many are taken in, for the whole organisation.
        expires_at: When it stops working; None for never.
    """

    organisation_id: UUID
    key_id: UUID
    permissions: frozenset[Permission]
    plan: str
    region: str
    retention_days: int
    events_per_second: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be shown of a key."""

    id: UUID
    name: str
    hint: str
    permissions: tuple[Permission, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. ``key`` is shown now and never again."""

    info: KeyInfo
    key: str

    def __repr__(self) -> str:
        return f"NewKey(info={self.info!r})"


async def create(
    platform: Platform,
    actor: Actor,
    *,
    name: str,
    permissions: Iterable[Permission] = SDK_PERMISSIONS,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key. Nobody can give a key more than they may do themselves.

    Raises:
        ForbiddenError: The actor may not make keys.
        UnprocessableError: The name, permissions or expiry do not make sense.
    """
    actor.require(Permission.KEYS_WRITE)
    wanted = frozenset(permissions)
    _check_permissions(actor, wanted)
    if expires_at is not None and expires_at <= platform.clock.now():
        raise UnprocessableError("expires_at: must be in the future")
    async with platform.state.begin() as session:
        return await insert(
            session, actor, name=checked_name(name), permissions=wanted, expires_at=expires_at
        )


async def insert(
    session: AsyncSession,
    actor: Actor,
    *,
    name: str,
    permissions: frozenset[Permission],
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key in a transaction that is under way; the caller has checked everything."""
    clock: Clock = session.info["clock"]
    raw = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(
        organisation_id=actor.organisation_id,
        name=name,
        hint=raw[:_HINT_CHARACTERS],
        key_sha256=fingerprint(raw),
        permissions=sorted(permissions),
        created_by=f"{actor.kind}:{actor.id}",
        created_at=clock.now(),
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        actor,
        action="key.created",
        target=f"key:{row.id}",
        details={"name": name, "permissions": sorted(permissions), "expires_at": expires_at},
    )
    return NewKey(_info(row), raw)


async def listed(platform: Platform, actor: Actor) -> list[KeyInfo]:
    """The organisation's keys, the newest first, revoked ones included."""
    actor.require(Permission.KEYS_READ)
    query = (
        select(ApiKey)
        .where(ApiKey.organisation_id == actor.organisation_id)
        .order_by(ApiKey.id.desc())
        .limit(_MAX_KEYS)
    )
    async with platform.state.read() as session:
        return [_info(row) for row in await session.scalars(query)]


async def revoke(platform: Platform, actor: Actor, key_id: UUID) -> None:
    """End a key, everywhere within a second. Ending it twice changes nothing.

    Raises:
        NotFoundError: The organisation has no such key.
    """
    actor.require(Permission.KEYS_WRITE)
    async with platform.state.begin() as session:
        row = await session.get(ApiKey, key_id)
        if row is None or row.organisation_id != actor.organisation_id:
            raise NotFoundError("no such key")
        await revoke_row(session, actor, row)
    platform.keys.forget()
    await platform.bus.publish(TOPIC, str(key_id).encode())


async def revoke_row(session: AsyncSession, actor: Actor, row: ApiKey) -> None:
    """End a key in a transaction that is under way; the caller has checked everything."""
    if row.revoked_at is not None:
        return
    clock: Clock = session.info["clock"]
    row.revoked_at = clock.now()
    await audit.record(
        session,
        actor,
        action="key.revoked",
        target=f"key:{row.id}",
        details={"name": row.name},
    )


class KeyDirectory:
    """Tells what a raw key may do. One per process, on one event loop.

    Answers are kept for at most a second; a revocation is told over the bus, so that it is usually
    seen at once. When the database is down, ``grant`` says so rather than letting anybody in.
    """

    def __init__(self, state: State, bus: Bus | None, clock: Clock) -> None:
        self._state = state
        self._bus = bus
        self._clock = clock
        self._known: dict[str, tuple[float, KeyGrant | None]] = {}
        self._asked: dict[str, asyncio.Task[KeyGrant | None]] = {}
        self._used: dict[UUID, datetime] = {}

    async def grant(self, raw_key: str) -> KeyGrant | None:
        """What the key allows; None when it is unknown, revoked or expired.

        Raises:
            UnavailableError: The state database does not answer.
        """
        if len(raw_key) != _RAW_LENGTH or not raw_key.startswith(PREFIX):
            return None
        digest = fingerprint(raw_key)
        loop_time = asyncio.get_running_loop().time()
        known = self._known.get(digest)
        if known is not None and loop_time < known[0]:
            found = known[1]
        else:
            found = await self._ask(digest)
        now = self._clock.now()
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            return None
        self._used[found.key_id] = now
        return found

    def forget(self) -> None:
        """Look every key up again."""
        self._known.clear()

    async def watch(self) -> None:
        """Forget keys when another process says that one changed. Runs until it is cancelled."""
        assert self._bus is not None
        async with self._bus.subscribe(TOPIC) as messages:
            async for _topic, _message in messages:
                self.forget()

    async def flush_used(self) -> None:
        """Write down when keys were last used."""
        used, self._used = self._used, {}
        if not used:
            return
        async with self._state.begin() as session:
            for key_id, at in used.items():
                await session.execute(update(ApiKey).where(ApiKey.id == key_id).values(used_at=at))

    async def _ask(self, digest: str) -> KeyGrant | None:
        """Ask the database, once for everybody who asks at the same time."""
        task = self._asked.get(digest)
        if task is None:
            task = asyncio.ensure_future(self._read(digest))
            self._asked[digest] = task
            task.add_done_callback(lambda _: self._asked.pop(digest, None))
        return await asyncio.shield(task)

    async def _read(self, digest: str) -> KeyGrant | None:
        # From before the question, so that an answer is never older than a second.
        until = asyncio.get_running_loop().time() + CACHE_SECONDS
        async with self._state.read() as session:
            row = (
                await session.execute(
                    select(ApiKey, Organisation)
                    .join(Organisation, Organisation.id == ApiKey.organisation_id)
                    .where(ApiKey.key_sha256 == digest)
                )
            ).one_or_none()
        found = None
        if row is not None:
            key, organisation = row
            if hmac.compare_digest(key.key_sha256, digest) and key.revoked_at is None:
                found = _grant(key, organisation)
        if len(self._known) >= _MAX_CACHED:
            self._known.clear()
        self._known[digest] = (until, found)
        return found


def _grant(key: ApiKey, organisation: Organisation) -> KeyGrant:
    return KeyGrant(
        organisation_id=organisation.id,
        key_id=key.id,
        permissions=frozenset(Permission(name) for name in key.permissions),
        plan=organisation.plan,
        region=organisation.region,
        retention_days=plans.retention_days(organisation),
        events_per_second=plans.PLANS[organisation.plan].events_per_second,
        expires_at=key.expires_at,
    )


def _info(row: ApiKey) -> KeyInfo:
    return KeyInfo(
        row.id,
        row.name,
        row.hint,
        tuple(Permission(name) for name in row.permissions),
        row.created_by,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.used_at,
    )


def _check_permissions(actor: Actor, wanted: frozenset[Permission]) -> None:
    if not wanted:
        raise UnprocessableError("permissions: a key needs at least one")
    # Sending events is for keys alone, so whoever may make keys may give it.
    excess = wanted - actor.permissions - SDK_PERMISSIONS
    if excess:
        raise UnprocessableError(
            f"permissions: you cannot give what you do not have: {', '.join(sorted(excess))}"
        )
