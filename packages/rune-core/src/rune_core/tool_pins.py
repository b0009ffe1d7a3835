"""Tool definitions are pinned: one that changes after it was first seen is a finding.

A server of tools may show harmless definitions until they are trusted and other ones afterwards.
So the first definition of each tool stays the one that is known, for each agent, until somebody
accepts another. Kept in the process; ``save`` and ``load`` carry pins over to the next one.

What is compared is what a model reads and acts on: descriptions, names, types, choices. Keys that
adapters and providers add or drop on the way, such as ``strict``, do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from rune_core.errors import ConfigError
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_core.context import ScanContext

RULE: Final = "tool-definition-changed"
LAYER: Final = "tool_pins"
CONFIDENCE: Final = 0.6
"""Flagged by the default policy and no more: most changes are a developer's own."""
MAX_PINS: Final = 4096
_SCHEMAS: Final = ("parameters", "input_schema", "inputSchema")
_TOLD: Final = frozenset(("type", "description", "enum", "const", "format", "pattern", "examples"))
_NESTED: Final = frozenset(("properties", "$defs", "definitions"))
_DEEPEST: Final = 24


def definition_hash(definition: Mapping[str, Any]) -> str:
    """Stands for what a model reads in a tool's definition, in any provider's format.

    Args:
        definition: With ``description`` and a JSON schema under ``parameters``, ``input_schema`` or
            ``inputSchema``; other keys count when their value is a text.

    Returns:
        32 hex digits.
    """
    schema = next((definition[key] for key in _SCHEMAS if definition.get(key)), None)
    told: dict[str, Any] = {
        key: value
        for key, value in definition.items()
        if isinstance(value, str) and value and key not in ("type", "name")
    }
    told["parameters"] = _said(schema, 0)
    canonical = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _said(schema: Any, depth: int) -> Any:
    """The part of a JSON schema that says something."""
    if depth > _DEEPEST:
        return str(schema)
    if isinstance(schema, list):
        return [_said(item, depth + 1) for item in schema]
    if not hasattr(schema, "items"):
        return schema
    said: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _TOLD:
            said[key] = value
        elif key in _NESTED and hasattr(value, "items"):
            named = {name: _said(item, depth + 1) for name, item in value.items()}
            if named:
                said[key] = named
        elif isinstance(value, dict | list) and key != "required":
            inner = _said(value, depth + 1)
            if inner:
                said[key] = inner
    return said


class ToolPins:
    """The definitions that are known, by agent and tool. Bounded, shared by threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pins: OrderedDict[tuple[str, str], str] = OrderedDict()

    def look(self, context: ScanContext, text: str) -> Finding | None:
        """Pin a definition that is new; the finding when it is not the one that is known.

        Args:
            context: Names tool and agent; without a tool nothing is pinned.
            text: The definition as it is scanned. Stands for itself where the context holds no
                hash of it.
        """
        if context.surface is not Surface.TOOL_DEFINITION or not context.tool:
            return None
        digest = context.tool_definition_hash or definition_hash({"description": text})
        key = (context.agent_id or "", context.tool)
        with self._lock:
            known = self._pins.setdefault(key, digest)
            self._pins.move_to_end(key)
            if len(self._pins) > MAX_PINS:
                self._pins.popitem(last=False)
        if known == digest:
            return None
        return Finding(
            rule_id=RULE,
            threat=Threat.TOOL_MANIPULATION,
            severity=Severity.HIGH,
            confidence=CONFIDENCE,
            span=Span(0, len(text)),
            surface=Surface.TOOL_DEFINITION,
            view="raw",
            label="TOOL DEFINITION",
            layer=LAYER,
        )

    def accept(self, tool: str, agent_id: str | None = None) -> None:
        """Forget a tool's definition: the next one that is seen is the one that is known."""
        with self._lock:
            self._pins.pop((agent_id or "", tool), None)

    def known(self) -> dict[tuple[str, str], str]:
        """Every pin: the hash of the definition, by agent (empty without one) and tool."""
        with self._lock:
            return dict(self._pins)

    def save(self, path: str | Path) -> None:
        """Write every pin to a file, to be kept beside the code and read by ``load``."""
        listed: dict[str, dict[str, str]] = {}
        for (agent, tool), digest in sorted(self.known().items()):
            listed.setdefault(agent, {})[tool] = digest
        text = json.dumps({"version": 1, "agents": listed}, indent=2) + "\n"
        Path(path).write_text(text, encoding="utf-8")

    def load(self, path: str | Path) -> None:
        """Take over the pins of a file, in place of those known for the same tools.

        Raises:
            ConfigError: It cannot be read or holds no pins.
        """
        try:
            held = json.loads(Path(path).read_text(encoding="utf-8"))
            pins = {
                (str(agent), str(tool)): str(digest)
                for agent, tools in held["agents"].items()
                for tool, digest in tools.items()
                if held["version"] == 1
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path}: no tool pins can be read from it ({type(error).__name__}); "
                "make one with shield.tool_pins.save(path)"
            ) from error
        with self._lock:
            self._pins.update(pins)
