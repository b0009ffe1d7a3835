"""What is known of tools from their definitions, as adapters show them. Bounded, in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Final

from rune_core.tool_risk import Risk, ToolProfile, infer

MAX_TOOLS: Final = 1024
_SCHEMAS: Final = ("parameters", "input_schema", "inputSchema")


class ToolProfiles:
    """Remembers the profiles of the tools defined last. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._profiles: OrderedDict[str, ToolProfile] = OrderedDict()

    def note(self, tool: str, definition: object) -> None:
        """Read a profile off a definition: ``description`` and a JSON schema of its parameters."""
        if not isinstance(definition, Mapping):
            return
        said = definition.get("description")
        schema = next((definition[key] for key in _SCHEMAS if key in definition), None)
        profile = infer(
            tool,
            said if isinstance(said, str) else "",
            schema if isinstance(schema, Mapping) else None,
        )
        if profile.evidence.startswith("description") and profile.risk is Risk.LOW:
            # A description is written by whoever offers the tool: it may raise the risk of one
            # whose name tells nothing, and not lower it.
            profile = replace(profile, risk=Risk.MEDIUM)
        with self._lock:
            self._profiles[tool] = profile
            self._profiles.move_to_end(tool)
            while len(self._profiles) > MAX_TOOLS:
                self._profiles.popitem(last=False)

    def of(self, tool: str) -> ToolProfile | None:
        """What a tool's definition says; None where none was seen."""
        return self._profiles.get(tool)
