"""Exports hold everything and no secret; erasures leave nothing of what was meant, and the rest."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta

import pytest
from benchmarks.made_events import made_event
from sqlalchemy import text
from tests.rune_server.api.conftest import populated

from rune_server import agents, audit, data
from rune_server.actor import Role, member
from rune_server.agents import AgentSpec
from rune_server.data import worker
from rune_server.errors import ConflictError, ForbiddenError, NotFoundError, UnprocessableError


async def finished(platform) -> None:
    while await worker.run_next(platform):
        pass


async def downloaded(platform, actor, job_id) -> tuple[bytes, list[dict]]:
    pieces = await data.download(platform, actor, job_id)
    packed = b"".join([piece async for piece in pieces])
    plain = gzip.decompress(packed)
    return plain, [json.loads(line) for line in plain.splitlines()]


async def acted(platform, organisation_id, agent: str, number: int = 3) -> None:
    now = platform.clock.now()
    made = [made_event(now - timedelta(seconds=1), seed=n, agent_id=agent) for n in range(number)]
    await platform.analytics.insert(organisation_id, made, received_at=now)


async def test_an_export_holds_everything_and_no_secret(platform, clock, monkeypatch) -> None:
    monkeypatch.setattr(worker, "_PART", 500)  # so that there are several pieces
    ours = await populated(platform, clock, "ours")
    await populated(platform, clock, "theirs")
    asked = await data.request_export(platform, ours.owner)
    with pytest.raises(ConflictError, match="pending"):
        await data.download(platform, ours.owner, asked.id)
    await finished(platform)
    done = await data.job(platform, ours.owner, "export", asked.id)
    assert (done.state, done.events) == ("done", 1)
    plain, lines = await downloaded(platform, ours.owner, asked.id)
    kinds = {line["kind"] for line in lines}
    assert kinds == {
        "organisation",
        "member",
        "key",
        "policy",
        "policy_revision",
        "alert_rule",
        "alert_channel",
        "audit_entry",
        "agent",
        "tool",
        "instance",
        "alert",
        "event",
    }
    assert b"theirs" not in plain
    assert ours.key["x-rune-key"].encode() not in plain
    assert b"bcrypt" not in plain
    assert b"sealed" not in plain
    async with platform.state.read() as session:
        rows = (await session.execute(text("SELECT sealed FROM export_parts"))).all()
    assert len(rows) > 2
    assert all(b"ours" not in sealed for (sealed,) in rows)
    clock.forward(days=8)
    await worker._remove_expired(platform)
    with pytest.raises(NotFoundError):
        await data.job(platform, ours.owner, "export", asked.id)


async def test_an_export_of_one_agent(platform, owner, organisation) -> None:
    for agent in ("a", "b"):
        await acted(platform, organisation.id, agent)
        await agents.register(platform, owner, AgentSpec(agent_id=agent))
    asked = await data.request_export(platform, owner, "a")
    await finished(platform)
    _, lines = await downloaded(platform, owner, asked.id)
    assert sorted(line["kind"] for line in lines) == ["agent", "event", "event", "event"]
    assert {line["value"]["agent_id"] for line in lines} == {"a"}


async def test_an_agent_is_erased_and_the_others_stay(platform, owner, organisation) -> None:
    for agent in ("a", "b"):
        await acted(platform, organisation.id, agent)
        await agents.register(platform, owner, AgentSpec(agent_id=agent))
    with pytest.raises(UnprocessableError, match="undone"):
        await data.request_erasure(platform, owner, "a", confirm="b")
    asked = await data.request_erasure(platform, owner, "a", confirm="a")
    with pytest.raises(ConflictError, match="under way"):
        await data.request_erasure(platform, owner, "b", confirm="b")
    await finished(platform)
    done = await data.job(platform, owner, "erasure", asked.id)
    assert (done.state, done.events) == ("done", 3)
    left = {each.agent_id for each in (await agents.agents(platform, owner)).items}
    assert left == {"b"}
    events = (await platform.analytics.events(organisation.id)).items
    assert {event.agent_id for event in events} == {"b"}
    actions = [entry.action for entry in await audit.entries(platform, owner)]
    assert actions[0] == "erasure.done"


async def test_everything_is_erased_but_of_others_nothing(platform, clock) -> None:
    ours = await populated(platform, clock, "ours")
    theirs = await populated(platform, clock, "theirs")
    await data.request_erasure(platform, ours.owner, confirm="ours")
    await finished(platform)
    assert (await agents.agents(platform, ours.owner)).items == ()
    assert (await agents.instances(platform, ours.owner)).items == ()
    assert (await data.jobs(platform, ours.owner, "export")).items == ()
    assert (await platform.analytics.events(ours.organisation_id)).items == ()
    assert len((await agents.agents(platform, theirs.owner)).items) == 1
    assert len((await platform.analytics.events(theirs.organisation_id)).items) == 1


async def test_who_may_what(platform, owner, organisation, new_organisation) -> None:
    asked = await data.request_export(platform, owner)
    admin = member(organisation.id, "admin", Role.ADMIN)
    assert (await data.job(platform, admin, "export", asked.id)).id == asked.id
    with pytest.raises(ForbiddenError):
        await data.request_erasure(platform, admin, "a", confirm="a")
    with pytest.raises(ForbiddenError):
        await data.request_export(platform, member(organisation.id, "m", Role.MEMBER))
    other = await new_organisation("Other")
    stranger = member(other.id, "stranger", Role.OWNER)
    for attempt in (
        data.job(platform, stranger, "export", asked.id),
        data.download(platform, stranger, asked.id),
        data.delete_export(platform, stranger, asked.id),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    for _ in range(2):
        await data.request_export(platform, owner)
    with pytest.raises(ConflictError, match="delete one"):
        await data.request_export(platform, owner)
    await data.delete_export(platform, owner, asked.id)
    await data.request_export(platform, owner)


async def test_a_job_whose_worker_died_is_begun_again(platform, owner, organisation, clock) -> None:
    await acted(platform, organisation.id, "a")
    asked = await data.request_export(platform, owner)
    assert await worker._claim(platform) is not None  # and then the worker is gone
    assert not await worker.run_next(platform)
    clock.forward(hours=3)
    await finished(platform)
    assert (await data.job(platform, owner, "export", asked.id)).state == "done"
