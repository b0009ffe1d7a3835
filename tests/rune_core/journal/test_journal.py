"""The journal: content, encrypted, bounded, apart from the events."""

from __future__ import annotations

import os
import stat
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from rune_core import ConfigError, Shield, ShieldConfig
from rune_core.errors import JournalError
from rune_core.journal.entry import MAX_CONTENT, Entry
from rune_core.journal.keys import JournalKeys, key_id
from rune_core.journal.segments import SegmentWriter, read, segments

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-7f3a-otter"
KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return tmp_path


def shield(**settings: object) -> Shield:
    return Shield(config=ShieldConfig(journal_enabled=True, **settings))  # type: ignore[arg-type]


def kept(folder: Path) -> list[Entry]:
    return list(read(folder / "journal", JournalKeys(None, folder).for_reading()))


def test_it_is_off_unless_switched_on(state: Path) -> None:
    with Shield() as quiet:
        quiet.scan_input(CANARY)
    assert not (state / "journal").exists()
    assert not (state / "journal.key").exists()


def test_what_was_scanned_and_told_can_be_read_again(state: Path) -> None:
    with shield() as guard:
        with guard.session(agent_id="post", agent_tags=["eu"]) as session:
            session.system(f"system {CANARY}")
            session.system(f"system {CANARY}")
            guard.scan_tool_result({"body": CANARY, "n": 2**80}, tool="read_mail")
            result = guard.validate_action("pay", {"to": CANARY, "amount": 3})
        assert any("journal" in warning for warning in guard.coverage().warnings)
    told, text, call = kept(state)
    assert (told.surface, told.text, told.was_told) == ("system", f"system {CANARY}", True)
    assert text.value == {"body": CANARY, "n": 2**80}
    assert (call.value, call.tool, call.decision) == (
        {"to": CANARY, "amount": 3},
        "pay",
        result.decision.id,
    )
    assert (call.agent, call.tags) == ("post", ("eu",))
    assert CANARY not in repr(call)


def test_nothing_stands_in_clear_and_events_stay_metadata(state: Path) -> None:
    with shield() as guard, guard.session():
        guard.scan_input(CANARY)
        guard.validate_action("pay", {"to": CANARY})
        assert guard.flush(30)
    files = [path for path in state.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".runej", ".jsonl", ".key"}
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path
    if sys.platform != "win32":
        private = [path for path in files if path.suffix in (".runej", ".key")]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)


def test_lone_surrogates_and_long_texts_are_kept(state: Path) -> None:
    with shield() as guard:
        guard.scan_input("a\ud800b")
        guard.scan_input("é" * MAX_CONTENT)
    odd, long = kept(state)
    assert odd.text == "a\ud800b"
    assert long.truncated
    assert long.text.startswith("éé")


def test_a_failure_is_counted_and_breaks_nothing(state: Path) -> None:
    (state / "journal").write_text("a file where the folder should be")
    with shield() as guard:
        assert guard.scan_input("hello").action == "allow"
        assert guard.stats.journal_failed_total == 1
        assert any("missing in the journal" in line for line in guard.coverage().warnings)


def test_a_key_that_others_can_read_is_refused(state: Path) -> None:
    path = state / "journal.key"
    path.write_text(KEY.hex())
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        JournalKeys("file", state).for_reading()
    path.chmod(0o600)
    assert JournalKeys("file", state).for_reading() == {key_id(KEY): KEY}
    path.write_text("short")
    with pytest.raises(ConfigError, match="no journal key"):
        JournalKeys("file", state).for_reading()


@pytest.mark.parametrize("setting", ["vault", "keyring:x", "files"])
def test_a_wrong_key_setting_is_said_at_start(setting: str) -> None:
    with pytest.raises(ConfigError, match="journal_key"):
        shield(journal_key=setting)


def test_without_a_keyring_it_can_be_asked_for_in_vain(state: Path) -> None:
    with pytest.raises(ConfigError, match="no keyring can be used"):
        JournalKeys("keyring", state).for_writing()


def test_the_keyring_of_the_system_is_used_where_there_is_one(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class InMemory(KeyringBackend):
        priority = 1  # type: ignore[assignment]

        def __init__(self) -> None:
            self.kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    try:
        with shield() as guard:
            guard.scan_input(CANARY)
        assert not (state / "journal.key").exists()
        assert [entry.text for entry in kept(state)] == [CANARY]
        assert "keyring" in JournalKeys(None, state).where()
    finally:
        keyring.set_keyring(before)


def entry(number: int, size: int = 1000) -> Entry:
    return Entry(at=number, session="s", surface="input", content=b"x" * size)


def test_its_size_is_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    writer = SegmentWriter(folder, KEY, max_bytes=200_000, keep_days=0)
    for number in range(1000):
        writer.append(entry(number))
    writer.close()
    assert sum(path.stat().st_size for path in segments(folder)) <= 200_000 + 2_000
    numbers = [kept.at for kept in read(folder, {key_id(KEY): KEY})]
    assert numbers == list(range(numbers[0], 1000))
    assert len(numbers) > 100


def test_what_is_too_old_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    first = SegmentWriter(folder, KEY, max_bytes=200_000, keep_days=2)
    first.append(entry(1))
    first.close()
    (old,) = segments(folder)
    os.utime(old, (0, 0))
    first.append(entry(2))
    first.close()
    assert [kept.at for kept in read(folder, {key_id(KEY): KEY})] == [2]


def test_changes_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    writer = SegmentWriter(folder, KEY, max_bytes=10_000_000, keep_days=0)
    for number in range(3):
        writer.append(entry(number, 50))
    writer.close()
    (path,) = segments(folder)
    whole = path.read_bytes()
    size = (len(whole) - 32) // 3
    keys = {key_id(KEY): KEY}
    for changed in (
        whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
        # records swapped, and the first taken out
        whole[:32] + whole[32 + size : 32 + 2 * size] + whole[32 : 32 + size] + whole[-size:],
        whole[:32] + whole[32 + size :],
    ):
        path.write_bytes(changed)
        with pytest.raises(JournalError, match="was changed"):
            list(read(folder, keys))
    path.write_bytes(whole[:-7])  # killed while it wrote
    assert [kept.at for kept in read(folder, keys)] == [0, 1]
    with pytest.raises(JournalError, match="another key"):
        list(read(folder, {}))
    path.write_bytes(b"something else" * 10)
    with pytest.raises(JournalError, match="no journal segment"):
        list(read(folder, keys))


def test_threads_and_processes_write_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    writer = SegmentWriter(folder, KEY, max_bytes=10_000_000, keep_days=0)

    def write(base: int) -> None:
        for number in range(50):
            writer.append(entry(base + number, 20))

    threads = [threading.Thread(target=write, args=(base,)) for base in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other = SegmentWriter(folder, KEY, max_bytes=10_000_000, keep_days=0)
    other.append(entry(999))
    found = {kept.at for kept in read(folder, {key_id(KEY): KEY})}
    assert len(found) == 151
    writer.close()
    other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_begins_a_segment_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    writer = SegmentWriter(folder, KEY, max_bytes=10_000_000, keep_days=0)
    writer.append(entry(1))
    child = os.fork()
    if child == 0:
        writer.append(entry(2))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.append(entry(3))
    writer.close()
    assert len(segments(folder)) == 2
    assert [kept.at for kept in read(folder, {key_id(KEY): KEY})] == [1, 2, 3]
