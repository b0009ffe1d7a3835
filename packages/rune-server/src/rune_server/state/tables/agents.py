"""Agents, the processes that run them, and the tools they were seen with."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId


class AgentRow(Base):
    """An agent that somebody registered, or that reported."""

    __tablename__ = "agents"

    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    agent_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    framework: Mapped[str] = mapped_column(String(128))
    description: Mapped[str] = mapped_column(String(1000))
    tags: Mapped[list[str]]
    registered: Mapped[bool]
    """Whether a person or program entered it, rather than its own reports."""
    version: Mapped[int]
    first_seen_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    """When a process that runs it last reported."""


class AgentInstanceRow(Base):
    """One process with Rune in it, as it last reported."""

    __tablename__ = "agent_instances"

    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    instance: Mapped[str] = mapped_column(String(128), primary_key=True)
    sdk_version: Mapped[str] = mapped_column(String(128))
    first_at: Mapped[datetime]
    reported_at: Mapped[datetime] = mapped_column(index=True)
    fetched: Mapped[str] = mapped_column(String(64))
    activated: Mapped[str] = mapped_column(String(64))
    agents: Mapped[list[str]]
    status: Mapped[dict[str, Any]]
    """The whole report: the closed schema of ``rune_core.bundle.status``."""


class AgentToolRow(Base):
    """A tool that an agent was seen with, under one definition."""

    __tablename__ = "agent_tools"

    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    agent_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    tool: Mapped[str] = mapped_column(String(128), primary_key=True)
    definition_hash: Mapped[str] = mapped_column(String(128), primary_key=True)
    risk: Mapped[str] = mapped_column(String(8))
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class ToolChangeRow(Base):
    """A tool that an agent got, or whose definition changed."""

    __tablename__ = "tool_changes"
    __table_args__ = (Index(None, "organisation_id", "at"),)

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE")
    )
    agent_id: Mapped[str] = mapped_column(String(128))
    tool: Mapped[str] = mapped_column(String(128))
    what: Mapped[str] = mapped_column(String(16))
    """``added`` or ``changed``."""
    before: Mapped[str] = mapped_column(String(128))
    after: Mapped[str] = mapped_column(String(128))
    at: Mapped[datetime]
