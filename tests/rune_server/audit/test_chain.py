"""The audit log cannot be altered unnoticed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.rune_server.conftest import DATABASES

from rune_server import audit
from rune_server.errors import ForbiddenError

if TYPE_CHECKING:
    from rune_server.actor import Actor
    from rune_server.platform import Platform


pytestmark = pytest.mark.parametrize("database", DATABASES)


async def write(platform: Platform, actor: Actor, number: int) -> None:
    async with platform.state.begin() as session:
        await audit.record(
            session, actor, action="thing.done", target=f"thing:{number}", details={"n": number}
        )


async def verified(platform: Platform, actor: Actor) -> audit.Verified:
    async with platform.state.read() as session:
        return await audit.verify(session, actor.organisation_id)


async def test_an_untouched_log_holds(platform: Platform, owner: Actor) -> None:
    await asyncio.gather(*(write(platform, owner, number) for number in range(20)))
    found = await verified(platform, owner)
    assert found.entries == 20
    assert found.faults == ()
    listed = await audit.entries(platform, owner, limit=5)
    assert [entry.number for entry in listed] == [20, 19, 18, 17, 16]
    assert listed[0].action == "thing.done"
    older = await audit.entries(platform, owner, before=16)
    assert older[0].number == 15


async def test_an_entry_is_written_with_what_it_tells_about_or_not_at_all(
    platform: Platform, owner: Actor
) -> None:
    with suppress(RuntimeError):
        async with platform.state.begin() as session:
            await audit.record(session, owner, action="thing.done")
            raise RuntimeError
    assert (await verified(platform, owner)).entries == 0


@pytest.mark.parametrize(
    ("statement", "number", "reason"),
    [
        ("UPDATE audit_entries SET details = '{}' WHERE number = 2", 2, "was altered"),
        ("UPDATE audit_entries SET actor_id = 'mallory' WHERE number = 1", 1, "was altered"),
        ("UPDATE audit_entries SET at = '2020-01-01 00:00:00.000000' WHERE number = 3", 3, "alter"),
        ("DELETE FROM audit_entries WHERE number = 2", 2, "are missing"),
        ("DELETE FROM audit_entries WHERE number >= 3", 4, "missing at the end"),
        ("DELETE FROM audit_entries", 4, "missing at the end"),
        ("UPDATE audit_heads SET number = 3", 4, "where the log ends was altered"),
        ("DELETE FROM audit_heads", 4, "where the log ends is missing"),
        (
            "UPDATE audit_entries SET previous = (SELECT mac FROM audit_heads) WHERE number = 4",
            4,
            "does not follow",
        ),
    ],
)
async def test_whatever_is_altered_is_noticed(
    platform: Platform, owner: Actor, statement: str, number: int, reason: str
) -> None:
    for index in range(4):
        await write(platform, owner, index)
    async with platform.state.begin() as session:
        await session.execute(text(statement))
    faults = (await verified(platform, owner)).faults
    assert faults[0].number == number
    assert reason in faults[0].reason


async def test_reading_needs_permission(platform: Platform, viewer: Actor) -> None:
    with pytest.raises(ForbiddenError):
        await audit.entries(platform, viewer)
