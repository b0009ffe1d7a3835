"""The spool's files: what is on the disk, what is read back, what is refused."""

from __future__ import annotations

import asyncio
import errno
import os
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from benchmarks.made_events import made_event, made_events
from hypothesis import given
from hypothesis import strategies as st

from rune_server.analytics import rows
from rune_server.errors import ConfigurationError, UnavailableError
from rune_server.ingest import segment as segments
from rune_server.ingest.closed import Closed, Contents, contents_of, found_at, name_of
from rune_server.ingest.recent import Recent
from rune_server.ingest.reseal import older, reseal
from rune_server.ingest.segment import SegmentFile, records
from rune_server.ingest.spool import Spool
from rune_server.storage import Vault
from rune_server.storage.vault import SealError

VAULT = Vault(b"m" * 32)
NOW = datetime.now(UTC)


def write(path, *pieces, vault=VAULT):
    file = SegmentFile(path, vault)
    for piece in pieces:
        file.append(piece)
    file.close()
    return file


def test_what_was_written_is_read_back(tmp_path):
    path = tmp_path / "a.spool"
    pieces = [b"one\n", b"", os.urandom(100_000), b"four" * 50_000]
    file = write(path, *pieces)
    assert file.size == path.stat().st_size
    assert list(records(path, VAULT)) == pieces
    assert path.stat().st_mode & 0o077 == 0


def test_nothing_can_be_read_off_the_disk(tmp_path):
    before = rows.prefix(uuid4(), 30, NOW, uuid4())
    path = tmp_path / "a.spool"
    write(path, rows.lines(before, made_events(50)))
    raw = path.read_bytes()
    for text in (b"organisation_id", b"agent-", b"session", b"event_id", b"langchain"):
        assert text not in raw


def test_after_a_new_master_key_files_are_sealed_again(tmp_path):
    new = Vault(b"n" * 32, [b"m" * 32])
    old, cut, current, strange, short = (tmp_path / f"{name}.spool" for name in "abcde")
    write(old, b"one\n", b"two\n")
    write(cut, b"three\n", b"four\n")
    cut.write_bytes(cut.read_bytes()[:-3])
    write(current, b"five\n", vault=new)
    write(strange, b"six\n", vault=Vault(b"x" * 32))
    short.write_bytes(b"RS1")
    (tmp_path / "left.spool.resealed").write_bytes(b"of a process that was killed")
    assert [path.name for path in older(tmp_path, new)] == ["a.spool", "b.spool", "d.spool"]
    kept = {path: path.read_bytes() for path in (current, strange, short)}
    assert reseal(tmp_path, new) == 2
    only_new = Vault(b"n" * 32)
    assert list(records(old, only_new)) == [b"one\n", b"two\n"]
    assert list(records(cut, only_new)) == [b"three\n"]
    assert {path: path.read_bytes() for path in kept} == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{n}.spool" for n in "abcde"]
    assert old.stat().st_mode & 0o077 == 0
    assert older(tmp_path, new) == [strange]


@pytest.mark.parametrize("cut", [1, 4, 10, 20, 30])
def test_a_record_that_was_cut_off_is_left_out(tmp_path, cut):
    path = tmp_path / "a.spool"
    write(path, b"first\n", b"second\n")
    raw = path.read_bytes()
    path.write_bytes(raw[:-cut])
    assert list(records(path, VAULT)) == [b"first\n"]
    path.write_bytes(raw[:10])
    assert list(records(path, VAULT)) == []


def test_what_was_altered_is_refused(tmp_path):
    path = tmp_path / "a.spool"
    write(path, b"first\n", b"second\n")
    raw = bytearray(path.read_bytes())
    for place in (5, 20, 32, len(raw) - 1):
        altered = bytearray(raw)
        altered[place] ^= 1
        path.write_bytes(altered)
        with pytest.raises(SealError):
            list(records(path, VAULT))
    path.write_bytes(raw)
    with pytest.raises(SealError, match="MASTER_KEYS_PREVIOUS"):
        list(records(path, Vault(b"x" * 32)))
    assert list(records(path, Vault(b"x" * 32, [b"m" * 32]))) == [b"first\n", b"second\n"]


def test_contents_are_read_off_the_lines_as_they_were_noted():
    one, two = uuid4(), uuid4()
    batch = uuid4()
    lines = rows.lines(rows.prefix(one, 30, NOW, batch), made_events(40))
    lines += rows.lines(rows.prefix(two, 365, NOW, batch) + b'"skewed":true,', [made_event()])
    found = contents_of(lines)
    assert found.events == {one: 40, two: 1}
    assert len(set(found.ids)) == 41
    assert found.spans
    with pytest.raises(ValueError, match="one of ours"):
        contents_of(b"{}\n")


