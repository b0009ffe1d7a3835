"""Migrations make exactly the tables that the code has, on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.rune_server.conftest import DATABASES

from rune_server.errors import ConfigurationError
from rune_server.state import migrations

if TYPE_CHECKING:
    from rune_server.platform import Platform


pytestmark = pytest.mark.parametrize("database", DATABASES)


async def test_the_migrated_database_is_what_the_code_has(platform: Platform) -> None:
    """When this fails: python -m rune_server.state.migrations.regenerate."""
    assert await platform.state.run_sync(migrations.differences) == []


async def test_migrating_twice_changes_nothing(platform: Platform) -> None:
    await migrations.upgrade(platform.state)
    assert await migrations.current(platform.state) == migrations.newest()


async def test_a_database_of_another_version_is_refused(platform: Platform) -> None:
    await migrations.require_current(platform.state)
    async with platform.state.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer"):
        await migrations.require_current(platform.state)
    async with platform.state.begin() as session:
        await session.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(ConfigurationError, match="rune migrate"):
        await migrations.require_current(platform.state)
