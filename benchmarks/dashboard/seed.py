"""Fill a server with a demo: two organisations, people in every role, policies, alerts, events.

    python -m benchmarks.dashboard.seed --data-dir demo --events 40000
    rune up --data-dir demo

Everything goes through the server's own services, as people and agents would do it, and through
the writer; nothing is written past them. Beyond 200,000 events the store makes more of those that
are there, each at another time of its day and in a session of its own: to make up millions one by
one takes an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from benchmarks.analytics_queries import settle
from benchmarks.dashboard import scenes
from rune_core.bundle.status import AdapterEntry, PoliciesEntry, QueueEntry, Status, ToolEntry
from rune_server import alerts, policies
from rune_server import settings as server_settings
from rune_server.accounts import organisations, users
from rune_server.actor import SDK_PERMISSIONS, Actor, Role, member
from rune_server.agents import report
from rune_server.alerts import jobs as alert_jobs
from rune_server.analytics import Window
from rune_server.auth import keys, passwords
from rune_server.dashboard import saved_views
from rune_server.platform import Platform, open_platform
from rune_server.state import migrations, open_state
from rune_server.state.tables.organisations import Membership
from rune_server.storage.master import open_vault

if TYPE_CHECKING:
    from rune_server.settings import Settings

PASSWORD = "a long demo passphrase"
PEOPLE = (
    ("ada@northwind.example", "Ada Okafor", Role.OWNER),
    ("grace@northwind.example", "Grace Lindqvist", Role.ADMIN),
    ("linus@northwind.example", "Linus Baptiste", Role.MEMBER),
    ("vera@northwind.example", "Vera Tanaka", Role.VIEWER),
)
MASTER_KEY = "00" * 31 + "07"
OTHER = ("bob@contoso.example", "Bob Moreau", Role.OWNER)
_MADE_UP = 200_000
_AGAIN = """
INSERT INTO {database}.events
SELECT * REPLACE (
  generateUUIDv7() AS event_id, {{batch:UUID}} AS batch,
  timestamp - toIntervalMillisecond(rand64() % 3600000) AS timestamp,
  concat(session_id, {{copy:String}}) AS session_id)
FROM (
  SELECT * FROM {database}.events
  WHERE organisation_id = {{organisation:UUID}} AND session_id NOT LIKE '%~%' LIMIT {{rows:UInt64}}
)
"""


@dataclass(frozen=True)
class Demo:
    """What was made."""

    organisation: str
    key: str
    other_organisation: str
    other_key: str
    password: str


async def seed(platform: Platform, *, events: int, days: int = 14, plan: str = "growth") -> Demo:
    """Make the demo.

    Args:
        platform: Open, with an empty state database.
        events: How many events, about.
        days: Over how many days.
        plan: The organisations' plan.
    """
    people = [await _person(platform, *each[:2]) for each in PEOPLE]
    other = await _person(platform, *OTHER[:2])
    mine = await _organisation(platform, "Northwind", people[0], plan)
    async with platform.state.begin() as session:
        for user_id, (_, _, role) in list(zip(people, PEOPLE, strict=True))[1:]:
            session.add(
                Membership(
                    organisation_id=mine,
                    user_id=user_id,
                    role=role.value,
                    created_at=platform.clock.now(),
                )
            )
    theirs = await _organisation(platform, "Contoso", other, plan)
    owner = member(mine, str(people[0]), Role.OWNER)
    key = await keys.create(platform, owner, name="production, Frankfurt")
    await keys.create(platform, owner, name="staging")
    revoked = await keys.create(platform, owner, name="laptop of Linus")
    await keys.revoke(platform, owner, revoked.info.id)
    other_owner = member(theirs, str(other), Role.OWNER)
    other_key = await keys.create(platform, other_owner, name="contoso")
    now = platform.clock.now()
    made_up = min(events, _MADE_UP)
    for batch in scenes.batches(scenes.history(now, days, made_up)):
        await platform.analytics.insert(mine, batch, retention_days=365)
    if events > made_up:
        await _multiplied(platform, mine, events - made_up)
    contoso = list(scenes.history(now, 3, min(events, 400), seed=99))
    await platform.analytics.insert(theirs, contoso, retention_days=365)
    await _policies(platform, owner, member(mine, str(people[2]), Role.MEMBER))
    await _reports(platform, mine)
    await _alerts(platform, owner)
    await _views(platform, owner)
    return Demo(str(mine), key.key, str(theirs), other_key.key, PASSWORD)


async def _multiplied(platform: Platform, organisation_id: UUID, rows: int) -> None:
    """Further events: copies of those that are there, under other ids."""
    store = await platform.analytics.store(organisation_id)
    sql = _AGAIN.format(database=store.database)
    for copy, begin in enumerate(range(0, rows, _MADE_UP)):
        given = {
            "organisation": organisation_id,
            "batch": uuid4(),
            "copy": f"~{copy}",
            "rows": min(_MADE_UP, rows - begin),
        }
        await store.write(lambda client, given=given: client.command(sql, parameters=given))  # type: ignore[misc]
    # Each copy brings events of all days, and all came within minutes, unlike in life.
    await settle(store)


async def _person(platform: Platform, email: str, name: str) -> UUID:
    hashed = await passwords.hashed(platform.settings, PASSWORD)
    async with platform.state.begin() as session:
        user = await users.insert(
            session,
            email=email,
            name=name,
            password_bcrypt=hashed,
            verified_at=platform.clock.now(),
        )
        return user.id


async def _organisation(platform: Platform, name: str, owner: UUID, plan: str) -> UUID:
    async with platform.state.begin() as session:
        made = await organisations.insert(platform.settings, session, owner, name)
        made.plan = plan
        return made.id


CONTENT = """\
version: "1.0"
description: What comes in from outside carries data, not orders.

