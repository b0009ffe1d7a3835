"""The second factor: time-based codes (RFC 6238) of an authenticator, and recovery codes."""

from __future__ import annotations

import hmac
import io
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyotp
import segno
from sqlalchemy import delete, select

from rune_server.auth import passwords, sessions, sign_in
from rune_server.errors import ConflictError, UnauthenticatedError, UnprocessableError
from rune_server.state.tables.users import RecoveryCode, User
from rune_server.storage.vault import fingerprint

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.auth.client import Client
    from rune_server.auth.sessions import SignedIn
    from rune_server.platform import Platform

RECOVERY_CODES = 10
PURPOSE = "totp"
_STEP_SECONDS = 30
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_CHARACTERS = 16
_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_CLOCK_STEPS = 1


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator needs. Shown once; nothing is in force before ``confirm``.

    Attributes:
        secret: To type in, in base32.
        uri: ``otpauth://…``, to open.
        svg: The same as a QR code, to scan; black on nothing, sized by CSS.
    """

    secret: str
    uri: str
    svg: str

    def __repr__(self) -> str:
        return "Enrolment()"


async def begin(platform: Platform, signed_in: SignedIn) -> Enrolment:
    """Make a secret for somebody who has no second factor yet.

    Raises:
        ConflictError: They have one already.
    """
    secret = pyotp.random_base32()
    async with platform.state.begin() as session:
        user = await _user(session, signed_in.user_id)
        if user.totp_confirmed_at is not None:
            raise ConflictError("you have a second factor; remove it first")
        user.totp_sealed = platform.vault.seal(PURPOSE, secret.encode(), user.id.bytes)
    return _drawn(platform, signed_in, secret)


async def waiting(platform: Platform, signed_in: SignedIn) -> Enrolment | None:
    """What was begun and not confirmed: an authenticator that has it need not scan another.

    None when nothing was begun, or a second factor is in force, whose secret stays one.
    """
    async with platform.state.read() as session:
        user = await _user(session, signed_in.user_id)
        if user.totp_sealed is None or user.totp_confirmed_at is not None:
            return None
        secret = platform.vault.open(PURPOSE, user.totp_sealed, user.id.bytes).decode()
    return _drawn(platform, signed_in, secret)


def _drawn(platform: Platform, signed_in: SignedIn, secret: str) -> Enrolment:
    uri = pyotp.TOTP(secret).provisioning_uri(
        name=signed_in.email, issuer_name=f"Rune ({platform.settings.hostname})"
    )
    drawn = io.BytesIO()
    segno.make(uri, error="m").save(
        drawn, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2
    )
    return Enrolment(secret, uri, drawn.getvalue().decode())


async def confirm(
    platform: Platform, signed_in: SignedIn, code: str, client: Client
) -> tuple[str, ...]:
    """Put the second factor in force with a first code. The recovery codes, shown once.

    All other sessions end: they were opened without it.

    Raises:
        UnprocessableError: The code is wrong.
        ConflictError: There is nothing to confirm.
    """
    await platform.attempts.count("second factor", client, str(signed_in.user_id))
    codes = tuple(_new_code() for _ in range(RECOVERY_CODES))
    async with platform.state.begin() as session:
        user = await _user(session, signed_in.user_id)
        if user.totp_sealed is None or user.totp_confirmed_at is not None:
            raise ConflictError("there is no second factor waiting to be confirmed")
        if not _accept_totp(platform, user, code):
            raise UnprocessableError("code: is wrong; see that your phone's clock is right")
        user.totp_confirmed_at = platform.clock.now()
        await _replace_codes(session, user, codes)
        await sessions.end_all(platform, session, user.id, but=signed_in.session_id)
        await sessions.mark_second_factor(session, signed_in.session_id)
        await sign_in.tell(session, user.id, "user.second_factor_added", {})
    await sessions.announce(platform, signed_in.user_id)
    return codes


async def new_recovery_codes(
    platform: Platform, signed_in: SignedIn, password: str, client: Client
) -> tuple[str, ...]:
    """Replace the recovery codes. Needs the password again, where there is one.

    Raises:
        UnauthenticatedError: The password is wrong.
        ConflictError: There is no second factor.
    """
    codes = tuple(_new_code() for _ in range(RECOVERY_CODES))
    await require_password(platform, signed_in, password, client)
    async with platform.state.begin() as session:
        user = await _user(session, signed_in.user_id)
        if user.totp_confirmed_at is None:
            raise ConflictError("you have no second factor")
        await _replace_codes(session, user, codes)
        await sign_in.tell(session, user.id, "user.recovery_codes_replaced", {})
    return codes


async def remove(
    platform: Platform, signed_in: SignedIn, password: str, code: str, client: Client
) -> None:
    """Remove the second factor. Needs the password, where there is one, and a code.

    Raises:
        UnauthenticatedError: The password or the code is wrong.
    """
    await require_password(platform, signed_in, password, client)
    await require_code(platform, signed_in, code, client)
    async with platform.state.begin() as session:
        user = await _user(session, signed_in.user_id)
        if user.totp_confirmed_at is None:
            return
        clear(user)
        await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
        await sign_in.tell(session, user.id, "user.second_factor_removed", {})
    await sessions.announce(platform, signed_in.user_id)


async def require_password(
    platform: Platform, signed_in: SignedIn, password: str, client: Client
) -> None:
    """Ask for the password again before something that matters.

    Who signs in with GitHub or Google alone has none and goes on.

    Raises:
        UnauthenticatedError: It is wrong.
    """
    await platform.attempts.count("sign-in", client, signed_in.email)
    async with platform.state.read() as session:
        user = await _user(session, signed_in.user_id)
    if user.password_bcrypt is not None and not await passwords.matches(
        platform.settings, password, user.password_bcrypt
    ):
        raise UnauthenticatedError("the password is wrong", code="wrong_password")


async def require_code(platform: Platform, signed_in: SignedIn, code: str, client: Client) -> None:
    """Ask for a code of the second factor again, or a recovery code, from those who have one.

    Raises:
        UnauthenticatedError: It is wrong or was used.
    """
    async with platform.state.begin() as session:
        user = await _user(session, signed_in.user_id)
        if user.totp_confirmed_at is None:
            return
        await platform.attempts.count("second factor", client, str(signed_in.user_id))
        if not await accept(platform, session, user, code):
            raise UnauthenticatedError("the code is wrong or was used before", code="wrong_code")


async def accept(platform: Platform, session: AsyncSession, user: User, code: str) -> bool:
    """Take a code of the authenticator or a recovery code; each is taken once."""
    typed = re.sub(r"[\s-]", "", code).lower()
    if _CODE.fullmatch(typed):
        return _accept_totp(platform, user, typed)
    digest = fingerprint(f"{user.id} {typed}")
    rows = await session.scalars(
        select(RecoveryCode).where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    )
    for row in rows.all():
        if hmac.compare_digest(row.code_sha256, digest):
            row.used_at = platform.clock.now()
            return True
    return False


async def codes_left(platform: Platform, signed_in: SignedIn) -> int:
    """How many recovery codes are left."""
    query = select(RecoveryCode.id).where(
        RecoveryCode.user_id == signed_in.user_id, RecoveryCode.used_at.is_(None)
    )
    async with platform.state.read() as session:
        return len((await session.scalars(query)).all())


def clear(user: User) -> None:
    """Forget the authenticator."""
    user.totp_sealed, user.totp_confirmed_at, user.totp_last_step = None, None, 0


def _accept_totp(platform: Platform, user: User, code: str) -> bool:
    if user.totp_sealed is None or not _CODE.fullmatch(code.strip()):
        return False
    secret = platform.vault.open(PURPOSE, user.totp_sealed, user.id.bytes).decode()
    totp = pyotp.TOTP(secret)
    now = int(platform.clock.now().timestamp()) // _STEP_SECONDS
    for step in range(now - _CLOCK_STEPS, now + _CLOCK_STEPS + 1):
        if hmac.compare_digest(totp.at(step * _STEP_SECONDS), code.strip()):
            if step <= user.totp_last_step:
                return False
            user.totp_last_step = step
            return True
    return False


async def _replace_codes(session: AsyncSession, user: User, codes: tuple[str, ...]) -> None:
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    session.add_all(
        RecoveryCode(user_id=user.id, code_sha256=fingerprint(f"{user.id} {code.replace('-', '')}"))
        for code in codes
    )


async def _user(session: AsyncSession, user_id: UUID) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise UnauthenticatedError
    return user


def _new_code() -> str:
    """79 random bits, in four groups."""
    raw = "".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_CHARACTERS))
    return "-".join(raw[at : at + 4] for at in range(0, _RECOVERY_CHARACTERS, 4))
