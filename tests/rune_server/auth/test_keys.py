"""API keys: made, shown once, revoked; what the directory answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from rune_server.actor import SDK_PERMISSIONS, Permission, Role, key, member
from rune_server.auth import keys
from rune_server.errors import (
    ForbiddenError,
    NotFoundError,
    UnavailableError,
    UnprocessableError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.rune_server.conftest import MovableClock

    from rune_server.actor import Actor
    from rune_server.platform import Platform
    from rune_server.state.tables.organisations import Organisation


async def test_a_key_grants_what_it_was_made_for(platform: Platform, owner: Actor) -> None:
    new = await keys.create(platform, owner, name="production")
    grant = await platform.keys.grant(new.key)
    assert grant is not None
    assert grant.organisation_id == owner.organisation_id
    assert grant.permissions == SDK_PERMISSIONS
    assert (grant.plan, grant.region, grant.retention_days) == ("growth", "us", 365)
    acting = key(grant)
    assert acting.kind == "key"
    assert acting.may(Permission.EVENTS_WRITE)
    assert not acting.may(Permission.KEYS_WRITE)


@pytest.mark.parametrize("raw", ["", "rune_live_", "rune_live_" + "A" * 43, "x" * 100_000, "é"])
async def test_what_is_no_key_grants_nothing(platform: Platform, raw: str) -> None:
    assert await platform.keys.grant(raw) is None


async def test_only_the_hash_is_stored_and_the_repr_hides_the_key(
    platform: Platform, owner: Actor
) -> None:
    new = await keys.create(platform, owner, name="production")
    assert new.key not in repr(new)
    async with platform.state.read() as session:
        rows = (await session.execute(text("SELECT * FROM api_keys"))).all()
        entries = (await session.execute(text("SELECT * FROM audit_entries"))).all()
    assert new.key not in repr(rows) + repr(entries)
    assert new.info.hint == new.key[: len(new.info.hint)]
    assert len(new.info.hint) < 16


async def test_a_revoked_key_ends_at_once_here(platform: Platform, owner: Actor) -> None:
    new = await keys.create(platform, owner, name="production")
    assert await platform.keys.grant(new.key) is not None
    await keys.revoke(platform, owner, new.info.id)
    for _ in range(20):  # turns of the loop in which the directory hears of it
        await asyncio.sleep(0)
    assert await platform.keys.grant(new.key) is None
    [listed] = await keys.listed(platform, owner)
    assert listed.revoked_at is not None
    await keys.revoke(platform, owner, new.info.id)


async def test_a_revoked_key_ends_within_a_second_without_the_bus(
    platform: Platform, owner: Actor
) -> None:
    """A replica that hears nothing looks again after a second."""
    deaf = keys.KeyDirectory(platform.state, None, platform.clock)
    new = await keys.create(platform, owner, name="production")
    assert await deaf.grant(new.key) is not None
    await keys.revoke(platform, owner, new.info.id)
    await asyncio.sleep(keys.CACHE_SECONDS + 0.05)
    assert await deaf.grant(new.key) is None


async def test_an_expired_key_ends(platform: Platform, owner: Actor, clock: MovableClock) -> None:
    until = clock.now() + timedelta(days=1)
    new = await keys.create(platform, owner, name="short", expires_at=until)
    assert await platform.keys.grant(new.key) is not None
    clock.forward(days=1)
    assert await platform.keys.grant(new.key) is None


async def test_nobody_gives_more_than_they_have(
    platform: Platform, organisation: Organisation
) -> None:
    admin = member(organisation.id, "admin", Role.ADMIN)
    with pytest.raises(UnprocessableError, match="data:erase"):
        await keys.create(platform, admin, name="x", permissions=[Permission.DATA_ERASE])
    with pytest.raises(UnprocessableError, match="at least one"):
        await keys.create(platform, admin, name="x", permissions=[])
    with pytest.raises(UnprocessableError, match="future"):
        await keys.create(platform, admin, name="x", expires_at=platform.clock.now())
    with pytest.raises(UnprocessableError, match="name"):
        await keys.create(platform, admin, name="a\r\nSet-Cookie: b")
    with pytest.raises(ForbiddenError):
        await keys.create(platform, member(organisation.id, "m", Role.MEMBER), name="x")


async def test_keys_of_others_are_not_found(
    platform: Platform,
    owner: Actor,
    new_organisation: Callable[[str], Awaitable[Organisation]],
) -> None:
    new = await keys.create(platform, owner, name="production")
    other = member((await new_organisation("Other")).id, "o", Role.OWNER)
    assert await keys.listed(platform, other) == []
    with pytest.raises(NotFoundError):
        await keys.revoke(platform, other, new.info.id)


async def test_use_is_written_down(platform: Platform, owner: Actor) -> None:
    new = await keys.create(platform, owner, name="production")
    await platform.keys.grant(new.key)
    await platform.keys.flush_used()
    [listed] = await keys.listed(platform, owner)
    assert listed.used_at == platform.clock.now()


async def test_many_at_once_ask_the_database_once(platform: Platform, owner: Actor) -> None:
    new = await keys.create(platform, owner, name="production")
    asked = 0
    read = platform.state.read

    def counted() -> object:
        nonlocal asked
        asked += 1
        return read()

    platform.state.read = counted  # type: ignore[method-assign, assignment]
    grants = await asyncio.gather(*(platform.keys.grant(new.key) for _ in range(50)))
    assert all(grants)
    assert asked == 1


async def test_a_database_that_is_gone_lets_nobody_in(platform: Platform, owner: Actor) -> None:
    new = await keys.create(platform, owner, name="production")
    async with platform.state.begin() as session:
        await session.execute(text("ALTER TABLE api_keys RENAME TO gone"))
    with pytest.raises(UnavailableError):
        await platform.keys.grant(new.key)
