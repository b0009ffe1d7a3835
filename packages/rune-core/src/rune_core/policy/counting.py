"""Count a call against the ``budget`` and ``sequence`` rules, and take it back if it is stopped."""

from __future__ import annotations

import json
import math
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from rune_core.action import Action
from rune_core.ids import cache_digest
from rune_core.policy.conditions import ConditionError
from rune_core.policy.model import BudgetMatch, CircuitBreakerMatch, SequenceMatch
from rune_core.policy.untold import untold

if TYPE_CHECKING:
    from rune_core.context import ScanContext
    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.policy.compiled_rule import CompiledRule
    from rune_core.policy.conditions import Activation
    from rune_core.session.accounts import Accounts
    from rune_core.session.ledger import Entry, Ledger
    from rune_core.session.progress import Attempt, Progress
    from rune_core.session.tokens import TokenLog

_ONE: Final = Decimal(1)
_LARGEST: Final = Decimal(10**18)
_MAX_DIGITS: Final = 40
# The host may have set traps in its own context; here no sum may raise.
_SUMS: Final = Context(prec=40, traps=[])
_MAX_AMOUNTS: Final = 1000
_encode: Final = json.JSONEncoder(sort_keys=True, default=str).encode


class Counted:
    """What counting one call gave. It must be settled once the call is decided.

    Attributes:
        reasons: The rules that match, by name, and why; without content.
    """

    __slots__ = ("_attempt", "_entries", "_progress", "_refusals", "reasons")

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._entries: list[tuple[Ledger, Entry]] = []
        self._attempt: Attempt | None = None
        self._progress: Progress | None = None
        self._refusals: list[tuple[Ledger, tuple[str, ...], float | None]] = []

    def settle(self, *, made: bool, refused: bool = False) -> None:
        """Keep the counts of a call that was made; forget one that was not.

        Args:
            made: Whether it goes ahead.
            refused: Whether it was stopped for good, rather than put off.
        """
        if not made:
            for ledger, entry in self._entries:
                ledger.give_back(entry)
        if refused:
            for account, key, window in self._refusals:
                account.reserve(key, _ONE, window)
        self._refusals.clear()
        self._entries.clear()
        if self._progress is not None and self._attempt is not None:
            self._progress.settle(self._attempt, made=made)

    def reserve(
        self, ledger: Ledger, key: tuple[str, ...], amount: Decimal, window: float | None
    ) -> Decimal:
        """Add to an account until the call is settled, and say what it holds then."""
        total, entry = ledger.reserve(key, amount, window)
        self._entries.append((ledger, entry))
        return total

    def watch(self, ledger: Ledger, key: tuple[str, ...], window: float | None) -> None:
        """Count the call there, should it be refused."""
        self._refusals.append((ledger, key, window))

    def begin(self, progress: Progress) -> Attempt:
        """Announce the call to its session."""
        self._progress, self._attempt = progress, progress.begin()
        return self._attempt


def count_call(
    policy: CompiledPolicy,
    context: ScanContext,
    arguments: object,
    call: Activation | None,
    shared: Accounts,
) -> Counted:
    """Count a call.

    Args:
        policy: The policies in force.
        context: Tool, agent and session of the call.
        arguments: The call's arguments in plain form.
        call: What conditions may ask about it.
        shared: What is counted per agent and process; the session keeps what is counted in it.
    """
    assert context.tool is not None
    tags = frozenset(context.agent_tags)
    rules = policy.for_tool(context.tool)
    counted = Counted()
    fingerprint = ""
    try:
        for rule in rules.budgets:
            match = rule.rule.match
            if not isinstance(match, BudgetMatch | CircuitBreakerMatch) or not rule.concerns(
                context.tool, context.agent_id, tags
            ):
                continue
            if match.max_repeats is not None and not fingerprint:
                fingerprint = fingerprint_of(context.tool, arguments)
            accounts = context.session.accounts if match.per == "session" else shared
            key = (rule.rule.name, (context.agent_id or "") if match.per == "agent" else "")
            if isinstance(match, CircuitBreakerMatch):
                why = _breaker(match, counted, accounts, key, fingerprint)
            else:
                used = accounts.tokens_of(
                    (context.agent_id or "") if match.per == "agent" else None
                )
                why = _budget(rule, match, counted, arguments, accounts, key, fingerprint, used)
            if why:
                counted.reasons[rule.rule.name] = why
        if policy.follows_calls:
            progress = context.session.progress
            attempt = counted.begin(progress)
            for rule, steps in rules.sequences:
                match = rule.rule.match
                if not isinstance(match, SequenceMatch) or not rule.concerns(
                    context.tool, context.agent_id, tags
                ):
                    continue
                told = tuple(step for step in steps if _is_step(rule, match, step, call))
                if told and progress.completes(
                    attempt,
                    rule.rule.name,
                    told,
                    len(match.steps),
                    within_calls=match.within_calls,
                    within_seconds=match.within_seconds,
                ):
                    counted.reasons[rule.rule.name] = sequence_reason(match) + _if_untold(
                        match, call
                    )
    except BaseException:
        counted.settle(made=False)
        raise
    return counted


