"""What is counted in one scope: calls, spending, equal calls, open breakers, tokens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rune_core.session.breakers import Breakers
from rune_core.session.ledger import Ledger
from rune_core.session.tokens import TokenLog, TokenLogs

if TYPE_CHECKING:
    from collections.abc import Callable


class Accounts:
    """The counts of a session, or, shared, those of agents and the process.

    Args:
        clock: Seconds that only go forward.

    Attributes:
        budgets: Calls and sums, by rule.
        repeats: Equal calls, apart: varied calls must not push out sums.
        breakers: The circuit breakers that are open.
        tokens: The model's tokens in this scope.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.budgets = Ledger(clock=clock)
        self.repeats = Ledger(clock=clock)
        self.breakers = Breakers(clock)
        self.tokens = TokenLog(clock)

    def tokens_of(self, agent_id: str | None) -> TokenLog:
        """The tokens of an agent where agents are told apart, else of the scope."""
        del agent_id
        return self.tokens


class SharedAccounts(Accounts):
    """The counts of every agent of a process, and of the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._by_agent = TokenLogs(clock)

    def tokens_of(self, agent_id: str | None) -> TokenLog:
        return self.tokens if agent_id is None else self._by_agent.of(agent_id)

    def add_tokens(self, agent_id: str | None, tokens: int) -> None:
        """Count tokens for an agent and for the process."""
        self.tokens.add(tokens)
        self._by_agent.of(agent_id or "").add(tokens)
