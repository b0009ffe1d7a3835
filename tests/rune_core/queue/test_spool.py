"""The spool: bounded, shared by processes, and never without an answer."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rune_core.event.schema import Event
from rune_core.ids import uuid7
from rune_core.queue.loss import Loss
from rune_core.queue.rows import Row, Verdict
from rune_core.queue.run_file import RunFile, dead_runs
from rune_core.queue.spool import HOLD_SECONDS, MAX_DEAD, Spool
from rune_core.queue.spool_file import SpoolError

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def row(priority=0, category="scan", tool="t") -> Row:
    event = Event(
        event_id=str(uuid7()),
        timestamp="2026-01-01T00:00:00.000Z",
        event_type=category,
        surface="input",
        action=("allow", "redact", "block")[priority],
        decision_id=str(uuid7()),
        tool=tool,
    )
    return Row(event.event_id, category, priority, msgspec.json.encode(event))


def spool_in(folder, **settings) -> Spool:
    return Spool(folder, "s", **{"max_rows": 100, "max_bytes": 1_000_000, **settings})


@pytest.fixture
def spool(tmp_path):
    made = spool_in(tmp_path)
    yield made
    made.close()


def claimed(spool, most=100, run="r", **more):
    return spool.claim(run, most, 1_000_000, **more)


def test_what_is_put_in_comes_out_the_most_important_and_oldest_first(spool):
    rows = [row(0), row(2), row(1), row(0), row(2)]
    assert spool.put("r", rows) == []
    assert spool.figures().depth == 5
    assert spool.figures().bytes == sum(len(one.body) for one in rows)
    found = claimed(spool, 4)
    assert [one.event_id for one in found] == [rows[i].event_id for i in (1, 4, 2, 0)]
    assert found[0].body == rows[1].body
    spool.done(found)
    assert spool.figures().by_category == {"scan": 1}
    assert [one.event_id for one in claimed(spool)] == [rows[3].event_id]


def test_what_one_process_holds_no_other_gets(tmp_path):
    one, other = spool_in(tmp_path), spool_in(tmp_path)
    one.put("a", [row() for _ in range(4)])
    first, second = claimed(one, 2, "a"), claimed(other, 9, "b")
    assert len({each.id for each in [*first, *second]}) == 4
    assert claimed(one, 9, "a") == claimed(other, 9, "b") == []
    one.back("a", [each.id for each in first])
    assert [each.id for each in claimed(other, 9, "b")] == [each.id for each in first]
    other.back("a", [each.id for each in second])  # another's: stays held
    assert claimed(one) == []
    one.close()
    other.close()


@pytest.mark.parametrize("jump", [HOLD_SECONDS + 1, -3600.0, 3600.0])
def test_a_clock_that_jumps_frees_what_is_held_and_loses_nothing(spool, monkeypatch, jump):
    spool.put("r", [row() for _ in range(3)])
    held = claimed(spool)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    again = claimed(spool, run="other")
    assert [each.id for each in again] == [each.id for each in held]
    spool.done(held)
    spool.done(again)
    assert spool.figures().depth == 0
    assert spool.figures().oldest_seconds == 0


def test_the_oldest_of_the_least_important_goes_first_and_is_counted(tmp_path):
    spool = spool_in(tmp_path, max_rows=5)
    old = [row(0), row(2), row(1, "tool_call")]
    spool.put("r", old)
    assert spool.put("r", [row(2), row(2)]) == []
    assert spool.put("r", [row(2)]) == [Loss("spool_full", "scan", 1)]
    assert spool.put("r", [row(2)]) == [Loss("spool_full", "tool_call", 1)]
    assert spool.put("r", [row(0, "alert")]) == [Loss("spool_full", "alert", 1)]
    assert spool.figures().depth == 5
    assert spool.figures().losses == {"spool_full": 3}
    assert claimed(spool)[0].event_id == old[1].event_id
    spool.close()


def test_bytes_are_bounded_too(tmp_path):
    size = len(row().body)
    spool = spool_in(tmp_path, max_bytes=3 * size + 10)
    lost = [loss.count for _ in range(5) for loss in spool.put("r", [row()])]
    assert sum(lost) == 2
    assert spool.figures().bytes <= 3 * size + 10
    assert len(spool.claim("r", 100, 2 * size)) == 2
    assert len(spool.claim("r", 100, 1)) == 1
    spool.close()


def test_categories_and_a_place_to_begin_at(spool):
    rows = [row(0, category) for category in ("scan", "tool_call", "scan", "alert")]
    spool.put("r", rows)
    found = claimed(spool, without=("scan",))
    assert [each.category for each in found] == ["tool_call", "alert"]
    spool.back("r", [each.id for each in found])
    found = claimed(spool, after={0: found[0].id})
    assert [each.category for each in found] == ["scan", "alert"]


def test_dead_letters_are_kept_listed_revived_and_bounded(spool, monkeypatch):
    monkeypatch.setattr("rune_core.queue.spool.MAX_DEAD", 3)
    assert MAX_DEAD > 3
    rows = [row(category="alert") for _ in range(5)]
    spool.put("r", rows)
    held = claimed(spool)
    assert spool.bury([Verdict(each, "bad", "no") for each in held[:2]]) == []
    [first, _] = spool.dead_letters()
    assert (first.event_id, first.code, first.reason) == (rows[0].event_id, "bad", "no")
    assert first.body == rows[0].body
    lost = spool.bury([Verdict(each, "bad", "no") for each in held])
    assert lost == [Loss("dead_letters_full", "alert", 2)]  # the first two were buried already
    figures = spool.figures()
    assert (figures.depth, figures.dead_letters) == (0, 3)
    assert spool.revive() == 3
    assert (spool.figures().depth, spool.dead_letters()) == (3, [])
    spool.bury([Verdict(each, "bad", "no") for each in claimed(spool)])
    assert spool.drop_dead_letters() == 3
    assert spool.figures().depth == 0


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.sampled_from(["put", "claim", "done", "back", "bury"]), max_size=40))
def test_whatever_happens_every_event_is_somewhere(tmp_path_factory, steps):
    spool = spool_in(tmp_path_factory.mktemp("s"), max_rows=6)
    put = done = lost = 0
    held = []
    for index, step in enumerate(steps):
        if step == "put":
            lost += sum(one.count for one in spool.put("r", [row(index % 3), row()]))
            put += 2
        elif step == "claim":
            held += claimed(spool, 3)
        elif step == "done" and held:
            spool.done([held.pop()])
            done += 1
        elif step == "back" and held:
            spool.back("r", [held.pop().id])
        elif step == "bury" and held:
            spool.bury([Verdict(held.pop(), "c", "r")])
    figures = spool.figures()
    assert put == done + lost + figures.depth + figures.dead_letters
    assert figures.losses == ({"spool_full": lost} if lost else {})
    assert len(spool.waiting()) == figures.depth
    assert sum(map(len, spool.waiting())) == figures.bytes
    spool.close()


# -- the file


@posix
def test_the_file_is_its_owners_alone(spool):
    spool.put("r", [row()])
    for path in spool.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


@posix
def test_a_file_that_others_can_write_is_not_used(spool):
    spool.put("r", [row()])
    spool.close()
    spool.path.chmod(0o666)
    with pytest.raises(SpoolError, match="others"):
        spool.put("r", [row()])


def test_a_damaged_file_is_set_aside_and_what_is_lost_is_counted(tmp_path):
    told = []
    spool = spool_in(tmp_path, lost=told.extend)
    spool.put("r", [row() for _ in range(7)])
    spool.close()
    spool.path.write_bytes(b"this is no database" * 300)
    assert spool.put("r", [row()]) == []
    assert told == [Loss("spool_lost", "scan", 7)]
    assert spool.figures().depth == 1
    assert spool.figures().losses == {"spool_lost": 7}
    [aside] = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")
    spool.close()


def test_what_was_under_way_when_the_damage_came_takes_nobody_else_along(tmp_path):
    """Numbers begin anew in the new file: an event is told by its id as well."""
    spool = spool_in(tmp_path)
    spool.put("r", [row(), row()])
    held = claimed(spool)
    spool.close()
    spool.path.write_bytes(b"no" * 5000)
    fresh = [row(), row()]
    spool.put("r", fresh)
    spool.done(held[:1])
    spool.bury([Verdict(held[1], "bad", "no")])
    assert [each.event_id for each in claimed(spool)] == [each.event_id for each in fresh]
    assert spool.dead_letters() == []
    spool.close()


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
def test_what_can_be_read_of_a_damaged_file_is_saved(tmp_path, where):
    told = []
    spool = spool_in(tmp_path, lost=told.extend, max_rows=10_000)
    rows = [row(tool="x" * 100) for _ in range(600)]
    spool.put("r", rows)
    spool.bury([Verdict(each, "bad", "no") for each in claimed(spool, 2)])
    spool.close()
    size = spool.path.stat().st_size
    with spool.path.open("r+b") as file:
        file.seek(int(size * where))
        file.write(b"\xa5" * 20_000)
    for _ in range(40):  # the damage is met when its pages are
        held = claimed(spool, 20)
        spool.done(held)
        if told:
            break
    left = {each.event_id for each in claimed(spool, 10_000)}
    lost = sum(loss.count for loss in told if loss.reason == "spool_lost")
    assert told, "the damage was never met"
    assert left <= {each.event_id for each in rows}
    assert lost <= 600
    assert spool.figures().depth == len(left)
    spool.close()


def test_only_the_newest_damaged_files_are_kept(tmp_path):
    spool = spool_in(tmp_path)
    for _ in range(6):
        spool.put("r", [row()])
        spool.close()
        spool.path.write_bytes(b"no" * 5000)
    spool.put("r", [row()])
    assert len([p for p in tmp_path.glob("*.damaged-*") if p.suffix != "-wal"]) <= 3
    spool.close()


def test_of_two_processes_that_meet_the_damage_one_sets_aside(tmp_path):
    one, other = spool_in(tmp_path), spool_in(tmp_path)
    one.put("a", [row() for _ in range(3)])
    assert other.figures().depth == 3
    for spool in (one, other):
        spool.close()
    one.path.write_bytes(b"no" * 5000)
    one.put("a", [row()])
    other.put("b", [row()])
    assert one.figures().depth == other.figures().depth == 2
    assert one.figures().losses == {"spool_lost": 3}
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
    one.close()
    other.close()


def test_a_file_that_is_removed_is_made_anew_and_counted(spool):
    spool.put("r", [row() for _ in range(3)])
    for path in spool.folder.glob("*.db*"):
        if not path.name.endswith(".count"):
            path.unlink()
    assert spool.put("r", [row()]) == []
    figures = spool.figures()
    assert (figures.depth, figures.losses) == (1, {"spool_lost": 3})


def test_a_folder_that_is_removed_is_made_anew(spool):
    import shutil

    spool.put("r", [row()])
    shutil.rmtree(spool.folder)
    spool.put("r", [row()])
    assert spool.figures().depth == 1


def test_a_full_disk_is_said_and_changes_nothing(spool):
    spool.put("r", [row()])
    db = spool._file._db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")

    def fill():
        for _ in range(100):
            spool.put("r", [row() for _ in range(20)])

    with pytest.raises(SpoolError, match="SQLITE_FULL"):
        fill()
    depth = spool.figures().depth
    assert depth % 20 == 1
    db.execute("PRAGMA max_page_count = 100000")
    spool.put("r", [row()])
    assert spool.figures().depth == depth + 1


def test_a_file_that_is_locked_for_long_is_said(spool, monkeypatch):
    monkeypatch.setattr("rune_core.queue.spool_file.BUSY_SECONDS", 0.05)
    spool.put("r", [row()])
    spool.close()
    blocker = sqlite3.connect(spool.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(SpoolError, match="SQLITE_BUSY"):
        spool.put("r", [row()])
    blocker.execute("ROLLBACK")
    blocker.close()
    spool.put("r", [row()])
    assert spool.figures().depth == 2


PUT = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
from test_spool import row, spool_in, claimed
spool = spool_in(pathlib.Path(sys.argv[1]), max_rows=10_000)
sent = 0
for _ in range(40):
    spool.put(sys.argv[3], [row() for _ in range(10)])
    held = claimed(spool, 5, sys.argv[3])
    spool.done(held)
    sent += len(held)
    for each in held:
        print(each.event_id)
spool.close()
"""


