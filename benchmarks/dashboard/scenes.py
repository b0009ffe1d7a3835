"""Runs of made-up agents as event metadata: what a few teams' agents do over some weeks.

A run is a session: the user asks, the agent reads and calls, texts are scanned, rules decide. Most
runs are harmless; some meet an injection in what they read, some leak, some are talked to by
attackers in waves. Everything comes from one seed.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from rune_core.event.schema import ArgumentEntry, Event, LayerEntry, RuleEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Tool:
    """A tool: its name, risk, and the arguments it takes."""

    name: str
    risk: str
    arguments: tuple[str, ...]
    reads: bool = False


@dataclass(frozen=True)
class AgentScene:
    """An agent: who it is, how busy, and how much trouble it meets."""

    agent_id: str
    tags: tuple[str, ...]
    framework: str
    tools: tuple[Tool, ...]
    busy: float
    trouble: float
    degraded: float = 0.0
    monitored: bool = False
    silent_hours: float = 0.0
    threats: tuple[str, ...] = ("prompt_injection", "data_exfiltration")


READ_MAIL = Tool("read_email", "low", ("folder", "query"), reads=True)
SEND_MAIL = Tool("send_email", "high", ("to", "subject", "body"))
SEARCH = Tool("web.search", "low", ("query",), reads=True)
FETCH = Tool("web.fetch", "medium", ("url",), reads=True)
SQL = Tool("warehouse.query", "high", ("sql",))
PAY = Tool("payments.transfer", "high", ("recipient", "amount", "reference"))
INVOICE = Tool("invoices.read", "low", ("invoice_id",), reads=True)
TICKET = Tool("tickets.read", "low", ("ticket_id",), reads=True)
REPLY = Tool("tickets.reply", "medium", ("ticket_id", "text"))
REFUND = Tool("orders.refund", "high", ("order_id", "amount"))
REPO = Tool("repo.read_file", "low", ("path",), reads=True)
SHELL = Tool("shell.run", "high", ("command",))
CRM = Tool("crm.lookup", "low", ("account",), reads=True)
UPDATE = Tool("crm.update", "medium", ("account", "field", "value"))
CALENDAR = Tool("calendar.create", "medium", ("title", "attendees", "start"))

AGENTS = (
    AgentScene(
        "billing-assistant",
        ("prod", "finance"),
        "langchain",
        (INVOICE, READ_MAIL, PAY, SEND_MAIL),
        1.0,
        0.17,
        threats=("prompt_injection", "data_exfiltration", "pii_exposure"),
    ),
    AgentScene(
        "support-triage",
        ("prod", "eu"),
        "langchain",
        (TICKET, REPLY, REFUND, CRM),
        2.6,
        0.05,
        threats=("jailbreak", "prompt_injection", "pii_exposure"),
    ),
    AgentScene(
        "inbox-copilot",
        ("prod",),
        "openai-agents",
        (READ_MAIL, SEND_MAIL, CALENDAR),
        1.5,
        0.10,
    ),
    AgentScene(
        "research-crawler",
        ("staging",),
        "llamaindex",
        (SEARCH, FETCH),
        2.1,
        0.08,
        degraded=0.04,
        threats=("prompt_injection", "tool_manipulation"),
    ),
    AgentScene(
        "code-reviewer",
        ("prod", "engineering"),
        "openai",
        (REPO, SHELL),
        0.9,
        0.09,
        threats=("command_injection", "secret_exposure"),
    ),
    AgentScene(
        "data-analyst",
        ("prod", "finance"),
        "langchain",
        (SQL, CRM),
        0.8,
        0.03,
        threats=("command_injection", "privilege_escalation"),
    ),
    AgentScene(
        "sales-crm",
        ("prod",),
        "openai",
        (CRM, UPDATE, SEND_MAIL),
        1.2,
        0.015,
        monitored=True,
        threats=("pii_exposure", "policy_violation"),
    ),
    AgentScene("hr-helpdesk", ("prod", "eu"), "llamaindex", (READ_MAIL, CALENDAR), 0.5, 0.004),
    AgentScene(
        "ops-runbook", ("internal",), "langchain", (SHELL, FETCH), 0.35, 0.02, silent_hours=5
    ),
    AgentScene("travel-booker", ("beta",), "openai-agents", (SEARCH, CALENDAR), 0.3, 0.0),
)

_RULES = {
    "prompt_injection": ("injected-results", "content", "redact", "high", ("PI-0031", "PI-0112")),
    "jailbreak": ("attack-in-input", "default", "block", "high", ("JB-0007",)),
    "data_exfiltration": (
        "recipient-from-the-user",
        "payments",
        "ask",
        "critical",
        ("EX-0004", "EX-0019"),
    ),
    "secret_exposure": ("no-secrets-out", "content", "redact", "high", ("SE-0012",)),
    "pii_exposure": ("no-card-numbers-out", "content", "redact", "medium", ("PII-0003",)),
    "tool_manipulation": ("poisoned-tools", "content", "block", "high", ("TM-0002",)),
    "command_injection": (
        "commands-in-arguments",
        "engineering",
        "block",
        "critical",
        ("CI-0008",),
    ),
    "privilege_escalation": ("read-only-analyst", "engineering", "block", "high", ("PE-0001",)),
    "policy_violation": ("calls-per-minute", "default", "block", "low", ()),
}


@dataclass
class World:
    """Everything random, from one seed."""

    seed: int = 7
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def hex(self, digits: int) -> str:
        return f"{self.random.getrandbits(digits * 4):0{digits}x}"


def history(until: datetime, days: int, events: int, seed: int = 7) -> Iterator[Event]:
    """About ``events`` events over ``days`` days before ``until``, session by session."""
    world = World(seed)
    weights = [agent.busy for agent in AGENTS]
    made = 0
    while made < events:
        agent = world.random.choices(AGENTS, weights)[0]
        at = _moment(world, until, days)
        if agent.silent_hours and at > until - timedelta(hours=agent.silent_hours):
            continue
        for event in session(world, agent, at):
            if event.timestamp <= stamp(until):
                made += 1
                yield event


def _moment(world: World, until: datetime, days: int) -> datetime:
    """A time of day at which people work, more towards the end, with waves of attacks."""
    while True:
        at = until - timedelta(seconds=world.random.random() ** 1.15 * days * 86_400)
        hour = at.hour + at.minute / 60
        busy = 0.25 + 0.75 * math.exp(-(((hour - 13) / 4.6) ** 2))
        if at.weekday() >= 5:
            busy *= 0.45
        if world.random.random() < busy:
            return at


def session(
    world: World, agent: AgentScene, at: datetime, *, trouble: bool | None = None
) -> Iterator[Event]:
    """One run of an agent."""
    rng = world.random
    if trouble is None:
        wave = 3.0 if at.hour in (9, 10, 15) and at.day % 3 == 0 else 1.0
        trouble = rng.random() < agent.trouble * wave
    run = _Run(world, agent, at)
    threat = rng.choice(agent.threats) if trouble else None
    if threat == "jailbreak":
        yield run.scan("input", threat)
        return
    yield run.scan("input", None)
    steps = rng.randint(1, 5)
    hit = rng.randrange(steps)
    for step in range(steps):
        tool = rng.choice(agent.tools)
        struck = threat if step == hit else None
        on_call = struck in {
            "data_exfiltration",
            "command_injection",
            "privilege_escalation",
            "policy_violation",
        }
        call = run.call(tool, struck if on_call else None, tainted=trouble and step >= hit)
        yield call
        if call.action == "block":
            break
        if tool.reads:
            yield run.scan("tool_result", None if on_call else struck, tool)
        elif struck and not on_call:
            yield run.scan("document", struck)
    yield run.scan("output", "pii_exposure" if threat == "pii_exposure" else None)


class _Run:
    """A session under way."""

    def __init__(self, world: World, agent: AgentScene, at: datetime) -> None:
        self.world, self.agent, self.at = world, agent, at
        self.session_id = f"s-{world.hex(16)}"
        self.sequence = 0
        self.parent: str | None = None
        self.key = world.hex(16)

    def scan(self, surface: str, threat: str | None, tool: Tool | None = None) -> Event:
        return self._event("scan", surface, threat, tool, ())

    def call(self, tool: Tool, threat: str | None, *, tainted: bool) -> Event:
        rng = self.world.random
        arguments = []
        for name in tool.arguments:
            kinds: tuple[str, ...] = (rng.choice(("user", "user", "model", "system")),)
            if tainted and (threat is not None or rng.random() < 0.4):
                kinds = ("untrusted",)
            arguments.append(
                ArgumentEntry(name, self.world.hex(32), rng.randint(2, 900), kinds)  # type: ignore[arg-type]
            )
        return self._event("tool_call", "tool_call", threat, tool, tuple(arguments))

    def _event(
        self,
        kind: str,
        surface: str,
        threat: str | None,
        tool: Tool | None,
        arguments: tuple[ArgumentEntry, ...],
    ) -> Event:
        rng = self.world.random
        self.at += timedelta(milliseconds=rng.randint(60, 4200))
        self.sequence += 1
        risk = min(1.0, max(0.0, rng.gauss(0.9, 0.07))) if threat else abs(rng.gauss(0.0, 0.04))
        action, rule, policy, severity, detectors = "allow", None, None, None, ()
        if threat:
            rule, policy, action, severity, detectors = _RULES[threat]
            if threat == "prompt_injection" and surface == "document":
                action = "block"
            if action == "ask" and rng.random() < 0.6:
                action = "block"
        elif rng.random() < 0.025:
            action, severity, rule, policy = "flag", "low", "suspicion-in-data", "default"
            threat, risk = "prompt_injection", rng.uniform(0.5, 0.7)
            detectors = ("L2-PI",)
        monitored = None
        if self.agent.monitored and action in {"redact", "ask", "block"}:
            monitored, action = action, "allow"
        decision = f"d-{self.world.hex(20)}"
        failed = rng.random() < self.agent.degraded
        l2 = max(0.4, rng.lognormvariate(1.35, 0.45))
        layers = (
            LayerEntry("l1", "ran", round(rng.uniform(0.04, 0.3), 3), round(risk * 0.9, 3)),
            LayerEntry(
                "l2",
                "timeout" if failed else "ran",
                round(40 if failed else l2, 2),
                None if failed else round(risk, 3),
            ),
            LayerEntry("l3", "skipped"),
        )
        event = Event(
            event_id=str(_id(self.world, self.at)),
            timestamp=stamp(self.at),
            event_type=kind,  # type: ignore[arg-type]
            surface=surface,  # type: ignore[arg-type]
            action=action,  # type: ignore[arg-type]
            monitored_action=monitored,  # type: ignore[arg-type]
            agent_id=self.agent.agent_id,
            agent_tags=self.agent.tags,
            session_id=self.session_id,
            sequence=self.sequence,
            parent_id=self.parent,
            risk_score=round(risk, 3),
            threat_type=threat,  # type: ignore[arg-type]
            threats=(threat,) if threat else (),  # type: ignore[arg-type]
            severity=severity,  # type: ignore[arg-type]
            detectors=detectors,
            decision_id=decision,
            policy=policy,
            policy_revision="7" if policy else "",
            rule=rule,
            rules=(
                RuleEntry(
                    rule,
                    policy or "",
                    "scanner",
                    monitored or action,
                    severity or "low",
                    bool(monitored),
                ),  # type: ignore[arg-type]
            )
            if rule
            else (),
            layers=layers,
            latency_ms=round(sum(layer.latency_ms for layer in layers), 2),
            degraded=failed,
            redacted=action == "redact",
            approval=rng.choice(("approved", "denied")) if action == "ask" else None,  # type: ignore[arg-type]
            tool=tool.name if tool else None,
            tool_risk=tool.risk if tool else None,  # type: ignore[arg-type]
            tool_definition_hash=f"{abs(hash_of(tool.name)):016x}" if tool else None,
            arguments=arguments,
            hash_key_id=self.key if arguments else None,
            size=rng.randint(20, 9000),
            framework=self.agent.framework,
            adapter=f"rune-{self.agent.framework.split('-')[0]}",
            sdk_version="0.1.0",
        )
        self.parent = decision if kind == "tool_call" else self.parent
        return event


def hash_of(name: str) -> int:
    """A number from a name, the same in every process."""
    import hashlib

    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")


def stamp(at: datetime) -> str:
    """A time as events carry it."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _id(world: World, at: datetime) -> str:
    """A UUIDv7 of that time, from the seed."""
    from uuid import UUID

    milliseconds = int(at.timestamp() * 1000)
    bits = (milliseconds << 80) | (0x7 << 76) | (world.random.getrandbits(12) << 64)
    bits |= (0b10 << 62) | world.random.getrandbits(62)
    return str(UUID(int=bits))


def batches(events: Iterator[Event], size: int = 10_000) -> Iterator[Sequence[Event]]:
    """Events in lists of ``size``."""
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def encoded(events: Sequence[Event]) -> bytes:
    """Events as the SDK sends them."""
    return b'{"events":' + msgspec.json.encode(list(events)) + b"}"
