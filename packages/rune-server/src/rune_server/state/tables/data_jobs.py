"""Exports and erasures: jobs that take a while, and what exports made, sealed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId


class DataJobRow(Base):
    """One export or erasure."""

    __tablename__ = "data_jobs"
    __table_args__ = (
        Index(None, "organisation_id", "id"),
        Index(None, "state", "id"),
    )

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE")
    )
    kind: Mapped[str] = mapped_column(String(8))
    """``export`` or ``erasure``."""
    agent_id: Mapped[str | None] = mapped_column(String(128))
    """None for everything."""
    state: Mapped[str] = mapped_column(String(8))
    """``pending``, ``running``, ``done`` or ``failed``."""
    requested_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """When an export is removed."""
    events: Mapped[int]
    bytes: Mapped[int]
    fault: Mapped[str] = mapped_column(String(300))


class ExportPartRow(Base):
    """A piece of an export, sealed by the vault."""

    __tablename__ = "export_parts"

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("data_jobs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[bytes] = mapped_column(LargeBinary())
