"""Random secrets that are made once, kept sealed in the state database, shared by replicas."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from rune_server.state.tables.keys import StoredSecret

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.clock import Clock
    from rune_server.storage import Vault

PURPOSE = "secret"


async def get(session: AsyncSession, name: str) -> bytes:
    """The secret of this name, 32 bytes; made when there is none yet.

    Args:
        session: Of ``platform.state``. One that may write, unless the secret exists.
        name: Such as ``audit``.
    """
    vault: Vault = session.info["vault"]
    found = await _read(session, name)
    if found is None:
        clock: Clock = session.info["clock"]
        row = {
            "name": name,
            "sealed": vault.seal(PURPOSE, os.urandom(32), name.encode()),
            "created_at": clock.now(),
        }
        bind = session.get_bind()
        insert = postgresql.insert if bind.dialect.name == "postgresql" else sqlite.insert
        # Another process may make it at the same moment; one of the two stays.
        await session.execute(insert(StoredSecret).values(row).on_conflict_do_nothing())
        found = await _read(session, name)
        assert found is not None
    return vault.open(PURPOSE, found, name.encode())


async def _read(session: AsyncSession, name: str) -> bytes | None:
    query = select(StoredSecret.sealed).where(StoredSecret.name == name)
    return (await session.execute(query)).scalar_one_or_none()
