"""Erasures that were asked for, until and after they are done."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId


class ErasureRow(Base):
    """One erasure. Outlives the organisation, and names nobody once it is done."""

    __tablename__ = "erasures"
    __table_args__ = (Index(None, "finished_at", "due_at"),)

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(index=True)
    """No foreign key: the organisation itself may be what is erased."""
    region: Mapped[str] = mapped_column(String(2))
    """Where its events are, once nobody can be asked any more."""
    whole: Mapped[bool]
    """Whether the organisation is erased, rather than an agent."""
    agent_id: Mapped[str] = mapped_column(String(128))
    """Empty for a whole organisation, and when it is done."""
    requested_at: Mapped[datetime]
    requested_by: Mapped[str] = mapped_column(String(64))
    due_at: Mapped[datetime]
    """When the next pass over the events is made."""
    passes: Mapped[int]
    events: Mapped[int]
    """Events that were removed."""
    finished_at: Mapped[datetime | None]
