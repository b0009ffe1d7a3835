"""Policies, their revisions, and what is published to whom."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId

_LIVE = text("archived_at IS NULL")


class PolicyRow(Base):
    """One policy: its name, and which of its revisions is in force."""

    __tablename__ = "policies"
    __table_args__ = (
        Index(
            "uq_policies_name",
            "organisation_id",
            "name",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
    )

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(128))
    version: Mapped[int]
    """Counts up with every change, for If-Match."""
    latest_revision: Mapped[int]
    published_revision: Mapped[int | None]
    staged_revision: Mapped[int | None]
    staged_percent: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(128))
    archived_at: Mapped[datetime | None]


class PolicyRevisionRow(Base):
    """One text of a policy. Never changes."""

    __tablename__ = "policy_revisions"

    policy_id: Mapped[UUID] = mapped_column(
        ForeignKey("policies.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    yaml: Mapped[str] = mapped_column(Text())
    sha256: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))


class PolicyPublicationRow(Base):
    """One step of a policy's way into force and out of it. Never changes."""

    __tablename__ = "policy_publications"
    __table_args__ = (
        ForeignKeyConstraint(
            ("policy_id", "revision"),
            ("policy_revisions.policy_id", "policy_revisions.number"),
            ondelete="CASCADE",
        ),
        Index(None, "policy_id", "id"),
    )

    id: Mapped[NewId]
    policy_id: Mapped[UUID]
    revision: Mapped[int]
    what: Mapped[str] = mapped_column(String(16))
    """``published``, ``staged``, ``aborted``, ``rolled_back`` or ``withdrawn``."""
    percent: Mapped[int]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(128))


class PolicyChannelRow(Base):
    """Counts up whenever what an organisation's instances should have may have changed."""

    __tablename__ = "policy_channels"

    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int]
