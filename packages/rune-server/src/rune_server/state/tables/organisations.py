"""Organisations, who belongs to them, and who is invited."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId


class Organisation(Base):
    """One tenant. Everything that is stored belongs to exactly one."""

    __tablename__ = "organisations"

    id: Mapped[NewId]
    name: Mapped[str] = mapped_column(String(128))
    plan: Mapped[str] = mapped_column(String(16))
    region: Mapped[str] = mapped_column(String(2))
    retention_days: Mapped[int | None]
    """Shorter than the plan's, where the organisation asks for it."""
    second_factor_required: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Membership(Base):
    """A user's role in an organisation."""

    __tablename__ = "memberships"

    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]


class Invitation(Base):
    """An invitation by mail; its token is stored as SHA-256."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("organisation_id", "email"),)

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE")
    )
    email: Mapped[str] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(8))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    mailed: Mapped[bool]
    """Whether it went out by mail, so that accepting it proves the address."""
    invited_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
