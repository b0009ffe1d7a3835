"""What processes report, and the inventory that events, reports and people make together."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
from benchmarks.made_events import made_event

from rune_core.bundle.status import (
    AdapterEntry,
    CoverageEntry,
    PoliciesEntry,
    QueueEntry,
    RefusedEntry,
    Status,
    ToolEntry,
    encode,
)
from rune_server import agents, policies
from rune_server.actor import SDK_PERMISSIONS, Actor, Permission, Role, member
from rune_server.agents import AgentSpec, report
from rune_server.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    UnprocessableError,
)


def status(instance: str = "i1", *tools: tuple[str, str], agent: str = "billing", **more) -> Status:
    entries = tuple(
        ToolEntry(agent_id=agent, name=name, risk="low", definition_hash=digest)
        for name, digest in tools
    )
    given = {"policies": PoliciesEntry(), "queue": QueueEntry(), **more}
    return Status(instance=instance, sdk_version="1.0", tools=entries, **given)


@pytest.fixture
def sdk(organisation) -> Actor:
    return Actor(organisation.id, "key", "k", SDK_PERMISSIONS)


async def act(platform, organisation, number: int = 1, **fields) -> None:
    now = platform.clock.now()
    made = [made_event(now - timedelta(seconds=1), seed=n, **fields) for n in range(number)]
    await platform.analytics.insert(organisation.id, made, received_at=now)


async def test_an_agent_without_tools_has_a_process(platform, sdk, owner, organisation) -> None:
    await act(platform, organisation, 1, agent_id="greeter")
    await report.take(platform, sdk, status("i1", agents=("greeter",)))
    (agent,) = (await agents.agents(platform, owner)).items
    assert (agent.agent_id, agent.status, agent.instances) == ("greeter", "active", 1)
    (instance,) = (await agents.instances(platform, owner, agent_id="greeter")).items
    assert instance.agents == ("greeter",)


async def test_a_report_is_kept_and_shown(platform, sdk, owner) -> None:
    said = status(
        "i1",
        ("search", "aa" * 16),
        adapters=(AdapterEntry(name="rune-langchain", version="1", framework="langchain"),),
        coverage=(
            CoverageEntry(surface="input", what="l2_vector", guarded=False, reason="not_installed"),
        ),
        policies=PoliciesEntry(
            fetched="a" * 64,
            activated="b" * 64,
            refused=(
                RefusedEntry(name="tools", revision=3, line=7, key="rules[0]", code="policy"),
            ),
        ),
        queue=QueueEntry(depth=4, oldest_seconds=1.5, dropped={"full": 2}),
    )
    await report.take(platform, sdk, report.decode(encode(said)))
    (instance,) = (await agents.instances(platform, owner)).items
    assert instance.agents == ("billing",)
    assert instance.adapters[0].framework == "langchain"
    assert instance.gaps[0].reason == "not_installed"
    assert (instance.refused[0].name, instance.refused[0].line) == ("tools", 7)
    assert (instance.queue_depth, instance.dropped) == (4, {"full": 2})
    adoption = await agents.adoption(platform, owner)
    assert (adoption.instances, adoption.current) == (1, 0)
    assert adoption.refusals[0].code == "policy"


async def test_a_new_report_replaces_the_old_one(platform, sdk, owner, clock) -> None:
    await report.take(platform, sdk, status("i1", ("a", "")))
    clock.forward(minutes=90)
    await report.take(platform, sdk, status("i2", ("a", ""), agent="other"))
    live = await agents.instances(platform, owner, live=True)
    assert [each.instance for each in live.items] == ["i2"]
    of_billing = await agents.instances(platform, owner, agent_id="billing")
    assert [each.instance for each in of_billing.items] == ["i1"]
    await report.take(platform, sdk, status("i1", ("a", "")))
    assert len((await agents.instances(platform, owner, live=True)).items) == 2
    first = await agents.instances(platform, owner, limit=1)
    rest = await agents.instances(platform, owner, cursor=first.next_cursor)
    assert [each.instance for each in (*first.items, *rest.items)] == ["i1", "i2"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"instance": "i", "sdk_version": "1", "policies": {}, "queue": {}, "prompt": "SECRET"}',
        b'{"instance": 5, "sdk_version": "1", "policies": {}, "queue": {}}',
        b'{"instance": "i", "sdk_version": "1", "policies": {"fetched": "SECRET"}, "queue": {}}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_what_is_no_report_is_refused_without_repeating_it(body: bytes) -> None:
    with pytest.raises(UnprocessableError) as refused:
        report.decode(body)
    assert "SECRET" not in str(refused.value)


async def test_what_looks_like_no_name_is_masked(platform, sdk, owner) -> None:
    said = status("i1", ("my card is 4111 1111 1111 1111", ""))
    await report.take(platform, sdk, report.decode(msgspec.json.encode(said)))
    (tool,) = await agents.tools(platform, owner)
    assert tool.tool == "masked"


async def test_drift_is_noted_once(platform, sdk, owner, clock) -> None:
    await report.take(platform, sdk, status("i1", ("search", "aa" * 16), ("mail", "")))
    assert (await agents.changes(platform, owner)).items == ()
    clock.forward(minutes=1)
    for instance in ("i1", "i2"):
        now = status(instance, ("search", "bb" * 16), ("mail", ""), ("wire", "cc" * 16))
        await report.take(platform, sdk, now)
    found = (await agents.changes(platform, owner)).items
    assert {(each.tool, each.what, each.before, each.after) for each in found} == {
        ("wire", "added", "", "cc" * 16),
        ("search", "changed", "aa" * 16, "bb" * 16),
    }
    search = next(each for each in await agents.tools(platform, owner) if each.tool == "search")
    assert search.definitions == ("bb" * 16, "aa" * 16)


async def test_the_inventory_joins_what_is_known(platform, sdk, owner, organisation, clock) -> None:
    await act(platform, organisation, 5, agent_id="billing", action="block", surface="tool_call")
    await report.take(platform, sdk, status("i1", ("search", "")))
    await agents.register(platform, owner, AgentSpec(agent_id="planned", name="Planned"))
    await agents.register(
        platform, owner, AgentSpec(agent_id="billing", name="Billing", tags=("money",))
    )
    found = {each.agent_id: each for each in (await agents.agents(platform, owner)).items}
    assert set(found) == {"billing", "planned"}
    billing = found["billing"]
    assert (billing.name, billing.blocked, billing.instances) == ("Billing", 5, 1)
    assert (billing.status, billing.registered) == ("active", True)
    assert "money" in billing.tags
    planned = found["planned"]
    assert (planned.status, planned.last_seen, planned.first_seen) == ("never", None, None)
    clock.forward(hours=2)
    assert (await agents.agent(platform, owner, "billing")).status == "silent"
    searched = await agents.agents(platform, owner, search="MONEY")
    assert [each.agent_id for each in searched.items] == ["billing"]
    first = await agents.agents(platform, owner, limit=1)
    rest = await agents.agents(platform, owner, cursor=first.next_cursor)
    assert len(first.items) == len(rest.items) == 1
    assert first.items[0].risk >= rest.items[0].risk


async def test_entries_are_edited_by_version(platform, owner, viewer) -> None:
    with pytest.raises(NotFoundError):
        await agents.edit(platform, owner, AgentSpec(agent_id="x"))
    made = await agents.register(platform, owner, AgentSpec(agent_id="x"))
    with pytest.raises(ConflictError):
        await agents.register(platform, owner, AgentSpec(agent_id="x"))
    edited = await agents.edit(
        platform, owner, AgentSpec(agent_id="x", description="y"), version=made.version
    )
    assert edited.version == made.version + 1
    with pytest.raises(PreconditionFailedError):
        await agents.edit(platform, owner, AgentSpec(agent_id="x"), version=made.version)
    with pytest.raises(UnprocessableError):
        await agents.register(platform, owner, AgentSpec(agent_id="a\nb"))
    with pytest.raises(ForbiddenError):
        await agents.edit(platform, viewer, AgentSpec(agent_id="x"))


async def test_many_processes_report_at_once(platform, sdk, owner) -> None:
    said = [status(f"i{number}", ("search", ""), ("mail", "")) for number in range(12)]
    await asyncio.gather(*(report.take(platform, sdk, each) for each in said))
    assert len((await agents.instances(platform, owner, agent_id="billing")).items) == 12
    assert len(await agents.tools(platform, owner)) == 2


async def test_organisations_keep_apart(platform, sdk, owner, new_organisation) -> None:
    await report.take(platform, sdk, status("i1", ("search", "")))
    other = await new_organisation("Other")
    stranger = member(other.id, "stranger", Role.OWNER)
    for listing in (agents.agents, agents.instances, agents.changes):
        assert (await listing(platform, stranger)).items == ()
    assert await agents.tools(platform, stranger) == []
    with pytest.raises(NotFoundError):
        await agents.agent(platform, stranger, "billing")
    with pytest.raises(ForbiddenError):
        await report.take(
            platform,
            Actor(other.id, "key", "k", frozenset((Permission.POLICIES_READ,))),
            status(),
        )
    assert (await policies.bundle_for(platform, other.id, "i1")).policies == ()


async def test_made_up_names_are_bounded(platform, sdk, owner, monkeypatch) -> None:
    monkeypatch.setattr(report, "MAX_TOOLS", 3)
    monkeypatch.setattr(report, "MAX_AGENTS", 2)
    monkeypatch.setattr(report, "MAX_INSTANCES", 2)
    for number in range(4):
        tools = [(f"tool{number}-{n}", "") for n in range(5)]
        said = status(f"i{number}", *tools, agent=f"agent{number}")
        await report.take(platform, sdk, said)
    assert len((await agents.agents(platform, owner)).items) == 2
    assert len((await agents.instances(platform, owner)).items) == 2
    assert len(await agents.tools(platform, owner)) == 6
