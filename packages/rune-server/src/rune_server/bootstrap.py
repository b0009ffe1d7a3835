"""What a new server starts with: an owner, an organisation, a key. Printed once, kept nowhere."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from rune_server.accounts import organisations, users
from rune_server.actor import SDK_PERMISSIONS, Role, member
from rune_server.auth import keys, passwords
from rune_server.names import checked_email, checked_name
from rune_server.state import open_state
from rune_server.state.tables.organisations import Organisation

if TYPE_CHECKING:
    from uuid import UUID

    from rune_server.clock import Clock
    from rune_server.settings import Settings
    from rune_server.storage import Vault

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_PASSWORD_GROUPS, _GROUP = 6, 4


@dataclass(frozen=True, slots=True)
class First:
    """What was made. Only whoever reads the terminal has password and key."""

    organisation_id: UUID
    organisation: str
    email: str
    password: str
    key: str

    def __repr__(self) -> str:
        return f"First(organisation={self.organisation!r})"


async def first_owner(
    settings: Settings,
    vault: Vault,
    clock: Clock,
    *,
    email: str | None = None,
    organisation: str = "My organisation",
    only_if_none: bool = True,
) -> First | None:
    """Make an owner, their organisation and an API key for its agents.

    Args:
        settings: The settings.
        vault: The vault.
        clock: The time.
        email: The owner's address; by default the setting ``owner_email``.
        organisation: Its name.
        only_if_none: Do nothing when there is an organisation already.

    Raises:
        UnprocessableError: Address or name is none.
        ConflictError: The address has an account.
    """
    address = checked_email(email or settings.owner_email)
    name = checked_name(organisation, "organisation")
    password = _new_password()
    hashed = await passwords.hashed(settings, password)
    state = open_state(settings, vault, clock)
    try:
        async with state.begin() as session:
            if only_if_none and await session.scalar(select(func.count(Organisation.id))):
                return None
            user = await users.insert(
                session,
                email=address,
                name="Owner",
                password_bcrypt=hashed,
                verified_at=clock.now(),
            )
            made = await organisations.insert(settings, session, user.id, name)
            actor = member(made.id, str(user.id), Role.OWNER)
            key = await keys.insert(session, actor, name="first key", permissions=SDK_PERMISSIONS)
    finally:
        await state.close()
    return First(made.id, name, address, password, key.key)


def _new_password() -> str:
    """119 random bits, in groups that can be typed."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_PASSWORD_GROUPS)
    )
    return "-".join(groups)
