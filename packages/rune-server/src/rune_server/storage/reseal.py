"""After a new master key: what is sealed in the state database, sealed again under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rune_server.alerts.channels import PURPOSE as CHANNEL_PURPOSE
from rune_server.auth import oauth, second_factor, signing
from rune_server.state import secrets
from rune_server.state.tables.alerts import AlertChannelRow
from rune_server.state.tables.keys import SigningKey, StoredSecret
from rune_server.state.tables.users import OAuthAttempt, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_server.state import State
    from rune_server.storage import Vault


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed values.

    Attributes:
        name: For people.
        table: The table.
        column: The column.
        purpose: As given to ``vault.seal``.
        belongs: What a row's value is bound to.
    """

    name: str
    table: type[Any]
    column: str
    purpose: str
    belongs: Callable[[Any], bytes]


COLUMNS = (
    Sealed("secrets", StoredSecret, "sealed", secrets.PURPOSE, lambda row: row.name.encode()),
    Sealed(
        "signing keys",
        SigningKey,
        "private_sealed",
        signing.PURPOSE,
        lambda row: row.kid.encode(),
    ),
    Sealed("second factors", User, "totp_sealed", second_factor.PURPOSE, lambda row: row.id.bytes),
    Sealed(
        "sign-ins under way",
        OAuthAttempt,
        "sealed",
        oauth.PURPOSE,
        lambda row: row.state_sha256.encode(),
    ),
    Sealed("alert channels", AlertChannelRow, "sealed", CHANNEL_PURPOSE, lambda row: row.id.bytes),
)
"""All there are; a test holds this against the tables."""


async def reseal(state: State, vault: Vault) -> dict[str, int]:
    """Seal everything again that is not under the current master key. How many, by name.

    Raises:
        SealError: A value's master key is not given; nothing is changed then.
    """
    counts: dict[str, int] = {}
    async with state.begin() as session:
        for sealed in COLUMNS:
            count = 0
            column = getattr(sealed.table, sealed.column)
            rows = await session.scalars(
                select(sealed.table).where(column.is_not(None)).with_for_update()
            )
            for row in rows.all():
                value = getattr(row, sealed.column)
                if vault.is_current(value):
                    continue
                belongs = sealed.belongs(row)
                opened = vault.open(sealed.purpose, value, belongs)
                setattr(row, sealed.column, vault.seal(sealed.purpose, opened, belongs))
                count += 1
            counts[sealed.name] = count
    return counts
