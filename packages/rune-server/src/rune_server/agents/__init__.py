"""Agents: what their processes report, and the inventory of what they are and do."""

from __future__ import annotations

from rune_server.agents.instances import adoption, changes, instances
from rune_server.agents.inventory import agent, agents, edit, register, tools
from rune_server.agents.model import (
    Adapter,
    Agent,
    AgentSpec,
    Gap,
    Instance,
    RefusedPolicy,
    Tool,
    ToolChange,
)

__all__ = [
    "Adapter",
    "Agent",
    "AgentSpec",
    "Gap",
    "Instance",
    "RefusedPolicy",
    "Tool",
    "ToolChange",
    "adoption",
    "agent",
    "agents",
    "changes",
    "edit",
    "instances",
    "register",
    "tools",
]
