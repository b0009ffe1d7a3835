"""The vault: what is sealed opens for its purpose and place, under its key, and not otherwise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError
from sqlalchemy import LargeBinary
from tests.rune_server.auth.conftest import Browser, make_user

from rune_server.auth import sessions, signing
from rune_server.errors import ConfigurationError
from rune_server.settings import load
from rune_server.state.base import Base
from rune_server.state.tables import import_all
from rune_server.storage import SealError, Vault, at_rest, reseal
from rune_server.storage.master import new_master_key, open_vault
from rune_server.storage.vault import SEGMENT_HEADER_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from rune_server.platform import Platform

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_is_sealed_opens_again_and_looks_different_each_time(plain: bytes, aad: bytes) -> None:
    vault = Vault(OLD)
    one, two = vault.seal("p", plain, aad), vault.seal("p", plain, aad)
    assert one != two
    assert len(one) == len(plain) + 43
    assert vault.open("p", one, aad) == vault.open("p", two, aad) == plain
    if len(plain) > 4:
        assert plain not in one


@given(st.integers(min_value=0, max_value=74), st.integers(min_value=1, max_value=255))
def test_every_altered_byte_is_noticed(at: int, flip: int) -> None:
    vault = Vault(OLD)
    sealed = bytearray(vault.seal("p", b"x" * 32))
    sealed[at] ^= flip
    with pytest.raises(SealError):
        vault.open("p", bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"RV1", b"x" * 100, b"RS1" + b"x" * 60])
def test_what_was_not_sealed(sealed: bytes) -> None:
    with pytest.raises(SealError):
        Vault(OLD).open("p", sealed)


def test_sealed_for_one_purpose_and_place() -> None:
    vault = Vault(OLD)
    sealed = vault.seal("totp", b"secret", b"row 1")
    for purpose, aad in (("totp", b"row 2"), ("channel", b"row 1"), ("totp", b"")):
        with pytest.raises(SealError):
            vault.open(purpose, sealed, aad)
    with pytest.raises(SealError):
        vault.open("ab", vault.seal("a", b"x", b"b"), b"")


def test_after_a_rotation_old_things_open_while_the_old_key_is_given() -> None:
    sealed = Vault(OLD).seal("p", b"x")
    rotated = Vault(NEW, [OLD])
    assert rotated.open("p", sealed) == b"x"
    assert not rotated.is_current(sealed)
    assert rotated.is_current(rotated.seal("p", b"x"))
    with pytest.raises(SealError, match="RUNE_MASTER_KEYS_PREVIOUS"):
        Vault(NEW).open("p", sealed)
    assert [identifier for identifier, _ in rotated.keys("p")] == [
        Vault(NEW).key_id,
        Vault(OLD).key_id,
    ]
    assert repr(OLD) not in repr(rotated)


def test_records_of_a_segment_keep_their_place() -> None:
    vault = Vault(OLD)
    writer = vault.new_segment("spool")
    records = [writer.seal(number, b"record %d" % number) for number in range(3)]
    assert len(writer.header) == SEGMENT_HEADER_BYTES
    reader = Vault(NEW, [OLD]).open_segment("spool", writer.header)
    assert [reader.open(n, r) for n, r in enumerate(records)] == [
        b"record 0",
        b"record 1",
        b"record 2",
    ]
    with pytest.raises(SealError):
        reader.open(0, records[1])
    with pytest.raises(SealError):
        vault.open_segment("other", writer.header).open(0, records[0])
    with pytest.raises(SealError):
        vault.open_segment("spool", vault.new_segment("spool").header).open(0, records[0])
    with pytest.raises(SealError):
        Vault(NEW).open_segment("spool", writer.header)


def test_a_master_key_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path / "data"}, environ={})
    first = open_vault(settings)
    path = tmp_path / "data" / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_vault(settings).key_id == first.key_id
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        open_vault(settings)
    path.chmod(0o600)
    for wrong in ("", "short", "zz" * 32, "00" * 31):
        path.write_text(wrong)
        with pytest.raises(ConfigurationError, match=r"master\.key"):
            open_vault(settings)


def test_a_master_key_from_environment_or_file(tmp_path: Path) -> None:
    key = new_master_key()
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(key)
    given_directly = load({"data_dir": tmp_path / "a"}, environ={"RUNE_MASTER_KEY": key})
    by_file = load({"data_dir": tmp_path / "a", "master_key_file": path}, environ={})
    assert open_vault(given_directly).key_id == open_vault(by_file).key_id
    assert not (tmp_path / "a" / "master.key").exists()
    assert key not in repr(given_directly)
    with pytest.raises(ConfigurationError, match="give one of them"):
        load({"master_key_file": path}, environ={"RUNE_MASTER_KEY": key})
    missing = dataclasses.replace(by_file, master_key_file=tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="new-master"):
        open_vault(missing)


class OwnKeyring(KeyringBackend):
    """A keyring in memory, in the place of the operating system's."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringError("locked")
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password


def test_a_master_key_in_the_keyring(tmp_path: Path) -> None:
    before, own = keyring.get_keyring(), OwnKeyring()
    keyring.set_keyring(own)
    try:
        settings = load({"data_dir": tmp_path, "master_key_keyring": True}, environ={})
        assert open_vault(settings).key_id == open_vault(settings).key_id
        assert len(own.held) == 1
        assert list(tmp_path.iterdir()) == []
        own.locked = True
        with pytest.raises(ConfigurationError, match="master_key_file"):
            open_vault(settings)
    finally:
        keyring.set_keyring(before)


def test_every_sealed_column_is_known_to_the_rotation() -> None:
    import_all()
    sealed = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    known = {(each.table.__tablename__, each.column) for each in reseal.COLUMNS}
    assert known == sealed


async def test_everything_is_sealed_again(platform: Platform) -> None:
    await make_user(platform)
    browser = Browser(platform)
    await browser.sign_in()
    old = platform.vault
    new = Vault(NEW, [bytes.fromhex(platform.settings.master_key)])
    counts = await reseal.reseal(platform.state, new)
    assert counts["signing keys"] == 1
    assert counts["secrets"] >= 1
    assert set((await reseal.reseal(platform.state, new)).values()) == {0}
    only_new = Vault(NEW)
    keys = signing.SigningKeys(platform.state, only_new, platform.clock)
    assert await keys.verify(browser.cookies[sessions.TOKEN_COOKIE]) is not None
    await keys.sign({})
    with pytest.raises(SealError):
        await signing.SigningKeys(platform.state, old, platform.clock).sign({})


def test_stores_that_are_not_encrypted_are_named(tmp_path: Path) -> None:
    def named(**options: object) -> set[str]:
        settings = load({"data_dir": tmp_path, **options}, environ={})
        return {
            store.name
            for store in at_rest.stores(settings, open_vault(settings))
            if not store.encrypted
        }

    key = new_master_key()
    assert named() == {"master key"}
    assert named(master_key=key) == set()
    assert named(
        master_key=key,
        state_dsn="postgresql://h/d",
        analytics_dsn="clickhouses://h",
        redis_dsn="rediss://h",
    ) == {"state database", "events (us)", "events (eu)", "Redis"}