@given(
    st.lists(
        st.tuples(st.integers(0, 10_000_000), st.integers(0, 100_000)), min_size=1, max_size=80
    )
)
def test_spans_cover_everything_and_stay_few(stretches):
    found = Contents()
    moments = []
    for since, length in stretches:
        begin = datetime.fromtimestamp(since, UTC)
        end = datetime.fromtimestamp(since + length, UTC)
        found.add(uuid4(), ["x"], begin, end)
        moments += [begin, end]
    assert len(found.spans) <= 16
    for moment in moments:
        assert any(span.since <= moment <= span.until for span in found.spans)


def test_names_sort_by_time_and_others_are_left_alone(tmp_path):
    from rune_core.ids import uuid7

    ids = [uuid7(n * 10**9) for n in (5, 1, 3)]
    for each in ids:
        (tmp_path / name_of(each, "eu")).write_bytes(b"x")
    found = [found_at(path) for path in sorted(tmp_path.iterdir())]
    assert [each.id for each in found] == sorted(ids)
    assert {each.region for each in found} == {"eu"}
    assert found_at(tmp_path / "something.else") is None


def test_recent_ids_are_known_by_organisation_and_forgotten_in_the_end():
    recent = Recent(remembered=100)
    one, two = uuid4(), uuid4()
    recent.add({one: {"a", "b"}})
    assert recent.known(one, ["a", "c"]) == {"a"}
    assert recent.known(two, ["a"]) == set()
    for number in range(300):
        recent.add({two: {str(number)}})
    assert recent.known(one, ["a"]) == set()
    assert recent.known(two, ["299", "0"]) == {"299"}


# -- the spool


class Collected:
    """A spool that hands over to a list."""

    def __init__(self, folder, *, most=10**9, hurry=True):
        self.closed: list[Closed] = []
        self.accepted: list[dict] = []
        self.spool = Spool(
            folder, VAULT, most, self.closed.append, self.accepted.append, lambda _: hurry
        )

    def add(self, number=3, region="us"):
        organisation = uuid4()
        segment = self.spool.segment(region)
        events = made_events(number)
        lines = rows.lines(rows.prefix(organisation, 30, NOW, segment.id), events)
        ids = [event.event_id for event in events]
        return self.spool.add(segment, lines, organisation, ids, (NOW, NOW)), lines


async def test_what_is_acknowledged_is_on_the_disk(tmp_path):
    held = Collected(tmp_path, hurry=False)
    held.spool.start()
    for region in ("us", "eu", "us"):
        done, lines = held.add(region=region)
        await done
        files = list(tmp_path.glob(f"*.{region}.spool"))
        assert lines in b"".join(piece for file in files for piece in records(file, VAULT))
    assert held.spool.size == sum(file.stat().st_size for file in tmp_path.glob("*.spool"))
    await held.spool.close()
    assert sorted(each.region for each in held.closed) == ["eu", "us"]


async def test_requests_at_once_share_a_sync(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(segments, "_sync", lambda file: synced.append(os.fdatasync(file)))
    held = Collected(tmp_path)
    held.spool.start()
    await asyncio.gather(*(held.add()[0] for _ in range(200)))
    # One for the file's header, and a few for the groups.
    assert len(synced) < 20
    assert sum(len(ids) for group in held.accepted for ids in group.values()) == 600
    await held.spool.close()


async def test_a_disk_that_fails_is_told_and_work_goes_on_after(tmp_path, monkeypatch):
    held = Collected(tmp_path)
    held.spool.start()
    await held.add()[0]
    real = os.write
    room = 60

    def full(file, data):
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, "no space")
        written = real(file, bytes(data)[:room])
        room -= written
        return written

    monkeypatch.setattr(segments.os, "write", full)
    for _ in range(3):
        with pytest.raises(UnavailableError) as told:
            await held.add()[0]
        assert told.value.code == "disk_full"
        assert told.value.retry_after
    assert held.spool.failing_since is not None
    monkeypatch.setattr(segments.os, "write", real)
    done, lines = held.add()
    await done
    assert held.spool.failing_since is None
    await held.spool.close()
    files = [closed.path for closed in held.closed]
    kept = b"".join(piece for file in files for piece in records(file, VAULT))
    assert lines in kept
    # What was refused is not there, half or whole.
    assert kept.count(b"\n") == 6
    assert sorted(tmp_path.glob("*.spool")) == sorted(files)


async def test_a_full_spool_refuses(tmp_path):
    held = Collected(tmp_path, most=1, hurry=False)
    held.spool.start()
    await held.add()[0]
    with pytest.raises(UnavailableError) as told:
        held.add()
    assert told.value.code == "spool_full"
    await held.spool.close()
    with pytest.raises(UnavailableError):
        held.spool.segment("us")


async def test_two_processes_cannot_share_a_folder(tmp_path):
    held = Collected(tmp_path)
    held.spool.start()
    with pytest.raises(ConfigurationError, match="in use"):
        Collected(tmp_path).spool.start()
    await held.spool.close()
    again = Collected(tmp_path)
    again.spool.start()
    await again.spool.close()
