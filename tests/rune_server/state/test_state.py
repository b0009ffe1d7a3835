"""Transactions, encryption at rest, master keys that change, and databases that go away."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text
from tests.rune_server.auth.conftest import Browser, make_user
from tests.rune_server.conftest import DATABASES, MASTER_KEY, MovableClock

from rune_server import audit
from rune_server import settings as server_settings
from rune_server.accounts import invitations, members
from rune_server.actor import Role, member
from rune_server.auth import keys
from rune_server.errors import ConfigurationError, ConflictError, UnavailableError
from rune_server.state import open_state, secrets
from rune_server.state.tables.organisations import Membership, Organisation
from rune_server.storage import Vault

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.actor import Actor
    from rune_server.platform import Platform
    from rune_server.settings import Settings
    from rune_server.state import State

both = pytest.mark.parametrize("database", DATABASES)


@both
async def test_what_is_raised_in_a_transaction_undoes_it(platform: Platform) -> None:
    with pytest.raises(ZeroDivisionError):
        await _write_and_fail(platform)
    async with platform.state.read() as session:
        assert (await session.scalars(select(Organisation))).all() == []


async def _write_and_fail(platform: Platform) -> None:
    async with platform.state.begin() as session:
        session.add(
            Organisation(name="x", plan="growth", region="us", created_at=platform.clock.now())
        )
        await session.flush()
        raise ZeroDivisionError


@both
async def test_what_a_reader_writes_is_not_kept(platform: Platform) -> None:
    async with platform.state.read() as session:
        await secrets.get(session, "something")
    async with platform.state.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM secrets"))).scalar() == 0


@both
async def test_times_come_back_as_they_went_in(platform: Platform) -> None:
    at = datetime(2026, 3, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=-8)))
    row = Organisation(name="x", plan="growth", region="us", created_at=at)
    async with platform.state.begin() as session:
        session.add(row)
    async with platform.state.read() as session:
        found = (await session.scalars(select(Organisation))).one()
    assert found.created_at == at
    assert found.created_at.tzinfo is UTC


async def test_times_without_a_zone_are_refused(platform: Platform) -> None:
    row = Organisation(name="x", plan="growth", region="us", created_at=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(Exception, match="without a time zone"):
        async with platform.state.begin() as session:
            session.add(row)


@both
async def test_writers_wait_for_each_other(platform: Platform, owner: Actor) -> None:
    async def write(number: int) -> None:
        async with platform.state.begin() as session:
            await audit.record(session, owner, action="a.b", target=str(number))

    await asyncio.gather(*(write(number) for number in range(30)))
    async with platform.state.read() as session:
        assert (await audit.verify(session, owner.organisation_id)).entries == 30


async def test_a_writer_inside_a_writer_says_so_instead_of_hanging(platform: Platform) -> None:
    async with platform.state.begin():
        with pytest.raises(RuntimeError, match="inside another"):
            async with platform.state.begin():
                pass


@both
async def test_the_last_owner_stays_even_when_two_leave_at_once(platform: Platform) -> None:
    first = await make_user(platform, "a@example.com")
    second = await make_user(platform, "b@example.com", organisation=None)
    async with platform.state.begin() as session:
        organisation = (await session.scalars(select(Organisation))).one()
        session.add(
            Membership(
                organisation_id=organisation.id,
                user_id=second.id,
                role=Role.OWNER,
                created_at=platform.clock.now(),
            )
        )
    left = await asyncio.gather(
        *(
            members.remove(platform, member(organisation.id, str(user.id), Role.OWNER), user.id)
            for user in (first, second)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in left) == ["ConflictError", "NoneType"]
    assert isinstance(next(one for one in left if one is not None), ConflictError)


@both
async def test_a_whole_journey(platform: Platform) -> None:
    ada = await make_user(platform)
    signed_in = await Browser(platform).sign_in()
    async with platform.state.read() as session:
        organisation = (await session.scalars(select(Organisation))).one()
    actor = member(organisation.id, str(ada.id), Role.OWNER)
    new = await keys.create(platform, actor, name="production")
    assert await platform.keys.grant(new.key) is not None
    await keys.revoke(platform, actor, new.info.id)
    assert await platform.keys.grant(new.key) is None
    await invitations.invite(platform, actor, email="bob@example.com", role=Role.MEMBER)
    await invitations.invite(platform, actor, email="bob@example.com", role=Role.ADMIN)
    [waiting] = await invitations.listed(platform, actor)
    assert waiting.role is Role.ADMIN
    actions = [entry.action for entry in await audit.entries(platform, actor)]
    assert actions[::-1] == [
        "organisation.created",
        "user.signed_in",
        "key.created",
        "key.revoked",
        "invitation.created",
        "invitation.created",
    ]
    assert signed_in.email == ada.email


async def test_the_sqlite_file_is_encrypted(platform: Platform, settings: Settings) -> None:
    await make_user(platform, "needle@example.com", organisation="Needle Limited")
    found = b"".join(map(_read, settings.data_dir.glob("state.db*")))
    assert len(found) > 100_000
    for needle in (b"needle@example.com", b"Needle Limited", b"CREATE TABLE", b"SQLite format 3"):
        assert needle not in found
    connection = sqlite3.connect(settings.data_dir / "state.db")
    with pytest.raises(sqlite3.DatabaseError):
        connection.execute("SELECT * FROM users")
    connection.close()


def _read(path: Path) -> bytes:
    assert path.stat().st_mode & 0o077 == 0, f"others can read {path}"
    return path.read_bytes()


async def test_another_master_key_does_not_open_it(stored: Settings, clock: MovableClock) -> None:
    state = open_state(stored, Vault(b"x" * 32), clock)
    with pytest.raises(ConfigurationError, match="none of the master keys"):
        await state.ping()
    await state.close()


async def test_a_new_master_key_encrypts_it_again(stored: Settings, clock: MovableClock) -> None:
    old, new = bytes.fromhex(MASTER_KEY), b"n" * 32
    both_keys = open_state(stored, Vault(new, [old]), clock)
    await both_keys.ping()
    await both_keys.close()
    only_new = open_state(stored, Vault(new), clock)
    await only_new.ping()
    await only_new.close()
    only_old = open_state(stored, Vault(old), clock)
    with pytest.raises(ConfigurationError):
        await only_old.ping()
    await only_old.close()


async def test_an_address_that_makes_no_sense(settings: Settings, clock: MovableClock) -> None:
    wrong = dataclasses.replace(settings, state_dsn="postgresql://host:port/db")
    with pytest.raises(ConfigurationError, match="state_dsn"):
        open_state(wrong, Vault(b"k" * 32), clock)


class Way:
    """The way to a database, which can be cut and mended: a proxy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0.05)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, far_writer}

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65_536):
                    target.write(data)
            except OSError:
                pass
            target.close()

        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        self._writers -= {writer, far_writer}


