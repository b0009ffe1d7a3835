"""Organisations with everything in them, people of every role, and clients that speak for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from benchmarks.made_events import made_event
from sqlalchemy import select
from tests.rune_server.auth.conftest import CLIENT, Browser, make_user

from rune_core.bundle.status import PoliciesEntry, QueueEntry, Status, ToolEntry
from rune_server import agents, alerts, policies
from rune_server.accounts import invitations
from rune_server.actor import ROLE_PERMISSIONS, SDK_PERMISSIONS, Actor, Role, member
from rune_server.agents.report import take
from rune_server.alerts import jobs
from rune_server.api import app
from rune_server.auth import csrf, keys, sessions
from rune_server.state.tables.organisations import Membership
from rune_server.state.tables.users import User

if TYPE_CHECKING:
    from uuid import UUID

POLICY = (
    'version: "1.0"\ndescription: {mark}\nrules:\n'
    "  - {{name: {mark}, type: tool_denylist, tools: [{mark}], action: block}}\n"
)


@dataclass
class Person:
    """A member, and the headers of their browser."""

    role: Role
    user_id: UUID
    headers: dict[str, str]


@dataclass
class World:
    """One organisation with one of everything, all of it named after its mark.

    Attributes:
        mark: Stands in every name; seen elsewhere, something leaked.
        ids: By path parameter.
        people: By role.
        key: The headers of a key that may do everything.
    """

    mark: str
    organisation_id: UUID
    ids: dict[str, str]
    people: dict[Role, Person] = field(default_factory=dict)
    key: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self):
        return member(self.organisation_id, str(self.people[Role.OWNER].user_id), Role.OWNER)


@pytest.fixture
def settings(settings):
    """Tests ask faster than anybody does."""
    return replace(settings, ip_requests_per_second=2000, key_requests_per_second=2000)


@pytest.fixture
async def client(platform):
    """Speaks to the API as its server would."""
    transport = httpx.ASGITransport(app=app(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://rune.test") as found:
        yield found


async def signed_in(platform, user: User) -> dict[str, str]:
    """The headers of a browser that this person signed in with."""
    async with platform.state.begin() as session:
        row = await session.get(User, user.id)
        assert row is not None
        opened = await sessions.open_session(
            platform, session, row, CLIENT, method="password", second_factor=False
        )
    browser = Browser(platform)
    browser.take(opened)
    given = browser.cookies
    found, _ = await sessions.authenticate(platform, given)
    assert found is not None
    return {
        "cookie": "; ".join(f"{name}={value}" for name, value in given.items()),
        csrf.HEADER: csrf.token(platform, found),
    }


async def populated(platform, clock, mark: str) -> World:
    """An organisation with people of every role and one of everything."""
    owner_user = await make_user(platform, f"owner-{mark}@example.com", organisation=mark)
    async with platform.state.read() as session:
        organisation_id = await session.scalar(
            select(Membership.organisation_id).where(Membership.user_id == owner_user.id)
        )
    assert organisation_id is not None
    world = World(mark, organisation_id, {})
    for role in Role:
        user = owner_user
        if role is not Role.OWNER:
            user = await make_user(platform, f"{role}-{mark}@example.com", organisation=None)
            async with platform.state.begin() as session:
                session.add(
                    Membership(
                        organisation_id=organisation_id,
                        user_id=user.id,
                        role=role,
                        created_at=clock.now(),
                    )
                )
        world.people[role] = Person(role, user.id, await signed_in(platform, user))
    owner = world.owner
    made = await keys.create(
        platform, owner, name=f"all {mark}", permissions=ROLE_PERMISSIONS[Role.OWNER]
    )
    sdk = await keys.create(platform, owner, name=f"sdk {mark}")
    world.key = {"x-rune-key": made.key}
    text = POLICY.format(mark=mark)
    policy = await policies.create(platform, owner, mark, text)
    await policies.edit(platform, owner, policy.id, text + "# 2\n")
    await policies.publish(platform, owner, policy.id, revision=1)
    await policies.publish(platform, owner, policy.id, revision=2, percent=50)
    channel = await alerts.create_channel(
        platform,
        owner,
        alerts.ChannelSpec(name=mark, kind="email", addresses=(f"{mark}@example.com",)),
    )
    rule = await alerts.create_rule(
        platform,
        owner,
        alerts.RuleSpec(name=mark, kind="count", window_seconds=86_400, channels=(channel.id,)),
    )
    await agents.register(platform, owner, agents.AgentSpec(agent_id=f"agent-{mark}", name=mark))
    now = clock.now()
    event = made_event(
        now - timedelta(seconds=2),
        agent_id=f"agent-{mark}",
        session_id=f"session-{mark}",
        tool=mark,
        surface="tool_call",
        event_type="tool_call",
        action="block",
    )
    await platform.analytics.insert(organisation_id, [event], received_at=now)
    await take(
        platform,
        Actor(organisation_id, "key", "sdk", SDK_PERMISSIONS),
        Status(
            instance=f"instance-{mark}",
            sdk_version="1.0",
            policies=PoliciesEntry(),
            tools=(ToolEntry(agent_id=f"agent-{mark}", name=mark, risk="low"),),
            queue=QueueEntry(),
        ),
    )
    clock.forward(seconds=20)
    await jobs.evaluate_due(platform)
    (alert,) = (await alerts.alerts(platform, owner)).items
    invited = await invitations.invite(
        platform, owner, email=f"guest-{mark}@example.com", role=Role.VIEWER
    )
    world.ids = {
        "policy_id": str(policy.id),
        "number": "1",
        "agent_id": f"agent-{mark}",
        "event_id": event.event_id,
        "session_id": f"session-{mark}",
        "alert_id": str(alert.id),
        "rule_id": str(rule.id),
        "channel_id": str(channel.id),
        "key_id": str(sdk.info.id),
        "user_id": str(world.people[Role.VIEWER].user_id),
        "invitation_id": str(invited.info.id),
    }
    return world