rules:
  - name: injected-results
    scanner: [prompt_injection, tool_manipulation]
    surface: [tool_result, document]
    threshold: {threshold}
    action: redact
    severity: high

  - name: no-card-numbers-out
    type: data_protection
    patterns: [credit_card, iban]
    surface: [output, tool_call]
    action: redact

  - name: no-secrets-out
    scanner: secret_exposure
    surface: [output, tool_call]
    action: redact
    severity: high
"""
PAYMENTS = """\
version: "1.0"
description: Money goes where the user said, nowhere else.
agents: ["billing-*"]

rules:
  - name: recipient-from-the-user
    type: tool_call
    tools: ["payments.*", send_email]
    when: args.exists(name, args[name].origins.exists(o, o.kind == "untrusted"))
    action: ask
    severity: critical

  - name: payments-per-hour
    type: rate_limit
    tools: ["payments.*"]
    max_calls: 20
    window_seconds: 3600
    action: block
"""
ENGINEERING = """\
version: "1.0"
tags: [engineering, finance]

rules:
  - name: read-only-analyst
    type: tool_denylist
    tools: [crm.update]
    action: block
    severity: high

  - name: commands-in-arguments
    scanner: command_injection
    surface: tool_call
    threshold: 0.7
    action: block
    severity: critical