def test_several_processes_share_one_file(tmp_path):
    here = str(Path(__file__).parent)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", PUT, str(tmp_path), here, name], stdout=subprocess.PIPE
        )
        for name in "abc"
    ]
    sent = Counter()
    for worker in workers:
        out, _ = worker.communicate(timeout=120)
        assert worker.returncode == 0
        sent.update(out.split())
    assert set(sent.values()) == {1}, "an event was held by two processes"
    spool = spool_in(tmp_path)
    assert spool.figures().depth == 3 * 400 - len(sent)
    spool.close()


# -- runs


@posix
def test_a_process_that_was_killed_is_accounted_for_once(tmp_path):
    spool = spool_in(tmp_path)
    run = RunFile(tmp_path, "s")
    run.put[0] = 10
    run.settle("scan", 1)
    run.put[2] = 2
    spool.put(run.id, [row() for _ in range(4)])
    spool.account(run.id, [Loss("queue_full", "scan", 3), Loss("closed", "alert", 2)])
    held = claimed(spool, 9, run.id)
    assert spool.sweep() == []  # it lives
    assert claimed(spool, 9, "other") == []
    run.abandon()
    assert spool.sweep() == [Loss("killed", "scan", 2)]
    assert [each.id for each in claimed(spool, 9, "other")] == [each.id for each in held]
    assert spool.sweep() == []
    assert spool.figures().losses == {"queue_full": 3, "closed": 2, "killed": 2}
    assert list(tmp_path.glob("*.run")) == []
    spool.close()


@posix
def test_a_sweep_that_was_killed_in_the_middle_counts_nothing_twice(tmp_path):
    spool = spool_in(tmp_path)
    run = RunFile(tmp_path, "s")
    run.put[0] = 5
    spool.put(run.id, [row()])
    run.abandon()
    kept = run.path.read_bytes()
    assert spool.sweep() == [Loss("killed", "scan", 4)]
    spool._do(lambda db: db.execute("INSERT INTO runs VALUES (?, '', 0)", (run.id,)))
    run.path.write_bytes(kept)  # as if it had not come to removing the file
    assert spool.sweep() == []
    assert spool.figures().losses == {"killed": 4}
    spool.close()


@posix
def test_an_orderly_end_leaves_nothing_to_account_for(tmp_path):
    spool = spool_in(tmp_path)
    run = RunFile(tmp_path, "s")
    run.put[0] = 5
    spool.put(run.id, [row()])
    spool.leave(run.id)
    run.remove()
    assert list(dead_runs(tmp_path, "s")) == []
    assert spool.sweep() == []
    spool.close()
