"""Another address for one's account: asked for with password and second factor, proven by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from rune_server.auth import one_time, second_factor, sessions, sign_in
from rune_server.errors import ConflictError, UnavailableError, UnprocessableError
from rune_server.mailer import Mail
from rune_server.names import checked_email
from rune_server.state.tables.users import OneTimeToken, User

if TYPE_CHECKING:
    from rune_server.auth.client import Client
    from rune_server.auth.sessions import SignedIn
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.auth.email")


async def ask(
    platform: Platform,
    signed_in: SignedIn,
    email: str,
    *,
    password: str,
    code: str,
    client: Client,
) -> None:
    """Send a link to a new address. The account keeps its address until somebody opens that.

    An address that has an account gets a mail that says so; the answer is the same.

    Args:
        platform: The platform.
        signed_in: Whose account.
        email: The new address.
        password: Theirs; anything for those who have none.
        code: Of their second factor; anything for those who have none.
        client: From where.

    Raises:
        UnauthenticatedError: Password or code is wrong.
        UnprocessableError: It is no address, or the one that they have.
        TooManyRequestsError: There were too many.
        UnavailableError: The mail cannot be sent.
    """
    address = checked_email(email)
    if address == signed_in.email:
        raise UnprocessableError("email: is your address already")
    await second_factor.require_password(platform, signed_in, password, client)
    await second_factor.require_code(platform, signed_in, code, client)
    await platform.attempts.count("email", client, str(signed_in.user_id))
    async with platform.state.begin() as session:
        taken = await session.scalar(select(User.id).where(User.email == address))
        if taken is None:
            token = await one_time.make(
                platform.clock.now(), session, signed_in.user_id, "email", address
            )
            text = (
                f"Somebody, you we hope, wants {address} to be the address of the account that has "
                f"{signed_in.email} now.\n\n"
                f"Confirm it within an hour: {platform.settings.url}/email/{token}\n\n"
                "If it was not you, ignore this mail.\n"
            )
        else:
            text = (
                f"Somebody wants {address} to be the address of their account, but it has an "
                f"account already.\n\nSign in with it: {platform.settings.url}/sign-in\n"
            )
        # Within the transaction: without the mail there is no token.
        await platform.mailer.send(Mail(address, "Your new address for Rune", text))


async def complete(platform: Platform, token: str, client: Client) -> str:
    """Take the link that proves the new address. It is the account's from here on.

    Links that went to the address before work no more, and it is told.

    Returns:
        The new address.

    Raises:
        UnprocessableError: The link is used or too old.
        ConflictError: Somebody else has the address by now.
    """
    await platform.attempts.count("token", client)
    async with platform.state.begin() as session:
        user = await one_time.use(platform, session, token, "email")
        address = await one_time.address(session, token)
        assert address is not None
        before, user.email = user.email, address
        user.email_verified_at = platform.clock.now()
        user.awaits_verification = False
        try:
            await session.flush()
        except IntegrityError:
            raise ConflictError("this address has another account by now") from None
        await session.execute(
            delete(OneTimeToken).where(
                OneTimeToken.user_id == user.id, OneTimeToken.used_at.is_(None)
            )
        )
        await sign_in.tell(
            session, user.id, "user.email_changed", {"before": before, "email": address}
        )
    await sessions.announce(platform, user.id)
    try:
        await platform.mailer.send(
            Mail(
                before,
                "Your address for Rune was changed",
                f"The account that had this address has {address} now.\n\n"
                "If it was not you, tell an owner of your organisation at once.\n",
            )
        )
    except UnavailableError:
        _log.warning("the address before could not be told")
    return address
