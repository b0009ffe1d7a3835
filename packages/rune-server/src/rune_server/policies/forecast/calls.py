"""Rules about tool calls: lists, conditions, rates, budgets and sequences, replayed in order."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from rune_core.ids import MASKED_NAME
from rune_core.policy.conditions import ConditionError, PartialActivation
from rune_core.policy.globs import globs
from rune_core.policy.model import (
    AllowlistMatch,
    BudgetMatch,
    DenylistMatch,
    RateLimitMatch,
    SequenceMatch,
    ToolCallMatch,
)
from rune_server.policies.forecast.seen import Answer

if TYPE_CHECKING:
    from rune_core.policy.conditions import Condition
    from rune_server.policies.forecast.seen import Seen

IN_EVENTS: Final = frozenset(("tool", "risk", "agent", "tags", "args", "origins"))
"""What conditions may name and events carry; of arguments only the kinds of their origins."""
_MAX_ARGUMENTS: Final = 64
# They ask whether something is there or how often, and would take "not in the event" for "no".
_COUNTS: Final = re.compile(
    r"\bhas\s*\(|\bsize\b|\bexists_one\b|\bin\b|\bmap\b|\bfilter\b|==\s*[\[{]"
)
_PER_AGENT: Final = "counted as if each agent ran in one process; with several, fewer match"


class ListForecast:
    """``tool_allowlist`` and ``tool_denylist``."""

    reason = ""

    def __init__(self, match: AllowlistMatch | DenylistMatch) -> None:
        self._allows = isinstance(match, AllowlistMatch)
        self._tools = globs(match.tools, ignore_case=not self._allows)

    def take(self, seen: Seen) -> Answer:
        """Whether it would have matched."""
        if seen.tool == MASKED_NAME:
            return Answer.MAYBE
        if self._allows:
            return Answer.NO if self._tools(seen.tool) else Answer.YES
        return Answer.YES if self._tools(seen.tool.casefold()) else Answer.NO


class CallForecast:
    """``tool_call``, with a condition or without."""

    def __init__(self, match: ToolCallMatch) -> None:
        self._when = match.when
        self.reason = why_not(match.when)

    def take(self, seen: Seen) -> Answer:
        """Whether it would have matched."""
        return Answer.YES if self._when is None else held(self._when, seen)


def held(condition: Condition, seen: Seen) -> Answer:
    """Whether a condition was true of a call, as far as metadata tells."""
    about_arguments = condition.names & {"args", "origins"}
    if about_arguments and _COUNTS.search(condition.source):
        return Answer.MAYBE
    known: dict[str, object] = {
        "tool": seen.tool,
        "agent": seen.agent,
        "tags": sorted(seen.tags),
    }
    if seen.tool_risk:
        known["risk"] = seen.tool_risk
    if about_arguments and len(seen.arguments) < _MAX_ARGUMENTS:
        origins: dict[str, list[dict[str, Any]]] = {
            argument.name: [{"kind": kind} for kind in argument.origins]
            for argument in seen.arguments
        }
        known["args"] = {name: {"origins": each} for name, each in origins.items()}
        known["origins"] = [origin for each in origins.values() for origin in each]
    try:
        return Answer.YES if condition.holds(PartialActivation(known)) else Answer.NO
    except ConditionError:
        return Answer.MAYBE


def why_not(condition: Condition | None) -> str:
    """What a condition reads that events do not carry; empty when they carry all of it."""
    if condition is None:
        return ""
    missing = sorted(condition.names - IN_EVENTS)
    if missing:
        return f"its condition reads {', '.join(missing)}, which events do not carry"
    if condition.names & {"args", "origins"}:
        return "of arguments, events carry only the kinds of their origins, never values"
    return ""


class RateForecast:
    """``rate_limit``: a sliding window per session or agent."""

    def __init__(self, match: RateLimitMatch) -> None:
        self._match = match
        self._tools = globs(match.tools)
        self._calls: dict[str, deque[float]] = {}
        self.reason = _PER_AGENT if match.per == "agent" else ""

    def take(self, seen: Seen) -> Answer:
        """Whether it would have matched. Events must come in order of time."""
        if self._match.tools and not self._tools(seen.tool):
            return Answer.NO
        calls = self._calls.setdefault(_scope(self._match.per, seen), deque())
        now = seen.at.timestamp()
        while calls and calls[0] <= now - self._match.window_seconds:
            calls.popleft()
        if len(calls) >= self._match.max_calls:
            return Answer.YES
        if seen.passed:
            calls.append(now)
        return Answer.NO


class BudgetForecast:
    """``budget``: calls and repetitions; what calls spend is not in events."""

    def __init__(self, match: BudgetMatch) -> None:
        self._match = match
        self._tools = globs(match.tools)
        self._calls: dict[tuple[str, ...], deque[float]] = {}
        reasons = [_PER_AGENT] if match.per == "agent" else []
        if match.max_spend is not None:
            reasons.insert(0, "what calls spend is an argument's value, which events do not carry")
        self.reason = "; ".join(reasons)

    def take(self, seen: Seen) -> Answer:
        """Whether it would have matched. Events must come in order of time."""
        match = self._match
        if match.tools and not self._tools(seen.tool):
            return Answer.NO
        scope = _scope(match.per, seen)
        over = False
        spent: list[deque[float]] = []
        for limit, key in (
            (match.max_calls, (scope,)),
            (match.max_repeats, self._fingerprint(scope, seen)),
        ):
            if limit is None or key is None:
                continue
            calls = self._calls.setdefault(key, deque())
            now = seen.at.timestamp()
            while match.window_seconds and calls and calls[0] <= now - match.window_seconds:
                calls.popleft()
            over = over or len(calls) >= limit
            spent.append(calls)
        if over:
            return Answer.YES
        if seen.passed:
            for calls in spent:
                calls.append(seen.at.timestamp())
        unknown = match.max_spend is not None or (
            match.max_repeats is not None and len(seen.arguments) >= _MAX_ARGUMENTS
        )
        return Answer.MAYBE if unknown else Answer.NO

    def _fingerprint(self, scope: str, seen: Seen) -> tuple[str, ...] | None:
        """What equal calls share. Hashes under different keys cannot be compared."""
        if self._match.max_repeats is None or len(seen.arguments) >= _MAX_ARGUMENTS:
            return None
        hashes = sorted(f"{argument.name}={argument.hash}" for argument in seen.arguments)
        return (scope, seen.tool, seen.hash_key, *hashes)


class SequenceForecast:
    """``sequence``: the steps of each session, followed as the SDK follows them."""

    def __init__(self, match: SequenceMatch) -> None:
        self._match = match
        self._steps = [globs(step.tools) if step.tools else None for step in match.steps]
        self._sure: dict[str, _Way] = {}
        self._possible: dict[str, _Way] = {}
        reasons = dict.fromkeys(why_not(step.when) for step in match.steps)
        self.reason = "; ".join(filter(None, reasons))

    def take(self, seen: Seen) -> Answer:
        """Whether it would have matched. Events must come in order of time."""
        sure, possible = [], []
        for number, (step, tools) in enumerate(zip(self._match.steps, self._steps, strict=True)):
            if tools is not None and not tools(seen.tool):
                continue
            answer = Answer.YES if step.when is None else held(step.when, seen)
            if answer is Answer.YES:
                sure.append(number)
            if answer is not Answer.NO:
                possible.append(number)
        at = seen.at.timestamp()
        surely = self._follow(self._sure, seen, sure, at)
        maybe = self._follow(self._possible, seen, possible, at)
        return Answer.YES if surely else Answer.MAYBE if maybe else Answer.NO

    def _follow(self, ways: dict[str, _Way], seen: Seen, steps: list[int], at: float) -> bool:
        way = ways.get(seen.session)
        if way is None:
            way = ways[seen.session] = _Way(len(self._match.steps))
        return way.take(steps, at, self._match, passed=seen.passed)


class _Way:
    """How far one session has come: for each step the latest beginning of the steps up to it."""

    __slots__ = ("made", "reached")

    def __init__(self, length: int) -> None:
        self.made = 0
        self.reached: list[tuple[int, float] | None] = [None] * (length - 1)

    def take(self, steps: list[int], at: float, match: SequenceMatch, *, passed: bool) -> bool:
        start = self.reached[-1] if len(self.reached) in steps else None
        complete = (
            start is not None
            and (match.within_calls is None or self.made + 1 - start[0] <= match.within_calls)
            and (match.within_seconds is None or at - start[1] <= match.within_seconds)
        )
        if passed:
            self.made += 1
            for step in reversed(steps):  # one call is never two steps of one sequence
                if step >= len(self.reached):
                    continue
                begun = (self.made, at) if step == 0 else self.reached[step - 1]
                known = self.reached[step]
                if begun is not None and (known is None or begun > known):
                    self.reached[step] = begun
        return complete


def _scope(per: str, seen: Seen) -> str:
    return seen.session if per == "session" else seen.agent
