"""A platform to test against: real SQLite, vault and bus, in a temporary folder."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests.rune_server.services import postgres_server, redis_server

from rune_server import settings as server_settings
from rune_server.actor import Actor, Role, member
from rune_server.analytics import Analytics, Target
from rune_server.analytics.connect import Store
from rune_server.platform import Platform, open_platform
from rune_server.platform import Role as ProcessRole
from rune_server.state import migrations, open_state
from rune_server.state.engine import STATE_FILE
from rune_server.state.tables.organisations import Organisation
from rune_server.storage import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.rune_server.services import Redis

    from rune_server.settings import Settings

DATABASES = ["sqlite", "postgresql"]
MASTER_KEY = "00" * 31 + "01"


class MovableClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        """Let time pass: ``clock.forward(minutes=16)``."""
        self.at += timedelta(**span)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a server in a folder of its own. Quick password hashes."""
    return server_settings.load(
        {
            "data_dir": tmp_path / "data",
            "master_key": MASTER_KEY,
            "password_cost": 4,
            "public_url": "https://rune.test",
        },
        environ={},
    )


@pytest.fixture(scope="session")
def analytics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analytics]:
    """One embedded ClickHouse, encrypted, with two regions. A process can hold only one.

    Tests keep apart by organisation. On its own everything is in ``us``; as ``platform.analytics``
    it goes by the organisation's region.
    """
    folder = tmp_path_factory.mktemp("analytics")
    targets = {
        region: Target(database=f"rune_{region}", path=folder, keys=(b"k" * 32,))
        for region in ("us", "eu")
    }
    stores = {region: Store(target) for region, target in targets.items()}
    for store in stores.values():
        asyncio.run(store.open())
    yield Analytics(stores)
    for store in stores.values():
        asyncio.run(store.close())


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated state database under ``MASTER_KEY``, to copy: migrating takes longer."""
    folder = tmp_path_factory.mktemp("migrated")
    given = {"data_dir": folder, "master_key": MASTER_KEY}
    asyncio.run(migrate(server_settings.load(given, environ={}), MovableClock()))
    return folder / STATE_FILE


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL with a migrated, empty database ``migrated`` to copy; its DSN."""
    with postgres_server() as dsn:
        asyncio.run(run_sql(dsn, "CREATE DATABASE migrated"))
        given = {"state_dsn": with_database(dsn, "migrated"), "master_key": MASTER_KEY}
        asyncio.run(migrate(server_settings.load(given, environ={}), MovableClock()))
        yield dsn


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of the test's own, that it may stop."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def database() -> str:
    """``sqlite``; tests ask for others with ``parametrize("database", DATABASES)``."""
    return "sqlite"


@pytest.fixture
def stored(request: pytest.FixtureRequest, settings: Settings, database: str) -> Iterator[Settings]:
    """The settings, with a migrated, empty state database of the test's own."""
    settings.data_dir.mkdir(mode=0o700)
    if database == "sqlite":
        shutil.copy(request.getfixturevalue("migrated"), settings.data_dir / STATE_FILE)
        yield settings
        return
    dsn: str = request.getfixturevalue("postgresql")
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(run_sql(dsn, f"CREATE DATABASE {name} TEMPLATE migrated"))
    yield dataclasses.replace(settings, state_dsn=with_database(dsn, name))
    asyncio.run(run_sql(dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def platform(
    stored: Settings, clock: MovableClock, analytics: Analytics
) -> AsyncIterator[Platform]:
    """An open platform with a migrated, empty state database and the shared ClickHouse."""
    async with open_platform(stored, ProcessRole.ALL, clock=clock, analytics=analytics) as found:
        yield found


async def run_sql(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def with_database(dsn: str, name: str) -> str:
    return f"{dsn.rpartition('/')[0]}/{name}"


async def migrate(settings: Settings, clock: MovableClock) -> None:
    state = open_state(settings, Vault(bytes.fromhex(settings.master_key)), clock)
    try:
        await migrations.upgrade(state)
    finally:
        await state.close()


@pytest.fixture
async def organisation(platform: Platform) -> Organisation:
    """An organisation without members."""
    return await make_organisation(platform, "Acme")


@pytest.fixture
async def new_organisation(platform: Platform) -> Callable[[str], Awaitable[Organisation]]:
    """Makes further ones."""

    async def make(name: str) -> Organisation:
        return await make_organisation(platform, name)

    return make


async def make_organisation(platform: Platform, name: str) -> Organisation:
    made = Organisation(name=name, plan="growth", region="us", created_at=platform.clock.now())
    async with platform.state.begin() as session:
        session.add(made)
    return made


@pytest.fixture
def owner(organisation: Organisation) -> Actor:
    """A member who may do everything."""
    return member(organisation.id, "owner", Role.OWNER)


@pytest.fixture
def viewer(organisation: Organisation) -> Actor:
    """A member who may only look."""
    return member(organisation.id, "viewer", Role.VIEWER)


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory, analytics: Analytics
) -> Iterator[tuple[str, dict[str, dict[str, str]]]]:
    """A server process that tests share: its address, and keys by organisation."""
    from tests.rune_server.served import prepared, served

    data_dir = tmp_path_factory.mktemp("served") / "server"
    given = asyncio.run(prepared(data_dir, analytics))
    with served(data_dir) as url:
        yield url, given
