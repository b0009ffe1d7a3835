"""What a policy is, after loading: plain frozen values, each with the line it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from rune_scanner.finding import Severity, Surface, Threat

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from rune_core.action import Action
    from rune_core.policy.conditions import Condition

ALL_SURFACES = frozenset(Surface)
TOOL_SURFACES = frozenset((Surface.TOOL_CALL,))

DEFAULT_FLAG_THRESHOLD = 0.5
DEFAULT_ACT_THRESHOLD = 0.75
"""Thresholds of rules that name none: to flag, a suspicion will do; to act, it must be strong."""


class Mode(StrEnum):
    """Whether a rule acts or only records."""

    ENFORCE = "enforce"
    MONITOR = "monitor"


class Extent(StrEnum):
    """How far a cut reaches around what matched."""

    SPAN = "span"
    """What matched, no more: for secrets and personal data."""
    PARAGRAPH = "paragraph"
    """The paragraph, list item or JSON string around it: for instructions, whose harm lies in the
    sentences after the phrase that gives them away."""
    ALL = "all"
    """The whole text."""


INSTRUCTION_THREATS = frozenset(
    (
        Threat.PROMPT_INJECTION,
        Threat.JAILBREAK,
        Threat.TOOL_MANIPULATION,
        Threat.SYSTEM_PROMPT_LEAK,
        Threat.PRIVILEGE_ESCALATION,
    )
)
"""Threats that are instructions to the model; a redact rule on them cuts paragraphs unless its
``extent`` says otherwise."""


@dataclass(frozen=True, slots=True)
class ScannerMatch:
    """Matches when the findings of a threat reach a threshold.

    Attributes:
        threats: The threats it looks at.
        threshold: The score to reach, 0 to 1.
        detectors: Globs over detector rule ids to count; empty for all.
        except_detectors: Globs over detector rule ids not to count.
    """

    threats: frozenset[Threat]
    threshold: float
    detectors: tuple[str, ...] = ()
    except_detectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllowlistMatch:
    """Matches calls of tools that are not listed. Globs, letter case counts."""

    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DenylistMatch:
    """Matches calls of tools that are listed. Globs, letter case ignored."""

    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RateLimitMatch:
    """Matches calls beyond ``max_calls`` in any ``window_seconds``.

    Attributes:
        max_calls: Calls that may pass within a window.
        window_seconds: Length of the sliding window.
        tools: Globs of the tools counted together; empty for all.
        per: ``session``, ``agent`` or ``process``: whose calls are counted together.
    """

    max_calls: int
    window_seconds: float
    tools: tuple[str, ...] = ()
    per: str = "agent"


@dataclass(frozen=True, slots=True)
class DataProtectionMatch:
    """Matches sensitive data by name or by the author's own patterns.

    Attributes:
        names: Globs over detector rule ids and labels, letter case ignored, such as ``email``;
            threat aliases such as ``secrets`` are expanded to threats.
        threats: Threats named by an alias.
        regexes: The author's own patterns, by the detector id under which they report.
        threshold: The confidence to reach, 0 to 1.
    """

    names: tuple[str, ...]
    threats: frozenset[Threat]
    regexes: tuple[tuple[str, str], ...]
    threshold: float


@dataclass(frozen=True, slots=True)
class ToolCallMatch:
    """Matches calls of which a condition holds, or every call when it has none.

    Attributes:
        when: The condition; None for every call.
    """

    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class SequenceStep:
    """One step of a sequence.

    Attributes:
        tools: Globs of the tools that are this step; empty for any.
        when: What else must hold of the call; None for nothing.
    """

    tools: tuple[str, ...] = ()
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class SequenceMatch:
    """Matches the call that is the last of several steps made in order within a session.

    Attributes:
        steps: The steps, at least two. Other calls may lie in between.
        within_calls: How many calls after the first step's the last may come; None for any.
        within_seconds: The same in seconds.
    """

    steps: tuple[SequenceStep, ...]
    within_calls: int | None = None
    within_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class BudgetMatch:
    """Matches calls beyond a budget.

    Attributes:
        max_calls: Calls that may be made; None for any number.
        max_spend: What the calls may spend together; None for any sum.
        spend: The argument that says what a call spends, as the parts of its path.
        max_repeats: How often a tool may be called with the same arguments; None for any number.
        max_tokens: Tokens the model may have used before; None for any number.
        window_seconds: Length of the sliding window; None to count as long as the scope lives.
        tools: Globs of the tools counted together; empty for all.
        per: ``session``, ``agent`` or ``process``: whose calls are counted together.
    """

    max_calls: int | None = None
    max_spend: Decimal | None = None
    spend: tuple[str, ...] = ()
    max_repeats: int | None = None
    max_tokens: int | None = None
    window_seconds: float | None = None
    tools: tuple[str, ...] = ()
    per: str = "session"


@dataclass(frozen=True, slots=True)
class CircuitBreakerMatch:
    """Matches every call from when an agent goes round in circles until it has cooled down.

    Attributes:
        max_refused: Calls that may be refused before it opens; None for any number.
        max_repeats: How often a tool may be called with the same arguments; None for any number.
        window_seconds: Within how long; None for as long as the scope lives.
        cooldown_seconds: How long it stays open; None for as long as the scope lives.
        tools: Globs of the tools it watches and stops; empty for all.
        per: ``session``, ``agent`` or ``process``: whose calls are counted together.
    """

    max_refused: int | None = None
    max_repeats: int | None = None
    window_seconds: float | None = None
    cooldown_seconds: float | None = None
    tools: tuple[str, ...] = ()
    per: str = "session"


class Remember(StrEnum):
    """What an approval is remembered for, within its session."""

    CALL = "call"
    """This tool with these arguments."""
    TOOL = "tool"
    """This tool with any arguments."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a rule asks.

    Attributes:
        timeout_seconds: How long to wait for an answer; None for the Shield's setting.
        remember: What an approval is remembered for; None for nothing.
        remember_seconds: For how long; None for as long as the session lives.
    """

    timeout_seconds: float | None = None
    remember: Remember | None = None
    remember_seconds: float | None = None


PLAIN_ASKING = Asking()

Match: TypeAlias = (
    ScannerMatch
    | AllowlistMatch
    | DenylistMatch
    | RateLimitMatch
    | DataProtectionMatch
    | ToolCallMatch
    | SequenceMatch
    | BudgetMatch
    | CircuitBreakerMatch
)

KIND_OF: dict[type[Match], str] = {
    ScannerMatch: "scanner",
    AllowlistMatch: "tool_allowlist",
    DenylistMatch: "tool_denylist",
    RateLimitMatch: "rate_limit",
    DataProtectionMatch: "data_protection",
    ToolCallMatch: "tool_call",
    SequenceMatch: "sequence",
    BudgetMatch: "budget",
    CircuitBreakerMatch: "circuit_breaker",
}


@dataclass(frozen=True, slots=True)
class Audience:
    """The agents that something is for.

    Attributes:
        agents: Globs of agent ids; empty for all, and for calls without an agent id.
        tags: The agent must have one of these tags; empty for all.
    """

    agents: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """False when it is everybody."""
        return bool(self.agents or self.tags)


EVERYBODY = Audience()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy file.

    Attributes:
        name: Unique among a user's files. A rule named like a built-in one replaces it.
        match: When it matches.
        action: What it asks for.
        severity: How bad a match is.
        surfaces: Where it applies.
        mode: ``monitor`` records and does not act.
        tools: Globs of the tools it is narrowed to; empty for all, and for texts without tool.
        agents: Globs of the agent ids it is narrowed to; empty for all.
        tags: The agent must have one of these tags; empty for all.
        within: Whom its file is for; the rule is for those who are in both.
        extent: How far cuts reach; None for the default of the threat.
        asking: How it asks, when it does.
        alert: True for ``action: alert``: recorded, and raised as an alert event.
        judge: True to ask the judge, where there is one, about what the rule matches.
        description: For people.
        policy: Name of the file it is in.
        path: That file.
        line: Where it starts.
    """

    name: str
    match: Match
    action: Action
    severity: Severity = Severity.MEDIUM
    surfaces: frozenset[Surface] = ALL_SURFACES
    mode: Mode = Mode.ENFORCE
    tools: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    within: Audience = EVERYBODY
    extent: Extent | None = None
    asking: Asking = PLAIN_ASKING
    alert: bool = False
    judge: bool = False
    description: str = ""
    policy: str = ""
    path: str = ""
    line: int = 0

    @property
    def kind(self) -> str:
        """The kind of rule, such as ``scanner`` or ``tool_allowlist``."""
        return KIND_OF[type(self.match)]

    @property
    def audiences(self) -> tuple[Audience, ...]:
        """Whom it is for: agents who are in each of these. Empty for everybody."""
        own = Audience(self.agents, self.tags)
        return tuple(audience for audience in (own, self.within) if audience)


