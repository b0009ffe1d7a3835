"""Lists of events with their filters, kept under a name."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId


class SavedView(Base):
    """The address of a list, without the path."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("organisation_id", "owner_id", "name"),)

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE")
    )
    owner_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(128))
    query: Mapped[str] = mapped_column(String(2000))
    """Filters and range as the list's own address has them; parsed and written again when saved."""
    shared: Mapped[bool]
    created_at: Mapped[datetime]
