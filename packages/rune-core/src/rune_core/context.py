"""Where a text came from: surface, tool, agent and session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.session.session import Session

TOOL_RISKS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class ScanContext:
    """What is known about a text besides the text.

    Attributes:
        surface: Where the text was met.
        session: The agent run it belongs to.
        agent_id: The agent, as the developer names it.
        agent_tags: The agent's tags, for rules narrowed by ``tags:``.
        tool: The tool that is called or that answered; None where no tool is involved.
        tool_risk: ``low``, ``medium`` or ``high``; None to let the policy say.
        framework: ``langchain``, ``openai``, …; None for direct calls.
        parent_id: The decision id of the call that led to this one.
        tool_definition_hash: Hash of the tool's definition, to notice drift.
        adapter: Name and version of the adapter, such as ``rune-langchain/0.1.0``.
        source: Where a document came from, for people. Stays in the process.
    """

    surface: Surface
    session: Session = field(repr=False)
    agent_id: str | None = None
    agent_tags: tuple[str, ...] = ()
    tool: str | None = None
    tool_risk: str | None = None
    framework: str | None = None
    parent_id: str | None = None
    tool_definition_hash: str | None = None
    adapter: str | None = None
    source: str | None = None


class CallFields(TypedDict, total=False):
    """The keyword arguments of the methods that take the tool's name as an argument."""

    session: Session | None
    agent_id: str | None
    agent_tags: tuple[str, ...]
    tool_risk: str | None
    framework: str | None
    parent_id: str | None
    tool_definition_hash: str | None
    adapter: str | None
    source: str | None


class ContextFields(CallFields, total=False):
    """The keyword arguments of the methods that look at texts."""

    tool: str | None


ContextLike: TypeAlias = ScanContext | Mapping[str, Any] | None
"""What the ``context`` argument may be. Unknown keys of a mapping are the caller's own: they are
ignored and never leave the process."""

CONTEXT_KEYS = tuple(ContextFields.__annotations__)


def surface_named(name: Surface | str) -> Surface:
    """The surface of this name.

    Raises:
        ValueError: There is none. What was given is not repeated: it may be the text to scan.
    """
    try:
        return Surface(name)
    except ValueError:
        raise ValueError(f"surface must be one of {', '.join(Surface)}") from None