def _budget(
    rule: CompiledRule,
    match: BudgetMatch,
    counted: Counted,
    arguments: object,
    accounts: Accounts,
    key: tuple[str, str],
    fingerprint: str,
    used: TokenLog,
) -> str:
    """Why a call is beyond a budget; empty when it is not."""
    budgets, repeats = accounts.budgets, accounts.repeats
    window = match.window_seconds
    why: list[str] = []
    tail = f" in {window:g} s" if window is not None else ""
    tail += f", counted per {match.per}"
    if match.max_calls is not None:
        total = counted.reserve(budgets, (*key, "calls"), _ONE, window)
        if total > match.max_calls:
            why.append(f"more than {match.max_calls:,} calls{tail}")
    if match.max_spend is not None:
        amount = amount_at(arguments, match.spend)
        if amount is None:
            # Not knowing what a call costs must not open what the rule is there to close.
            if rule.rule.action.rank >= Action.ASK.rank:
                why.append(f"what it spends cannot be told from '{'.'.join(match.spend)}'")
        else:
            total = counted.reserve(budgets, (*key, "spend"), amount, window)
            if total > match.max_spend:
                why.append(f"more than {match.max_spend:,f} spent{tail}")
    if match.max_repeats is not None:
        total = counted.reserve(repeats, (*key, fingerprint), _ONE, window)
        if total > match.max_repeats:
            why.append(f"the same call more than {match.max_repeats:,} times{tail}")
    if match.max_tokens is not None and used.total(window) > match.max_tokens:
        why.append(f"more than {match.max_tokens:,} tokens used{tail}")
    return "; ".join(why)


def _breaker(
    match: CircuitBreakerMatch,
    counted: Counted,
    accounts: Accounts,
    key: tuple[str, str],
    fingerprint: str,
) -> str:
    """Why a breaker stops a call; empty when it does not."""
    window = match.window_seconds
    if match.max_refused is not None:
        counted.watch(accounts.budgets, (*key, "refused"), window)
    if accounts.breakers.is_open(key):
        return "the circuit breaker is open"
    why = ""
    if match.max_refused is not None:
        refused = accounts.budgets.total((*key, "refused"), window)
        if refused >= match.max_refused:
            why = f"{match.max_refused:,} calls were refused"
    if match.max_repeats is not None:
        total = counted.reserve(accounts.repeats, (*key, fingerprint), _ONE, window)
        if total > match.max_repeats:
            why = f"the same call more than {match.max_repeats:,} times"
    if not why:
        return ""
    accounts.breakers.open(key, match.cooldown_seconds)
    # What led to it is spent: when it closes again, counting begins anew.
    accounts.budgets.clear((*key, "refused"))
    tail = f" in {window:g} s" if window is not None else ""
    return f"the circuit breaker opens: {why}{tail}, counted per {match.per}"


def amount_at(arguments: object, path: tuple[str, ...]) -> Decimal | None:
    """The amount that an argument names: a number, or text that is one; lists are summed.

    Args:
        arguments: The arguments in plain form.
        path: The parts of the argument's path.

    Returns:
        None when there is none, or when it is negative, not finite or not a number: a negative
        amount would refill a budget.
    """
    found: list[Decimal | None] = []
    _collect(arguments, path, found)
    if not found:
        return None
    total = Decimal(0)
    for amount in found:
        if amount is None:
            return None
        total = min(_SUMS.add(total, min(amount, _LARGEST)), _LARGEST)
    return total


def _collect(value: object, path: tuple[str, ...], found: list[Decimal | None]) -> None:
    if len(found) > _MAX_AMOUNTS:
        found.append(None)
    elif isinstance(value, list | tuple):
        for item in value[: _MAX_AMOUNTS + 1]:
            _collect(item, path, found)
        if len(value) > _MAX_AMOUNTS:
            found.append(None)
    elif not path:
        found.append(_amount(value))
    elif isinstance(value, dict) and path[0] in value:
        _collect(value[path[0]], path[1:], found)
    else:
        found.append(None)


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        if value < 0:
            return None
        return Decimal(value) if value <= _LARGEST else _LARGEST
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) and value >= 0 else None
    if not isinstance(value, str) or len(value) > _MAX_DIGITS or "_" in value:
        return None
    try:
        amount = Decimal(value.strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _is_step(
    rule: CompiledRule, match: SequenceMatch, number: int, call: Activation | None
) -> bool:
    when = match.steps[number].when
    if when is None:
        return True
    try:
        return call is not None and when.holds(call)
    except ConditionError:
        return rule.rule.action.rank >= Action.ASK.rank


def _if_untold(match: SequenceMatch, call: Activation | None) -> str:
    """What kept the last step's condition from being told, which counts as being the step."""
    when = match.steps[-1].when
    if when is None or call is None:
        return ""
    try:
        when.holds(call)
    except ConditionError:
        return f"; the last one's condition cannot be evaluated: {untold(when, call)}"
    return ""


def sequence_reason(match: SequenceMatch) -> str:
    """What a completed sequence means, for a person."""
    within = []
    if match.within_calls is not None:
        within.append(f"{match.within_calls:,} calls")
    if match.within_seconds is not None:
        within.append(f"{match.within_seconds:g} s")
    tail = f" within {' and '.join(within)}" if within else ""
    return f"the call is the last of {len(match.steps)} steps made in order{tail}"


def fingerprint_of(tool: str, arguments: object) -> str:
    """Equal calls get equal marks, whatever the order of arguments. Keyed, kept in memory only."""
    return cache_digest(f"{tool}\0{_encode(arguments)}").hex()
