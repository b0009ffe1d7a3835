"""What the inventory is to its callers: agents, their tools, and the processes that run them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - the API makes schemas of these types
from typing import Literal

ToolChangeKind = Literal["added", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """What a person or program enters about an agent. Reports and events need none of it.

    Attributes:
        agent_id: As the SDK says it.
        name: For people; empty to show the id.
        framework: Such as ``langchain``.
        description: For people.
        tags: For people; those that policies go by come from the SDK.
    """

    agent_id: str
    name: str = ""
    framework: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent: what it did within a window, and what runs it.

    Attributes:
        agent_id: As the SDK says it.
        name: For people; the id when nobody entered one.
        framework: Such as ``langchain``; empty when unknown.
        description: For people.
        tags: Entered by people and said by the SDK.
        registered: Whether somebody entered it.
        version: Of what was entered; 0 when nothing was.
        status: ``active``, ``silent`` (nothing for longer than an hour) or ``never`` (registered
            and not heard of so far).
        risk: 0 to 100, see ``analytics.risk``.
        trend: ``risk`` less that of the window before; positive is worse.
        events: Decisions within the window.
        blocked: Of those, blocked ones.
        asked: Of those, ones that a person was asked about.
        flagged: Of those, flagged or redacted ones.
        tools: How many tools it was seen with.
        top_threat: The most frequent threat within the window; empty without one.
        instances: Processes that reported within the last hour and run it.
        sdk_version: As last heard of; empty when unknown.
        policy_revision: As last heard of; empty when unknown.
        first_seen: When it was first heard of; None when it never was.
        last_seen: When it was last heard of; None when it never was.
    """

    agent_id: str
    name: str
    framework: str
    description: str
    tags: tuple[str, ...]
    registered: bool
    version: int
    status: Literal["active", "silent", "never"]
    risk: int
    trend: int
    events: int
    blocked: int
    asked: int
    flagged: int
    tools: int
    top_threat: str
    instances: int
    sdk_version: str
    policy_revision: str
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool of one agent.

    Attributes:
        agent_id: The agent; empty for calls without one.
        tool: The tool's name.
        risk: ``low``, ``medium`` or ``high``; empty when unknown.
        definitions: Hashes of its definition, the newest first.
        calls: Within the window.
        stopped: Of those, asked or blocked ones.
        untrusted: Calls with an argument from an untrusted text.
        first_seen: When it was first heard of.
        last_seen: When it was last heard of.
    """

    agent_id: str
    tool: str
    risk: str
    definitions: tuple[str, ...]
    calls: int
    stopped: int
    untrusted: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class ToolChange:
    """A tool that an agent got, or whose definition changed, as processes reported it.

    Attributes:
        agent_id: The agent.
        tool: The tool's name.
        what: ``added`` or ``changed``.
        before: Hash of the definition before; empty for an added tool.
        after: Hash of the definition since.
        at: When it was first reported.
    """

    agent_id: str
    tool: str
    what: ToolChangeKind
    before: str
    after: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter and the framework it guards, in one process."""

    name: str
    version: str
    framework: str
    framework_version: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a process does not guard."""

    surface: str
    what: str
    guarded: bool
    reason: str


@dataclass(frozen=True, slots=True)
class RefusedPolicy:
    """A policy that a process would not put in force."""

    name: str
    revision: int
    line: int
    key: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One process with Rune in it, as it last reported.

    Attributes:
        instance: Its id: random, made by the SDK.
        sdk_version: Of rune-core.
        agents: Agents that it runs, as far as they called tools.
        adapters: Its adapters.
        fetched: Revision of the bundle that it fetched last; empty when none.
        activated: Revision of the bundle in force; empty when none.
        refused: Policies that it would not put in force.
        gaps: What it does not guard.
        queue_depth: Events that wait to be sent.
        queue_oldest_seconds: How long the oldest of them waits.
        dropped: Events lost, by reason.
        first_at: When it first reported.
        reported_at: When it last reported.
    """

    instance: str
    sdk_version: str
    agents: tuple[str, ...]
    adapters: tuple[Adapter, ...]
    fetched: str
    activated: str
    refused: tuple[RefusedPolicy, ...]
    gaps: tuple[Gap, ...]
    queue_depth: int
    queue_oldest_seconds: float
    dropped: dict[str, int] = field(default_factory=dict)
    first_at: datetime
    reported_at: datetime
