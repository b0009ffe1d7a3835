"""Hold facts against compiled policies. Pure: the same facts give the same matches."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from rune_core.action import Action
from rune_core.ids import safe_name
from rune_core.policy.compiled import today
from rune_core.policy.conditions import Activation, ConditionError
from rune_core.policy.decision import Decision, RuleMatch
from rune_core.policy.model import (
    INSTRUCTION_THREATS,
    AllowlistMatch,
    BudgetMatch,
    CircuitBreakerMatch,
    Extent,
    RateLimitMatch,
    SequenceMatch,
    ToolCallMatch,
)
from rune_core.policy.untold import untold
from rune_core.verdict import score
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.policy.compiled_rule import CompiledRule
    from rune_scanner.finding import Finding, Threat

_SURFACE_NAMES = {
    Surface.INPUT: "the input",
    Surface.OUTPUT: "the output",
    Surface.TOOL_CALL: "the tool call",
    Surface.TOOL_RESULT: "the tool result",
    Surface.DOCUMENT: "the document",
    Surface.TOOL_DEFINITION: "the tool definition",
    Surface.HANDOFF: "the handoff",
}
_DONE = {
    Action.ALLOW: "Allowed",
    Action.FLAG: "Flagged",
    Action.REDACT: "Redacted",
    Action.ASK: "Needs approval",
    Action.BLOCK: "Blocked",
}
_MAX_DETECTORS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """All that an evaluation may depend on.

    Attributes:
        surface: Where the text was met.
        findings: What was found in it.
        tool: The tool called, or that answered.
        agent_id: The agent.
        tags: The agent's tags.
        exceeded: Names of rate-limit rules whose limit this call exceeds.
        call: What conditions may ask about the call; None where no condition is held against it.
        counted: Budget and sequence rules that match, by name, and why.
    """

    surface: Surface
    findings: Sequence[Finding] = ()
    tool: str | None = None
    agent_id: str | None = None
    tags: frozenset[str] = frozenset()
    exceeded: frozenset[str] = frozenset()
    call: Activation | None = None
    counted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cut:
    """One finding that a redact rule wants cut, and how far around it."""

    finding: Finding
    extent: Extent


@dataclass(slots=True)
class Evaluation:
    """What an evaluation found: the matches, and what is to be cut.

    Attributes:
        matches: Every rule that matched.
        cuts: What the redact rules that act want cut.
        alerts: Names of the matched rules whose action is ``alert``.
    """

    matches: list[RuleMatch] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)


def evaluate(policy: CompiledPolicy, facts: Facts) -> Evaluation:
    """Find every rule that matches.

    Args:
        policy: The policies in force.
        facts: What is known.
    """
    done = Evaluation()
    day = today() if policy.exemptions else None
    if facts.findings:
        by_threat: dict[Threat, list[Finding]] = {}
        for finding in facts.findings:
            by_threat.setdefault(finding.threat, []).append(finding)
        for threat, findings in by_threat.items():
            group = _Group(findings, threat, facts.surface)
            for rule in policy.for_threat(facts.surface, threat):
                if rule.concerns(facts.tool, facts.agent_id, facts.tags):
                    _hold_findings(rule, group, facts, day, done)
        protected: dict[CompiledRule, list[Finding]] = {}
        for finding in facts.findings:
            for rule in policy.for_data(facts.surface, finding):
                protected.setdefault(rule, []).append(finding)
        for rule, findings in protected.items():
            if rule.concerns(facts.tool, facts.agent_id, facts.tags):
                _hold_findings(rule, _Group(findings, None, facts.surface), facts, day, done)
    if facts.tool is not None and facts.surface is Surface.TOOL_CALL:
        rules = policy.for_tool(facts.tool)
        for rule in rules.hits:
            if rule.concerns(facts.tool, facts.agent_id, facts.tags):
                _add_tool_match(rule, facts, day, done)
        for rule in rules.limits:
            if rule.rule.name in facts.exceeded:
                _add_tool_match(rule, facts, day, done)
        batch = rules.batch
        told = None if batch is None or facts.call is None else iter(batch.hold(facts.call))
        for rule in rules.calls:
            # Batches answer for every condition, so each answer is taken off in its turn.
            holds = next(told) if told is not None and rule.has_condition else _UNASKED
            if holds is not False and rule.concerns(facts.tool, facts.agent_id, facts.tags):
                _hold_call(rule, facts, day, done, holds)
        if facts.counted:
            for rule in (*rules.budgets, *(rule for rule, _ in rules.sequences)):
                why = facts.counted.get(rule.rule.name)
                if why is not None:
                    _add_tool_match(rule, facts, day, done, why)
    return done


class _Group:
    """Findings held against rules together. Shared by rules, so its sums are made once.

    Args:
        findings: The findings; not empty.
        threat: What they all warn of; None for protected data, whatever it warns of.
        surface: Where they were met.
    """

    __slots__ = ("_detectors", "_reason", "_surface", "findings", "score", "threat")

    def __init__(
        self, findings: Sequence[Finding], threat: Threat | None, surface: Surface
    ) -> None:
        self.findings = findings
        self.threat = threat
        self._surface = surface
        self._detectors: tuple[str, ...] | None = None
        self._reason = ""
        # Different kinds of data do not support each other: each is there or not.
        self.score = (
            max(finding.confidence for finding in findings) if threat is None else score(findings)
        )

    @property
    def detectors(self) -> tuple[str, ...]:
        """Detector ids, surest first."""
        if self._detectors is None:
            findings = self.findings
            if len(findings) == 1:
                self._detectors = (findings[0].rule_id,)
            else:
                ranked = sorted(findings, key=lambda f: (-f.confidence, f.rule_id))
                self._detectors = tuple(dict.fromkeys(finding.rule_id for finding in ranked))
        return self._detectors

    @property
    def reason(self) -> str:
        """What was found where, for a person."""
        if not self._reason:
            detectors = self.detectors
            shown = ", ".join(detectors[:_MAX_DETECTORS_SHOWN])
            more = len(detectors) - _MAX_DETECTORS_SHOWN
            tail = f" and {more} more" if more > 0 else ""
            what = "protected data" if self.threat is None else self.threat.replace("_", " ")
            place = _SURFACE_NAMES[self._surface]
            self._reason = f"{what} {self.score:.2f} in {place} ({shown}{tail})"
        return self._reason

    def only(self, findings: Sequence[Finding]) -> _Group:
        """A group of some of the findings."""
        return _Group(findings, self.threat, self._surface)


def decide(decision_id: str, revision: str, matches: Iterable[RuleMatch]) -> Decision:
    """The strictest action among the matches that act, with the explanation."""
    ranked = sorted(matches, key=_strictness)
    if not ranked:
        return Decision(decision_id, revision=revision)
    first = ranked[0]
    monitored_action = max(
        {m.action for m in ranked if not m.excepted_by},
        key=_rank_of,
        default=Action.ALLOW,
    )
    if not first.acts:
        return Decision(
            decision_id,
            revision=revision,
            explanation=_bystanders(ranked),
            matches=tuple(ranked),
            monitored_action=monitored_action,
            threat=next(
                (m.threat for m in ranked if not m.excepted_by and m.action is monitored_action),
                None,
            ),
        )
    others = sum(1 for m in ranked[1:] if m.acts)
    tail = "" if not others else f" {others} more rule{'s' if others > 1 else ''} matched."
    return Decision(
        decision_id,
        action=first.action,
        rule=first.rule,
        policy=first.policy,
        revision=revision,
        explanation=f"{_DONE[first.action]} by rule '{first.rule}' ({first.policy}): "
        f"{first.reason}.{tail}",
        matches=tuple(ranked),
        monitored_action=monitored_action,
        threat=first.threat,
    )


_rank_of = attrgetter("rank")


def _strictness(match: RuleMatch) -> tuple[int, int, float, str]:
    return (
        -match.action.rank if match.acts else 1,
        -match.severity.rank,
        -(match.score or 0.0),
        match.rule,
    )


def _bystanders(matches: Sequence[RuleMatch]) -> str:
    first = matches[0]
    if first.excepted_by:
        return f"Allowed: rule '{first.rule}' ({first.policy}) matched but is excepted."
    return (
        f"Allowed: rule '{first.rule}' ({first.policy}) matched ({first.reason}) and would "
        f"{first.action}, but only monitors."
    )


def _hold_findings(
    rule: CompiledRule, group: _Group, facts: Facts, day: date | None, done: Evaluation
) -> None:
    if not rule.counts_all:
        counted = [finding for finding in group.findings if rule.counts(finding)]
        if not counted:
            return
        group = group.only(counted)
    if group.score < rule.threshold:
        return
    excepted_by = ""
    if rule.exemptions and day is not None:
        kept, lifted, reason = _lift(rule, group.findings, facts, day)
        rest = group.only(kept) if kept else None
        if rest is not None and rest.score >= rule.threshold:
            group = rest
        else:
            group, excepted_by = group.only(lifted), reason
    match = RuleMatch(
        rule=rule.rule.name,
        policy=rule.rule.policy,
        kind=rule.kind,
        action=rule.rule.action,
        severity=rule.rule.severity,
        threat=group.threat or group.findings[0].threat,
        score=group.score,
        detectors=group.detectors,
        monitored=rule.monitored,
        excepted_by=excepted_by,
        reason=group.reason,
    )
    done.matches.append(match)
    if not match.acts:
        return
    if rule.rule.alert:
        done.alerts.append(rule.rule.name)
    if rule.rule.action is Action.REDACT:
        done.cuts.extend(
            Cut(finding, _extent(rule, finding)) for finding in _to_cut(rule, group.findings)
        )


def _lift(
    rule: CompiledRule, counted: Sequence[Finding], facts: Facts, day: date
) -> tuple[list[Finding], list[Finding], str]:
    """Split the findings into those that still count and those that an exception lifts."""
    kept = list(counted)
    lifted: list[Finding] = []
    reason = ""
    for exemption in rule.exemptions:
        if not exemption.applies(
            facts.surface, facts.tool, facts.agent_id, facts.tags, day, facts.call
        ):
            continue
        out = [f for f in kept if not exemption.detectors or exemption.detectors(f.rule_id)]
        if out:
            lifted += out
            kept = [finding for finding in kept if finding not in out]
            reason = reason or exemption.exemption.reason
    if not lifted:
        return kept, kept, ""
    return kept, lifted, reason


def _to_cut(rule: CompiledRule, counted: Sequence[Finding]) -> list[Finding]:
    """What reached the threshold by itself; when only the sum did, all that made up the sum."""
    alone = [finding for finding in counted if finding.confidence >= rule.threshold]
    return alone or list(counted)


def _extent(rule: CompiledRule, finding: Finding) -> Extent:
    if rule.rule.extent is not None:
        return rule.rule.extent
    return Extent.PARAGRAPH if finding.threat in INSTRUCTION_THREATS else Extent.SPAN


_UNASKED: Final = object()


def _hold_call(
    rule: CompiledRule, facts: Facts, day: date | None, done: Evaluation, holds: object
) -> None:
    match = rule.rule.match
    assert isinstance(match, ToolCallMatch)
    if match.when is None:
        _add_tool_match(rule, facts, day, done, "the rule is for every call of this tool")
        return
    if holds is _UNASKED:
        try:
            holds = facts.call is not None and match.when.holds(facts.call)
        except ConditionError:
            holds = None
    if holds is False:
        return
    if holds is None:
        # Not knowing must not open what the rule is there to close.
        if rule.rule.action.rank < Action.ASK.rank:
            return
        why = (
            "its condition cannot be evaluated on this call, which counts as a match: "
            f"{untold(match.when, facts.call)}"
        )
        said = rule.rule.description
        _add_tool_match(rule, facts, day, done, f"{said} ({why})" if said else why)
        return
    _add_tool_match(rule, facts, day, done, rule.rule.description or "its condition holds")


def _add_tool_match(
    rule: CompiledRule, facts: Facts, day: date | None, done: Evaluation, reason: str = ""
) -> None:
    assert facts.tool is not None
    excepted_by = ""
    if day is not None:
        for exemption in rule.exemptions:
            # An exception for certain detectors says nothing about rules without findings.
            if not exemption.detectors and exemption.applies(
                facts.surface, facts.tool, facts.agent_id, facts.tags, day, facts.call
            ):
                excepted_by = exemption.exemption.reason
                break
    name = safe_name(facts.tool)
    match = rule.rule.match
    if isinstance(match, ToolCallMatch):
        reason = f"tool '{name}': {reason}"
    elif isinstance(match, BudgetMatch | SequenceMatch | CircuitBreakerMatch):
        reason = rule.rule.description or reason
    elif isinstance(match, AllowlistMatch):
        reason = f"tool '{name}' is not on the allow list"
    elif isinstance(match, RateLimitMatch):
        reason = (
            f"more than {match.max_calls} calls in {match.window_seconds:g} s, "
            f"counted per {match.per}"
        )
    else:
        reason = f"tool '{name}' is on the deny list"
    done.matches.append(
        RuleMatch(
            rule=rule.rule.name,
            policy=rule.rule.policy,
            kind=rule.kind,
            action=rule.rule.action,
            severity=rule.rule.severity,
            monitored=rule.monitored,
            excepted_by=excepted_by,
            reason=reason,
        )
    )
    if rule.rule.alert and done.matches[-1].acts:
        done.alerts.append(rule.rule.name)
