"""API keys, the keys that sign sessions, and secrets that are made once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId


class ApiKey(Base):
    """A key of an organisation. The key itself is nowhere: only its SHA-256."""

    __tablename__ = "api_keys"

    id: Mapped[NewId]
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(128))
    hint: Mapped[str] = mapped_column(String(32))
    """Its first characters, so that people can tell keys apart."""
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    permissions: Mapped[list[str]]
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """To the minute or so; None when it was never used."""


class SigningKey(Base):
    """An RSA key pair that signs sessions. The private half is sealed by the vault."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    public: Mapped[dict[str, Any]]
    private_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    """From then on it signs nothing; what it signed is believed until it expires."""
    revoked_at: Mapped[datetime | None]
    """From then on nothing that it signed is believed."""


class StoredSecret(Base):
    """A random secret that is made once and sealed by the vault, such as the audit log's key."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