"""


async def _policies(platform: Platform, owner: Actor, linus: Actor) -> None:
    content = await policies.create(
        platform, owner, "content", CONTENT.format(threshold=0.9), note="First version"
    )
    await policies.publish(platform, owner, content.id)
    for threshold, note in ((0.85, "Two false positives gone"), (0.8, "After the wave of Monday")):
        content = await policies.edit(
            platform, linus, content.id, CONTENT.format(threshold=threshold), note=note
        )
        await policies.publish(platform, owner, content.id)
    payments = await policies.create(platform, linus, "payments", PAYMENTS, note="With finance")
    await policies.publish(platform, owner, payments.id)
    await policies.edit(
        platform,
        linus,
        payments.id,
        PAYMENTS.replace("max_calls: 20", "max_calls: 12"),
        note="Fewer per hour",
    )
    await policies.publish(platform, owner, payments.id, percent=25)
    await policies.create(platform, linus, "engineering", ENGINEERING, note="Draft for review")


async def _reports(platform: Platform, organisation_id: UUID) -> None:
    """What processes say of themselves."""
    world = scenes.World(3)
    actor = Actor(organisation_id, "key", "demo", SDK_PERMISSIONS)
    for agent in scenes.AGENTS[:8]:
        for _ in range(1 + world.random.randrange(2)):
            tools = tuple(
                ToolEntry(
                    agent_id=agent.agent_id,
                    name=tool.name,
                    risk=tool.risk,  # type: ignore[arg-type]
                    definition_hash=f"{scenes.hash_of(tool.name):016x}",
                )
                for tool in agent.tools
            )
            instance = world.hex(32)
            bundle = await policies.bundle_for(platform, organisation_id, instance)
            await report.take(
                platform,
                actor,
                Status(
                    instance=instance,
                    sdk_version="0.1.0",
                    adapters=(
                        AdapterEntry(
                            name=f"rune-{agent.framework.split('-')[0]}",
                            version="0.1.0",
                            framework=agent.framework,
                            framework_version="1.2.0",
                        ),
                    ),
                    policies=PoliciesEntry(fetched=bundle.revision, activated=bundle.revision),
                    queue=QueueEntry(depth=world.random.randrange(9)),
                    tools=tools,
                ),
            )


async def _alerts(platform: Platform, owner: Actor) -> None:
    channel = await alerts.create_channel(
        platform,
        owner,
        alerts.ChannelSpec(name="on call", kind="email", addresses=("oncall@northwind.example",)),
    )
    day = 86_400
    for spec in (
        alerts.RuleSpec(
            name="Many blocks of one agent",
            kind="count",
            severity="high",
            match=alerts.EventMatch(actions=("block",)),
            window_seconds=3 * day,
            threshold=2,
            group_by="agent",
            channels=(channel.id,),
        ),
        alerts.RuleSpec(
            name="Agent gone silent", kind="silence", severity="medium", window_seconds=7200
        ),
        alerts.RuleSpec(
            name="Money asked for by a mail",
            kind="count",
            severity="critical",
            match=alerts.EventMatch(rules=("recipient-from-the-user",)),
            window_seconds=7 * day,
            threshold=3,
            channels=(channel.id,),
        ),
        alerts.RuleSpec(
            name="New tool", kind="first_seen", severity="low", first_seen="tool", enabled=False
        ),
    ):
        await alerts.create_rule(platform, owner, spec)
    await alert_jobs.evaluate_due(platform)
    page = await alerts.alerts(platform, owner, states=("open",))
    # Some stay open, however few the time of day brings.
    for one in page.items[3:4]:
        await alerts.acknowledge(platform, owner, one.id)
    for one in page.items[4:5]:
        await alerts.resolve(platform, owner, one.id)


async def _views(platform: Platform, owner: Actor) -> None:
    for name, query, shared in (
        ("Blocked in production", "action=block&tag=prod", True),
        ("Money", "agent=billing-assistant&tool=payments.transfer&range=7d", True),
        ("Layer 2 did not run", "degraded=yes&range=7d", False),
    ):
        await saved_views.save(platform, owner, name=name, query=query, shared=shared)


def settings_for(folder: Path, **values: Any) -> Settings:
    """Settings of a demo server in a folder of its own, with quick password hashes."""
    return server_settings.load(
        {"data_dir": folder, "master_key": MASTER_KEY, "password_cost": 4, **values},
        environ={},
    )


async def migrated(settings: Settings) -> None:
    """Bring the state database up to date."""
    from rune_server.clock import SystemClock

    state = open_state(settings, open_vault(settings), SystemClock())
    try:
        await migrations.upgrade(state)
    finally:
        await state.close()


async def _main(arguments: argparse.Namespace) -> None:
    settings = settings_for(arguments.data_dir)
    await migrated(settings)
    began = datetime.now(UTC)
    async with open_platform(settings) as platform:
        made = await seed(platform, events=arguments.events, days=arguments.days)
        window = Window.last(timedelta(days=arguments.days + 1), until=datetime.now(UTC))
        stored = (await platform.analytics.totals(UUID(made.organisation), window)).events
    took = datetime.now(UTC) - began
    told = asdict(made) | {"events": stored, "seconds": took / timedelta(seconds=1)}
    json.dump(told, sys.stdout, indent=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m benchmarks.dashboard.seed"
    )
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--days", type=int, default=14)
    asyncio.run(_main(parser.parse_args()))
