"""The tools that the agents of this process called. Bounded; names and risks, no arguments."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

MAX_TOOLS = 256


@dataclass(frozen=True, slots=True)
class SeenTool:
    """A tool of one agent.

    Attributes:
        agent_id: The agent; empty when it has no id.
        name: The tool.
        risk: ``low``, ``medium`` or ``high``.
        definition_hash: Hash of its definition; empty when no adapter gave one.
    """

    agent_id: str
    name: str
    risk: str
    definition_hash: str


class ToolsSeen:
    """Remembers the tools called last, from any thread."""

    def __init__(self) -> None:
        self._tools: OrderedDict[tuple[str, str], SeenTool] = OrderedDict()

    def note(
        self, agent_id: str | None, name: str, risk: str | None, definition_hash: str | None
    ) -> None:
        """Remember a call."""
        key = (agent_id or "", name)
        known = self._tools.get(key)
        if known is not None and known.definition_hash == (definition_hash or ""):
            return
        self._tools[key] = SeenTool(*key, risk or "medium", definition_hash or "")
        while len(self._tools) > MAX_TOOLS:
            # Names can be made up by a model: what is full forgets the oldest.
            try:
                self._tools.popitem(last=False)
            except KeyError:  # another thread was faster
                return

    def listed(self) -> tuple[SeenTool, ...]:
        """What is remembered, by agent and name."""
        return tuple(sorted(self._tools.copy().values(), key=lambda t: (t.agent_id, t.name)))
