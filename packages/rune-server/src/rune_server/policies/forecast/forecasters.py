"""Replay past decisions through the forecasters of a policy's rules, and add up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, Protocol

from rune_core.policy.compiled import CompiledPolicy
from rune_core.policy.model import (
    AllowlistMatch,
    BudgetMatch,
    DataProtectionMatch,
    DenylistMatch,
    RateLimitMatch,
    ScannerMatch,
    SequenceMatch,
    ToolCallMatch,
)
from rune_server.policies.forecast.calls import (
    BudgetForecast,
    CallForecast,
    ListForecast,
    RateForecast,
    SequenceForecast,
)
from rune_server.policies.forecast.findings import DataForecast, ScannerForecast
from rune_server.policies.forecast.seen import Answer
from rune_server.policies.model import RuleForecast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.policy.compiled_rule import CompiledRule
    from rune_core.policy.model import PolicyFile
    from rune_server.policies.forecast.seen import Seen

_TOP: Final = 5
_NO_PROCESS: Final = "it counts per process, and events do not say which process they come from"
_NEEDS_TEXT: Final = "its patterns match text, which never leaves the agent"


class _Forecaster(Protocol):
    """Answers for one rule, event by event, in order of time."""

    @property
    def reason(self) -> str: ...

    def take(self, seen: Seen) -> Answer: ...


def forecast(policy: PolicyFile, history: Sequence[Seen]) -> tuple[RuleForecast, ...]:
    """How often each rule of a policy would have matched.

    Args:
        policy: The policy, alone: what other policies lift or replace is left aside.
        history: Past decisions, the earliest first.
    """
    compiled = {rule.rule.name: rule for rule in _compiled(policy)}
    return tuple(_one(compiled[rule.name], history) for rule in policy.rules)


def _compiled(policy: PolicyFile) -> list[CompiledRule]:
    from rune_core.policy.compiled_rule import CompiledRule

    # Composed to check it as a whole; the rules themselves are looked at one by one.
    whole = CompiledPolicy([policy], builtin=None)
    return [CompiledRule(rule, whole.exemptions) for rule in policy.rules]


def _one(rule: CompiledRule, history: Sequence[Seen]) -> RuleForecast:
    forecaster = _forecaster(rule)
    if isinstance(forecaster, str):
        return _forecast(rule, "no", None, None, 0, forecaster, Counter(), Counter())
    match = rule.rule.match
    surfaces = frozenset(surface.value for surface in rule.rule.surfaces)
    calls = not isinstance(match, ScannerMatch | DataProtectionMatch)
    sure = possible = excepted = 0
    agents: Counter[str] = Counter()
    tools: Counter[str] = Counter()
    for seen in history:
        if seen.surface not in surfaces or (calls and not seen.tool):
            continue
        if not rule.concerns(seen.tool or None, seen.agent or None, seen.tags):
            continue
        answer = forecaster.take(seen)
        if answer is Answer.NO:
            continue
        if _is_excepted(rule, seen):
            excepted += answer is Answer.YES
            continue
        possible += 1
        if answer is Answer.YES:
            sure += 1
            agents[seen.agent] += 1
            if seen.tool:
                tools[seen.tool] += 1
    needs_text = isinstance(match, DataProtectionMatch) and bool(match.regexes)
    at_most = None if needs_text else possible
    if needs_text:
        return _forecast(rule, "partly", sure, None, excepted, _NEEDS_TEXT, agents, tools)
    exact = sure == possible
    reason = forecaster.reason if not exact or _is_estimate(rule) else ""
    decidable: Literal["yes", "partly"] = "yes" if exact and not reason else "partly"
    return _forecast(rule, decidable, sure, at_most, excepted, reason, agents, tools)


def _forecaster(rule: CompiledRule) -> _Forecaster | str:
    """The rule's forecaster, or why there is none."""
    match = rule.rule.match
    if isinstance(match, RateLimitMatch | BudgetMatch) and match.per == "process":
        return _NO_PROCESS
    if isinstance(match, BudgetMatch) and match.max_calls is None and match.max_repeats is None:
        return "what calls spend is an argument's value, which events do not carry"
    if isinstance(match, ScannerMatch):
        return ScannerForecast(rule, match)
    if isinstance(match, DataProtectionMatch):
        if not match.names and not match.threats:
            return _NEEDS_TEXT
        return DataForecast(rule, match)
    if isinstance(match, AllowlistMatch | DenylistMatch):
        return ListForecast(match)
    if isinstance(match, ToolCallMatch):
        return CallForecast(match)
    if isinstance(match, RateLimitMatch):
        return RateForecast(match)
    if isinstance(match, BudgetMatch):
        return BudgetForecast(match)
    assert isinstance(match, SequenceMatch)
    return SequenceForecast(match)


def _is_estimate(rule: CompiledRule) -> bool:
    """Whether even agreeing bounds rest on an assumption."""
    match = rule.rule.match
    return isinstance(match, RateLimitMatch | BudgetMatch) and match.per == "agent"


def _is_excepted(rule: CompiledRule, seen: Seen) -> bool:
    """Whether an exception lifts the rule there: whole, or for every detector that found."""
    from rune_scanner.finding import Surface

    return any(
        exemption.applies(
            Surface(seen.surface), seen.tool or None, seen.agent or None, seen.tags, seen.at.date()
        )
        and (
            not exemption.exemption.detectors
            or (bool(seen.detectors) and all(map(exemption.detectors, seen.detectors)))
        )
        for exemption in rule.exemptions
    )


def _forecast(
    rule: CompiledRule,
    decidable: Literal["yes", "partly", "no"],
    matches: int | None,
    at_most: int | None,
    excepted: int,
    reason: str,
    agents: Counter[str],
    tools: Counter[str],
) -> RuleForecast:
    return RuleForecast(
        rule=rule.rule.name,
        kind=rule.kind,
        action="alert" if rule.rule.alert else rule.rule.action.value,
        decidable=decidable,
        matches=matches,
        at_most=at_most,
        excepted=excepted,
        reason=reason,
        agents=tuple(agents.most_common(_TOP)),
        tools=tuple(tools.most_common(_TOP)),
    )