@dataclass(frozen=True, slots=True)
class Exemption:
    """One entry of ``exceptions:``: lifts a rule in a narrow place.

    Attributes:
        rule: Glob over policy rule names.
        reason: Why, for whoever reads it later.
        detectors: Globs over detector rule ids not counted here; empty to lift the rule whole.
        tools: Globs of tools; empty for any, and for texts without tool.
        surfaces: Where.
        agents: Globs of agent ids; empty for any.
        within: Whom its file is for.
        when: What must hold of the call; None for anything. With it, only calls are lifted.
        until: Last day on which it holds; None for ever.
        decision: The decision it was written for; for people.
        policy: Name of the file it is in.
        path: That file.
        line: Where it starts.
    """

    rule: str
    reason: str
    detectors: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    surfaces: frozenset[Surface] = ALL_SURFACES
    agents: tuple[str, ...] = ()
    within: Audience = EVERYBODY
    when: Condition | None = None
    until: date | None = None
    decision: str = ""
    policy: str = ""
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class FailRule:
    """One entry of ``on_error:``; the first that fits decides, before the built-in table.

    Attributes:
        closed: True to block, False to let pass.
        layer: Glob over layer names.
        surfaces: Where.
        tool_risk: Risks of the tool it is for; empty for any.
    """

    closed: bool
    layer: str = "*"
    surfaces: frozenset[Surface] = ALL_SURFACES
    tool_risk: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file, as loaded. ``audience`` is whom it is for, as its rules know already."""

    name: str
    path: str
    rules: tuple[Rule, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    tool_risk: tuple[tuple[str, tuple[str, ...]], ...] = ()
    tool_capabilities: tuple[tuple[str, tuple[str, ...]], ...] = ()
    on_error: tuple[FailRule, ...] = ()
    defaults: bool = True
    audience: Audience = EVERYBODY
    digest: str = field(default="", repr=False)
