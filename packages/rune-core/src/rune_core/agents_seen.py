"""The agents that acted in this process. Bounded; ids alone."""

from __future__ import annotations

from collections import OrderedDict

MAX_AGENTS = 256


class AgentsSeen:
    """Remembers the agents met last, from any thread."""

    def __init__(self) -> None:
        self._agents: OrderedDict[str, None] = OrderedDict()

    def note(self, agent_id: str | None) -> None:
        """Remember that an agent acted; one without an id is not told apart."""
        if not agent_id or agent_id in self._agents:
            return
        self._agents[agent_id] = None
        while len(self._agents) > MAX_AGENTS:
            # An application may name one agent per user: what is full forgets the oldest.
            try:
                self._agents.popitem(last=False)
            except KeyError:  # another thread was faster
                return

    def listed(self) -> tuple[str, ...]:
        """What is remembered, in order."""
        return tuple(sorted(self._agents.copy()))
