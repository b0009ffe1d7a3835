"""Why each rule did or did not match: the long answer behind a decision's one sentence.

What is said here may hold content (values of arguments): it is for the terminal of whoever wrote
the policy, never for events or logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rune_core.policy.conditions import Activation, Condition, ConditionError
from rune_core.policy.globs import globs
from rune_core.policy.model import (
    AllowlistMatch,
    BudgetMatch,
    CircuitBreakerMatch,
    DataProtectionMatch,
    DenylistMatch,
    RateLimitMatch,
    Rule,
    ScannerMatch,
    SequenceMatch,
    ToolCallMatch,
)
from rune_core.policy.untold import untold
from rune_core.verdict import score
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.result import ScanResult
    from rune_scanner.finding import Finding


@dataclass(frozen=True, slots=True)
class Account:
    """What one rule made of a text or call.

    Attributes:
        rule: The rule.
        matched: Whether it matched.
        acts: Whether it had a say: it matched, and neither monitors nor is excepted.
        why: Why it matched, or why not.
        reads: The values that its conditions read, by name. May hold content.
    """

    rule: Rule
    matched: bool
    acts: bool
    why: str
    reads: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Explained:
    """The long answer.

    Attributes:
        result: The result that is explained.
        accounts: One per rule in force; those that matched first, strictest first.
        values: What conditions could read, by name; empty for texts. May hold content.
    """

    result: ScanResult
    accounts: tuple[Account, ...]
    values: Mapping[str, object]


def explain(
    policy: CompiledPolicy,
    result: ScanResult,
    *,
    tool: str | None = None,
    arguments: Mapping[str, object] | None = None,
    agent_id: str | None = None,
    tags: Sequence[str] = (),
) -> Explained:
    """Explain a result.

    Args:
        policy: The policies it was decided by.
        result: The result.
        tool: The tool called, or that answered.
        arguments: The call's arguments.
        agent_id: The agent.
        tags: Its tags.
    """
    call = None
    if result.call is not None:
        call = Activation(result.call, arguments or {}, result.findings, agent_id, tags)
    matched = {match.rule: match for match in result.decision.matches}
    accounts = []
    for rule in policy.rules:
        match = matched.get(rule.name)
        reads = _reads(rule, call)
        if match is None:
            why = _why_not(rule, result, tool, agent_id, frozenset(tags), call)
        else:
            why = match.reason
            if match.excepted_by:
                why += f"; lifted by an exception: {match.excepted_by}"
            else:
                why += _not_lifted(policy, rule, tool, call)
                if match.monitored:
                    why += "; only monitors"
        accounts.append(
            Account(rule, match is not None, match is not None and match.acts, why, reads)
        )
    order = {name: place for place, name in enumerate(matched)}
    accounts.sort(key=lambda account: order.get(account.rule.name, len(order)))
    values = {} if call is None else {name: call.value(name) for name in _VALUES}
    return Explained(result, tuple(accounts), values)


def _not_lifted(
    policy: CompiledPolicy, rule: Rule, tool: str | None, call: Activation | None
) -> str:
    """Why exceptions that may be for this call lift nothing: their conditions cannot be told."""
    said = ""
    for exemption in policy.exemptions:
        when = exemption.when
        if when is None or call is None or not globs((exemption.rule,))(rule.name):
            continue
        if exemption.tools and (tool is None or not globs(exemption.tools)(tool)):
            continue
        try:
            when.holds(call)
        except ConditionError:
            said += (
                f"; the exception in {exemption.policy}:{exemption.line} does not lift it, since "
                f"its condition cannot be evaluated: {untold(when, call)}"
            )
    return said


_VALUES = (
    "risk",
    "capabilities",
    "hijacked",
    "asked_by_user",
    "asked_by_text",
    "delegated",
    "instruction",
)


def _conditions(rule: Rule) -> list[Condition]:
    match = rule.match
    if isinstance(match, ToolCallMatch):
        return [match.when] if match.when is not None else []
    if isinstance(match, SequenceMatch):
        return [step.when for step in match.steps if step.when is not None]
    return []


def _reads(rule: Rule, call: Activation | None) -> dict[str, object]:
    if call is None:
        return {}
    names: set[str] = set()
    for condition in _conditions(rule):
        names |= condition.names
    return {name: call.value(name) for name in sorted(names - {"args", "origins"})}


def _why_not(
    rule: Rule,
    result: ScanResult,
    tool: str | None,
    agent_id: str | None,
    tags: frozenset[str],
    call: Activation | None,
) -> str:
    if result.surface not in rule.surfaces:
        return f"it is for {', '.join(sorted(rule.surfaces))}, not {result.surface}"
    if rule.tools and (tool is None or not globs(rule.tools)(tool)):
        return f"it is for the tools {', '.join(rule.tools)}"
    if rule.agents and (agent_id is None or not globs(rule.agents)(agent_id)):
        return f"it is for the agents {', '.join(rule.agents)}"
    if rule.tags and not tags & set(rule.tags):
        return f"it is for agents with a tag of {', '.join(rule.tags)}"
    file = rule.within
    if file.agents and (agent_id is None or not globs(file.agents)(agent_id)):
        return f"its file is for the agents {', '.join(file.agents)}"
    if file.tags and not tags & set(file.tags):
        return f"its file is for agents with a tag of {', '.join(file.tags)}"
    match = rule.match
    if isinstance(match, ScannerMatch):
        return _below(match, result.findings)
    if isinstance(match, DataProtectionMatch):
        return f"no such data was found with {match.threshold:g} or more"
    if result.surface is not Surface.TOOL_CALL or tool is None:
        return "it is about tool calls"
    if isinstance(match, AllowlistMatch):
        return f"the allow list has {tool!r}"
    if isinstance(match, DenylistMatch):
        return f"the deny list does not have {tool!r}"
    if isinstance(match, ToolCallMatch):
        return _condition_why(match.when, call)
    if isinstance(match, RateLimitMatch | BudgetMatch | CircuitBreakerMatch):
        if match.tools and not globs(match.tools)(tool):
            return f"it counts the tools {', '.join(match.tools)}"
        return "it is closed" if isinstance(match, CircuitBreakerMatch) else "within its limit"
    last = match.steps[-1]
    if last.tools and not globs(last.tools)(tool):
        return f"its last step is a call of {', '.join(last.tools)}"
    if last.when is not None:
        why = _condition_why(last.when, call)
        if why != _HOLDS:
            return f"its last step: {why}"
    return "the steps before the last were not made, or too long ago"


_HOLDS = "its condition holds"


def _condition_why(condition: Condition | None, call: Activation | None) -> str:
    if condition is None or call is None:
        return "it was not held against the call"
    try:
        if condition.holds(call):
            return _HOLDS
    except ConditionError:
        why = untold(condition, call)
        return f"its condition cannot be evaluated, and the rule neither asks nor blocks: {why}"
    return "its condition is false"


def _below(match: ScannerMatch, findings: Sequence[Finding]) -> str:
    counted = [
        finding
        for finding in findings
        if finding.threat in match.threats
        and (not match.detectors or globs(match.detectors)(finding.rule_id))
        and not globs(match.except_detectors)(finding.rule_id)
    ]
    if not counted:
        return "nothing of the kind was found"
    best = max(
        score([finding for finding in counted if finding.threat is threat])
        for threat in {finding.threat for finding in counted}
    )
    return f"{best:.2f} is below its threshold of {match.threshold:g}"


def as_dict(explained: Explained) -> dict[str, Any]:
    """The explanation as JSON. Holds no values of arguments but what conditions read."""
    decision = explained.result.decision
    facts = explained.result.call
    return {
        "schema": "rune-explain/1",
        "action": str(decision.action),
        "rule": decision.rule,
        "explanation": decision.explanation,
        "surface": str(explained.result.surface),
        "findings": [
            {
                "rule": finding.rule_id,
                "threat": str(finding.threat),
                "confidence": finding.confidence,
                "start": finding.span.start,
                "end": finding.span.end,
            }
            for finding in explained.result.findings
        ],
        "values": dict(explained.values),
        "arguments": [
            {
                "path": traced.path,
                "origins": [
                    {
                        "kind": str(origin.kind),
                        "tool": origin.tool,
                        "start": origin.span.start if origin.span else None,
                        "end": origin.span.end if origin.span else None,
                        "part": str(origin.part) if origin.part else None,
                        "instruction": origin.instruction,
                        "asked": origin.asked,
                    }
                    for origin in traced.origins
                ],
            }
            for traced in (facts.traced if facts else ())
        ],
        "rules": [
            {
                "rule": account.rule.name,
                "policy": account.rule.policy,
                "line": account.rule.line,
                "kind": account.rule.kind,
                "action": str(account.rule.action),
                "matched": account.matched,
                "acts": account.acts,
                "why": account.why,
                "conditions": [condition.source for condition in _conditions(account.rule)],
                "reads": dict(account.reads),
            }
            for account in explained.accounts
        ],
    }


def conditions_of(rule: Rule) -> tuple[str, ...]:
    """The conditions written in a rule."""
    return tuple(condition.source for condition in _conditions(rule))
