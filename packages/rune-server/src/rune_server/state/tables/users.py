"""People: how they prove who they are, and where they are signed in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from rune_server.state.base import Base, NewId


class User(Base):
    """A person. E-mail addresses are kept in lower case."""

    __tablename__ = "users"

    id: Mapped[NewId]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    password_bcrypt: Mapped[str | None] = mapped_column(String(60))
    """None for those who only sign in with GitHub or Google."""
    email_verified_at: Mapped[datetime | None]
    awaits_verification: Mapped[bool] = mapped_column(default=False)
    """Signed up by themselves, and the address is not proven yet."""
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_confirmed_at: Mapped[datetime | None]
    totp_last_step: Mapped[int] = mapped_column(default=0)
    """The 30-second step of the last code taken: none is taken twice."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Identity(Base):
    """An account at GitHub or Google that a user signs in with."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("provider", "subject"),)

    id: Mapped[NewId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]


class RecoveryCode(Base):
    """Takes the place of a second factor, once. Stored as a keyed hash."""

    __tablename__ = "recovery_codes"

    id: Mapped[NewId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    code_sha256: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None]


class OneTimeToken(Base):
    """A link sent by mail: for a new password, an address, another address. Stored as SHA-256."""

    __tablename__ = "one_time_tokens"

    id: Mapped[NewId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(16))
    email: Mapped[str | None] = mapped_column(String(254))
    """The address that the account gets, of a link that says so."""
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OAuthAttempt(Base):
    """A sign-in that is away at GitHub or Google. Deleted when it comes back: none comes twice."""

    __tablename__ = "oauth_attempts"

    state_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_sha256: Mapped[str] = mapped_column(String(64))
    """Of a cookie: only the browser that began may end it."""
    provider: Mapped[str] = mapped_column(String(16))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """PKCE verifier, nonce, and where to go afterwards."""
    expires_at: Mapped[datetime]


class UserSession(Base):
    """One browser that a user is signed in with. The cookie's token names it."""

    __tablename__ = "user_sessions"

    id: Mapped[NewId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    secret_sha256: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(16))
    """How it was opened: password, github, google, invitation."""
    second_factor: Mapped[bool]
    address: Mapped[str] = mapped_column(String(45))
    browser: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
