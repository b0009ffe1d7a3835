"""Alert rules, the alerts they raised, the channels they go to, and what was delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId

_UNRESOLVED = text("resolved_at IS NULL")


class AlertChannelRow(Base):
    """Where notices go. What is secret of it (an address, a signing key) is sealed."""

    __tablename__ = "alert_channels"
    __table_args__ = (Index(None, "organisation_id", "name", unique=True),)

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    """``slack``, ``webhook`` or ``email``."""
    shown: Mapped[str] = mapped_column(String(300))
    """The target as it may be shown: without secrets."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary())
    enabled: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AlertRuleRow(Base):
    """When to raise an alert."""

    __tablename__ = "alert_rules"
    __table_args__ = (
        Index(None, "organisation_id", "name", unique=True),
        Index(None, "enabled", "evaluated_at"),
    )

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    spec: Mapped[dict[str, Any]]
    """The rest of the rule, as ``alerts.model.RuleSpec``."""
    channels: Mapped[list[str]]
    enabled: Mapped[bool]
    muted_until: Mapped[datetime | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(128))
    evaluated_at: Mapped[datetime | None]
    fault: Mapped[str] = mapped_column(String(300))
    """Why the last evaluation failed; empty when it did not."""


class AlertRow(Base):
    """An alert: one rule, one group, from when it began until it is resolved."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "uq_alerts_open",
            "rule_id",
            "group_key",
            unique=True,
            sqlite_where=_UNRESOLVED,
            postgresql_where=_UNRESOLVED,
        ),
        Index(None, "organisation_id", "id"),
    )

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE")
    )
    rule_id: Mapped[UUID] = mapped_column(ForeignKey("alert_rules.id", ondelete="CASCADE"))
    group_key: Mapped[str] = mapped_column(String(400))
    """What it is about within the rule, such as an agent; empty without grouping."""
    severity: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(300))
    value: Mapped[float]
    threshold: Mapped[float]
    details: Mapped[dict[str, Any]]
    times: Mapped[int]
    """How many evaluations in a row, or not, found it."""
    version: Mapped[int]
    began_at: Mapped[datetime]
    last_at: Mapped[datetime]
    notified_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(String(128))
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str] = mapped_column(String(128))


class AlertDeliveryRow(Base):
    """One notice to one channel, and how it fared."""

    __tablename__ = "alert_deliveries"
    __table_args__ = (
        Index(None, "state", "due_at"),
        Index(None, "organisation_id", "id"),
    )

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE")
    )
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("alert_channels.id", ondelete="CASCADE"))
    alert_id: Mapped[UUID | None] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    """None for a test."""
    what: Mapped[str] = mapped_column(String(16))
    """``raised``, ``again``, ``resolved`` or ``test``."""
    notice: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    """``pending``, ``sent`` or ``failed``."""
    attempts: Mapped[int]
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(String(300))
    """What came of the last attempt: a status, or why there was none."""
