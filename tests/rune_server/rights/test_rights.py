"""A copy of everything, erasure of everything, and nothing kept longer than it should be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from benchmarks.made_events import made_event, made_events
from sqlalchemy import func, select
from tests.rune_server.auth.conftest import make_user

from rune_core.bundle.status import PoliciesEntry, QueueEntry, Status, ToolEntry
from rune_server import audit, rights
from rune_server.actor import SDK_PERMISSIONS, Role, member
from rune_server.agents.report import take
from rune_server.analytics import EventFilter
from rune_server.auth import keys
from rune_server.errors import (
    ForbiddenError,
    UnavailableError,
    UnprocessableError,
)
from rune_server.rights import erasure, retention
from rune_server.rights.export import LEFT_OUT, tables
from rune_server.security_txt import answer
from rune_server.state.base import Base
from rune_server.state.tables.organisations import Membership, Organisation
from rune_server.state.tables.rights import ErasureRow
from rune_server.state.tables.users import User

if TYPE_CHECKING:
    from rune_server.actor import Actor
    from rune_server.platform import Platform


async def copy_of(platform: Platform, actor: Actor, agent_id: str | None = None) -> list[dict]:
    lines = await rights.export(platform, actor, agent_id=agent_id)
    return [json.loads(line) async for line in lines]


async def reported(platform: Platform, actor: Actor, *agents: str) -> None:
    tools = tuple(
        ToolEntry(agent_id=agent, name=f"tool-of-{agent}", risk="low") for agent in agents
    )
    await take(
        platform,
        replace(actor, permissions=SDK_PERMISSIONS),
        Status(
            instance="one",
            sdk_version="1",
            policies=PoliciesEntry(),
            queue=QueueEntry(),
            tools=tools,
        ),
    )


async def sent(platform: Platform, actor: Actor, *agents: str) -> None:
    now = platform.clock.now()
    events = [
        made_event(now - timedelta(minutes=number), seed=f"{agent}{number}", agent_id=agent)
        for agent in agents
        for number in range(1, 4)
    ]
    await platform.analytics.insert(actor.organisation_id, events, retention_days=365)


async def left(platform: Platform, actor: Actor) -> set[str | None]:
    page = await platform.analytics.events(actor.organisation_id, EventFilter(), limit=100)
    return {event.agent_id for event in page.items}


async def test_a_copy_holds_what_there_is_and_ends(platform: Platform, owner: Actor) -> None:
    made = await keys.create(platform, owner, name="a key of ours")
    await reported(platform, owner, "billing")
    await sent(platform, owner, "billing", "other")
    lines = await copy_of(platform, owner)
    by_table: dict[str, list[dict]] = {}
    for line in lines:
        by_table.setdefault(line.pop("table"), []).append(line)
    assert by_table["organisations"][0]["name"] == "Acme"
    assert by_table["api_keys"][0]["name"] == "a key of ours"
    assert {row["tool"] for row in by_table["agent_tools"]} == {"tool-of-billing"}
    assert len(by_table["events"]) == 6
    assert "data.exported" in {row["action"] for row in by_table["audit_entries"]}
    assert next(iter(by_table)) == "export"
    assert by_table["end"] == [{"rows": len(lines) - 2}]
    whole = json.dumps(lines)
    assert made.key not in whole
    assert "sha256" not in whole


async def test_a_copy_of_an_agent_is_about_no_other(platform: Platform, owner: Actor) -> None:
    await reported(platform, owner, "billing", "other")
    await sent(platform, owner, "billing", "other")
    lines = await copy_of(platform, owner, "billing")
    assert {line.get("agent_id") for line in lines[1:-1]} == {"billing"}
    assert "other" not in json.dumps(lines)


def test_every_table_is_in_the_copy_or_left_out_for_a_reason() -> None:
    of_organisations = {
        table.name for table in Base.metadata.tables.values() if "organisation_id" in table.columns
    }
    assert {table.name for table in tables()} == of_organisations - set(LEFT_OUT)
    assert set(LEFT_OUT) <= of_organisations
    for table in Base.metadata.tables.values():
        for column in table.columns:
            looks_secret = any(part in column.name for part in ("password", "secret", "token"))
            if looks_secret and not column.name.endswith("_at"):
                assert column.name.endswith(("sha256", "bcrypt", "sealed")) or isinstance(
                    column.type.python_type, type(bool)
                ), f"{table.name}.{column.name}: would be in a copy"


async def test_an_erased_agent_is_gone_and_others_stay(platform: Platform, owner: Actor) -> None:
    await reported(platform, owner, "billing", "other")
    await sent(platform, owner, "billing", "other")
    found = await rights.erase_agent(platform, owner, "billing")
    assert (found.passes, found.events) == (1, 3)
    assert await left(platform, owner) == {"other"}
    lines = [line for line in await copy_of(platform, owner) if line["table"] != "audit_entries"]
    assert "tool-of-other" in json.dumps(lines)
    assert "billing" not in json.dumps(lines)


async def test_what_lay_in_a_spool_goes_with_the_second_pass_and_what_is_new_stays(
    platform: Platform, owner: Actor, clock
) -> None:
    await rights.erase_agent(platform, owner, "billing")
    await sent(platform, owner, "billing")  # happened before, was written after
    clock.forward(minutes=1)
    now = platform.clock.now()
    await platform.analytics.insert(
        owner.organisation_id, [made_event(now, agent_id="billing")], retention_days=365
    )
    assert await erasure._due(platform) == []
    clock.forward(minutes=15)
    (due,) = await erasure._due(platform)
    await erasure._pass(platform, due)
    (done,) = await rights.erasures(platform, owner)
    assert done.finished_at is not None
    assert done.events == 3
    assert done.agent_id == "", "a finished erasure names nobody"
    page = await platform.analytics.events(owner.organisation_id, EventFilter(), limit=10)
    assert [event.timestamp for event in page.items] == [
        now.replace(microsecond=now.microsecond // 1000 * 1000)
    ]


async def test_an_erasure_waits_for_clickhouse(
    platform: Platform, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> int:
        raise UnavailableError("analytics does not answer")

    await sent(platform, owner, "billing")
    with monkeypatch.context() as broken:
        broken.setattr(erasure.keeping, "erase", away)
        assert (await rights.erase_agent(platform, owner, "billing")).passes == 0
    (due,) = await erasure._due(platform)
    await erasure._pass(platform, due)
    assert await left(platform, owner) == set()


async def test_an_erased_organisation_leaves_nothing(platform: Platform, organisation) -> None:
    person = await make_user(platform, "only@here.example", organisation=None)
    elsewhere = await make_user(platform, "also@there.example", organisation=None)
    async with platform.state.begin() as session:
        other = Organisation(
            name="Other", plan="growth", region="us", created_at=platform.clock.now()
        )
        session.add(other)
        await session.flush()
        for user, where in ((person, organisation), (elsewhere, organisation), (elsewhere, other)):
            session.add(
                Membership(
                    organisation_id=where.id,
                    user_id=user.id,
                    role=Role.OWNER,
                    created_at=platform.clock.now(),
                )
            )
    actor = member(organisation.id, str(person.id), Role.OWNER)
    made = await keys.create(platform, actor, name="key")
    await reported(platform, actor, "billing")
    await sent(platform, actor, "billing")
    with pytest.raises(UnprocessableError, match="name"):
        await rights.erase_organisation(platform, actor, confirm="acme")
    await rights.erase_organisation(platform, actor, confirm="Acme")
    assert await platform.keys.grant(made.key) is None
    async with platform.state.read() as session:
        for table in Base.metadata.tables.values():
            if "organisation_id" in table.columns and table.name != ErasureRow.__tablename__:
                rows = await session.scalar(
                    select(func.count())
                    .select_from(table)
                    .where(table.c.organisation_id == organisation.id)
                )
                assert rows == 0, table.name
        assert await session.get(User, person.id) is None
        assert await session.get(User, elsewhere.id) is not None
    store = platform.analytics.store_of("us")
    for table in ("events", "events_by_minute", "seen"):
        rows = await store.query(
            f"SELECT count() FROM {store.database}.{table} "
            "WHERE organisation_id = {organisation:UUID}",
            {"organisation": organisation.id},
        )
        assert rows[0][0] == 0, table


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.ADMIN])
async def test_only_owners_erase(platform: Platform, organisation, role: Role) -> None:
    actor = member(organisation.id, "somebody", role)
    with pytest.raises(ForbiddenError):
        await rights.erase_agent(platform, actor, "billing")
    with pytest.raises(ForbiddenError):
        await rights.erase_organisation(platform, actor, confirm="Acme")


async def test_the_purge_keeps_to_the_retention_of_today(platform: Platform, owner: Actor) -> None:
    now = platform.clock.now()
    events = made_events(1, until=now) + [
        made_event(now - timedelta(days=days), seed=days) for days in (5, 40)
    ]
    await platform.analytics.insert(owner.organisation_id, events, retention_days=365)
    async with platform.state.begin() as session:
        row = await session.get(Organisation, owner.organisation_id)
        row.retention_days = 30
    assert await retention.purge(platform) == 1
    page = await platform.analytics.events(owner.organisation_id, EventFilter(), limit=10)
    assert len(page.items) == 2
    # What stays is kept by the new rule too, when ClickHouse itself looks.
    store = await platform.analytics.store(owner.organisation_id)
    kept = await store.query(
        f"SELECT DISTINCT retention_days FROM {store.database}.events "
        "WHERE organisation_id = {organisation:UUID}",
        {"organisation": owner.organisation_id},
    )
    assert [tuple(each) for each in kept] == [(30,)]


async def test_security_txt_names_the_contact(platform: Platform) -> None:
    assert answer(platform).status_code == 404
    named = replace(
        platform, settings=replace(platform.settings, security_contact="security@acme.example")
    )
    text = bytes(answer(named).body).decode()
    assert "Contact: mailto:security@acme.example\n" in text
    assert "Canonical: https://rune.test/.well-known/security.txt" in text


async def test_an_audit_log_survives_an_erasure(platform: Platform, owner: Actor) -> None:
    await rights.erase_agent(platform, owner, "billing")
    async with platform.state.read() as session:
        found = await audit.verify(session, owner.organisation_id)
    assert found.faults == ()
    assert found.entries == 1
