"""Read the rules about tool calls: lists, rates, budgets, conditions and sequences."""

from __future__ import annotations

from decimal import Decimal

from rune_core.policy.conditions import CONDITION_NAMES, Condition, ConditionError
from rune_core.policy.model import (
    BudgetMatch,
    CircuitBreakerMatch,
    RateLimitMatch,
    SequenceMatch,
    SequenceStep,
    ToolCallMatch,
)
from rune_core.policy.reader import Reader
from rune_core.policy.source import Node, Table

SCOPES = ("session", "agent", "process")
MAX_RATE_CALLS = 100_000
MAX_STEPS = 16
MAX_SPEND = 10**15
MAX_TOKENS = 10**12
STEP_KEYS = frozenset(("tools", "when"))
_LIMITS = ("max_calls", "max_spend", "max_repeats", "max_tokens")


class CallRuleReader(Reader):
    """Reads what is particular to each kind of rule about calls."""

    def _tool_list(
        self, node: Table, key: str, spellings: tuple[str, ...]
    ) -> tuple[str, ...] | None:
        given = [spelling for spelling in spellings if spelling in node.items]
        if len(given) != 1:
            message = "is missing" if not given else f"is given as {' and as '.join(given)}"
            self._fault(node.line, f"{key}.tools", message, "list tool names or globs")
            return None
        tools = self._texts(node, key, given[0])
        # An empty allow list is a way to say "no tools at all"; an empty deny list says nothing.
        if not tools and spellings[1] != "allowed_tools":
            self._fault(node.line, f"{key}.{given[0]}", "is empty", "list tool names or globs")
        return tools

    def _rate_limit(self, node: Table, key: str) -> RateLimitMatch | None:
        max_calls = self._whole(node, key, "max_calls", 0, MAX_RATE_CALLS)
        window = self._positive(node, key, "window_seconds")
        if max_calls is None or window is None:
            for name in ("max_calls", "window_seconds"):
                if name not in node.items:
                    self._fault(node.line, f"{key}.{name}", "is missing")
            return None
        return RateLimitMatch(
            max_calls, window, self._texts(node, key, "tools"), self._scope(node, key, "agent")
        )

    def _tool_call(self, node: Table, key: str) -> ToolCallMatch | None:
        if "when" not in node.items:
            if "tools" not in node.items:
                self._fault(
                    node.line,
                    key,
                    "has neither tools nor when",
                    "name the tools, a condition, or both",
                )
            return ToolCallMatch()
        condition = self._condition(node, key)
        return None if condition is None else ToolCallMatch(condition)

    def _condition(self, node: Table, key: str) -> Condition | None:
        try:
            return Condition(self._text(node, key, "when"))
        except ConditionError as error:
            self._fault(
                node.key_lines["when"], f"{key}.when", str(error), f"it may name {CONDITION_NAMES}"
            )
            return None

    def _sequence(self, node: Table, key: str) -> SequenceMatch | None:
        if "tools" in node.items:
            self._fault(
                node.key_lines["tools"],
                f"{key}.tools",
                "is not a key of a sequence rule",
                "each step names its tools",
            )
        items = self._list(node, key, "steps")
        if "steps" not in node.items:
            self._fault(
                node.line, f"{key}.steps", "is missing", 'steps: [{tools: [a]}, {tools: ["b_*"]}]'
            )
        elif not 2 <= len(items) <= MAX_STEPS:
            self._fault(
                node.key_lines["steps"],
                f"{key}.steps",
                f"must be 2 to {MAX_STEPS} steps",
                "a single step is a tool_call rule" if len(items) == 1 else "",
            )
        steps = [self._step(item, f"{key}.steps[{number}]") for number, item in enumerate(items)]
        return SequenceMatch(
            steps=tuple(step for step in steps if step is not None),
            within_calls=self._whole(node, key, "within_calls", 1, MAX_RATE_CALLS),
            within_seconds=self._positive(node, key, "within_seconds"),
        )

    def _step(self, node: Node, key: str) -> SequenceStep | None:
        if not isinstance(node, Table):
            self._fault(node.line, key, "must be a mapping", "{tools: […], when: …}")
            return None
        self._unknown_keys(node, key, STEP_KEYS, of="a step")
        tools = self._texts(node, key, "tools")
        if not tools and "when" not in node.items:
            self._fault(
                node.line, key, "has neither tools nor when", "name the tools, a condition, or both"
            )
        return SequenceStep(tools, self._condition(node, key) if "when" in node.items else None)

    def _budget(self, node: Table, key: str) -> BudgetMatch | None:
        if not any(name in node.items for name in _LIMITS):
            self._fault(
                node.line,
                key,
                "limits nothing",
                "give max_calls, max_spend with spend, max_repeats or max_tokens",
            )
        max_spend = self._number(node, key, "max_spend")
        if max_spend is not None and not 0 <= max_spend <= MAX_SPEND:
            self._fault(
                node.key_lines["max_spend"],
                f"{key}.max_spend",
                f"must be a number from 0 to {MAX_SPEND:,}",
            )
            max_spend = None
        path = tuple(self._text(node, key, "spend").split(".")) if "spend" in node.items else ()
        if "spend" in node.items and not all(path):
            self._fault(
                node.key_lines["spend"],
                f"{key}.spend",
                "is not the name of an argument",
                "amount, or order.total for one inside another",
            )
        tools = self._texts(node, key, "tools")
        for one, other in (("max_spend", "spend"), ("spend", "max_spend")):
            if one in node.items and other not in node.items:
                self._fault(
                    node.key_lines[one],
                    f"{key}.{other}",
                    f"is missing beside {one}",
                    "name the argument that says what a call spends" if other == "spend" else "",
                )
        if "spend" in node.items and not tools:
            self._fault(
                node.line,
                f"{key}.tools",
                "is missing beside spend",
                "list the tools that have this argument",
            )
        return BudgetMatch(
            max_calls=self._whole(node, key, "max_calls", 0, MAX_RATE_CALLS),
            max_spend=None if max_spend is None else Decimal(repr(max_spend)).normalize(),
            spend=path,
            max_repeats=self._whole(node, key, "max_repeats", 1, MAX_RATE_CALLS),
            max_tokens=self._whole(node, key, "max_tokens", 0, MAX_TOKENS),
            window_seconds=self._positive(node, key, "window_seconds"),
            tools=tools,
            per=self._scope(node, key, "session"),
        )

    def _circuit_breaker(self, node: Table, key: str) -> CircuitBreakerMatch:
        if not any(name in node.items for name in ("max_refused", "max_repeats")):
            self._fault(node.line, key, "never opens", "give max_refused, max_repeats, or both")
        return CircuitBreakerMatch(
            max_refused=self._whole(node, key, "max_refused", 1, MAX_RATE_CALLS),
            max_repeats=self._whole(node, key, "max_repeats", 1, MAX_RATE_CALLS),
            window_seconds=self._positive(node, key, "window_seconds"),
            cooldown_seconds=self._positive(node, key, "cooldown_seconds"),
            tools=self._texts(node, key, "tools"),
            per=self._scope(node, key, "session"),
        )

    def _scope(self, node: Table, key: str, default: str) -> str:
        per = self._text(node, key, "per") or default
        if per not in SCOPES:
            self._fault(
                node.key_lines["per"],
                f"{key}.per",
                f"{per!r} is unknown",
                f"one of {', '.join(SCOPES)}",
            )
        return per

    def _whole(self, node: Table, key: str, name: str, least: int, most: int) -> int | None:
        value = self._number(node, key, name)
        if value is None:
            return None
        # The comparison comes first: inf and nan are no whole numbers, and int() refuses them.
        if not least <= value <= most or value != int(value):
            self._fault(
                node.key_lines[name],
                f"{key}.{name}",
                f"must be a whole number from {least} to {most:,}",
            )
            return None
        return int(value)

    def _positive(self, node: Table, key: str, name: str) -> float | None:
        value = self._number(node, key, name)
        if value is not None and not value > 0:
            self._fault(node.key_lines[name], f"{key}.{name}", "must be positive")
            return None
        return value