@pytest.mark.parametrize("database", ["postgresql"])
async def test_postgresql_goes_away_and_comes_back(
    stored: Settings, clock: MovableClock, database: str
) -> None:
    """Every question says 503 instead of hanging, and works again afterwards."""
    head, _, tail = stored.state_dsn.rpartition("127.0.0.1:")
    port, _, name = tail.partition("/")
    way = Way(int(port))
    await way.open()
    through = dataclasses.replace(stored, state_dsn=f"{head}127.0.0.1:{way.port}/{name}")
    state = open_state(through, Vault(bytes.fromhex(MASTER_KEY)), clock)
    directory = keys.KeyDirectory(state, None, clock)
    await state.ping()
    assert await directory.grant("rune_live_" + "A" * 43) is None
    await way.cut()
    for _ in range(3):
        with pytest.raises(UnavailableError) as down:
            async with asyncio.timeout(10):
                await state.ping()
        assert down.value.retry_after
    with pytest.raises(UnavailableError):
        await directory.grant("rune_live_" + "B" * 43)
    await way.open()
    async with asyncio.timeout(20):
        await state.ping()
    assert await directory.grant("rune_live_" + "B" * 43) is None
    await state.close()
    await way.cut()


async def _lose_the_connection(state: State) -> None:
    async with state.begin() as session:
        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        await session.execute(text("SELECT 1"))


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_connection_lost_in_the_middle(
    stored: Settings, clock: MovableClock, database: str
) -> None:
    state = open_state(stored, Vault(bytes.fromhex(MASTER_KEY)), clock)
    with pytest.raises(UnavailableError):
        await _lose_the_connection(state)
    await state.ping()
    await state.close()


def test_the_default_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    found = server_settings.load({"data_dir": tmp_path}, environ={})
    assert open_state(found, Vault(b"k" * 32), MovableClock()).path == tmp_path / "state.db"
