"""Disks, clocks, networks and processes that fail: the host never notices, all is counted."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import trustme
from local_rune_server import KEY, RuneServer
from waiting import EVENTS, delivered, posts, sink_of, spool_of, until

from rune_core.queue.spool import Spool

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


# -- disks


@pytest.mark.parametrize("where", ["a file is in the way", "a folder nobody can write to"])
def test_without_a_disk_events_go_by_way_of_memory(
    to_server, server, quick, tmp_path, monkeypatch, where
):
    folder = tmp_path / "file"
    folder.write_text("in the way")
    if "nobody" in where:
        folder = Path("/proc/self/fdinfo")
        if not folder.exists():
            pytest.skip("needs a folder that not even root can write to: Linux's /proc")
    monkeypatch.setenv("RUNE_STATE_DIR", str(folder))
    server.faults[EVENTS] = (503, {}, b"")
    shield = to_server()
    for _ in range(30):
        shield.scan_input("x")
    assert not shield.flush(10)
    assert sink_of(shield).store.trouble
    assert any("cannot be used" in line for line in shield.coverage().warnings)
    server.faults.clear()
    until(lambda: shield.flush(10))
    assert len(server.events) == 30
    assert shield.stats.losses == {}


def test_memory_is_bounded_and_what_is_left_at_the_end_is_counted(
    to_server, server, quick, tmp_path, monkeypatch
):
    from rune_core.queue.reserve import Reserve

    monkeypatch.setattr(Reserve.__init__, "__defaults__", (10, 9_999_999))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path / "file"))
    server.faults[EVENTS] = (503, {}, b"")
    shield = to_server(event_batch_size=1)
    shield.validate_action("danger", {})
    for _ in range(24):
        shield.scan_input("x")
    shield.flush(5)
    shield.close()
    losses = shield.stats.losses
    assert set(losses) == {"memory_full", "unsaved"}
    assert losses["unsaved"] <= 11  # a batch of one may have been under way while the others came
    assert sum(losses.values()) == 25


FULL = """
import resource, sys
from rune_core.testing import shield_for_tests

shield = shield_for_tests(url=sys.argv[1], api_key=sys.argv[2], allow_http=True,
                          events_enabled=True, policy_sync_interval_seconds=0)
shield.scan_input("x")
shield.flush(5)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))  # the disk is full
for _ in range(1500):
    shield.scan_input("x")
shield.flush(5)
store = shield._engine.server_sink.store
print(bool(store.trouble), flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))  # there is room again
sys.stdin.readline()
store._closed_until = 0
shield._engine.server_sink.sender._breaker.succeeded()
shield._engine.server_sink.sender._own_until = 0
shield.flush(60)
shield.flush(60)
print(shield.stats.events_dropped_total, dict(shield.stats.losses), file=sys.stderr)
print(shield.stats.events_dropped_total, flush=True)
shield.close()
"""


@linux
def test_a_full_disk_costs_nothing_when_there_is_room_again(server, state):
    server.faults[EVENTS] = (503, {}, b"")
    command = [sys.executable, "-c", FULL, server.url, KEY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "True\n"
        server.faults.clear()
        process.stdin.write("go\n")
        process.stdin.flush()
        dropped = int(process.stdout.readline())
        assert process.wait(60) == 0
    assert len(server.events) + dropped == 1501
    assert dropped == 0


def test_a_spool_that_is_damaged_meanwhile(to_server, server, quick):
    server.faults[EVENTS] = (503, {}, b"")
    shield = to_server()
    for _ in range(5):
        shield.scan_input("x")
    shield.flush(5)
    spool_of(shield).close()
    spool_of(shield).path.write_bytes(b"\xff" * 10_000)
    for _ in range(5):
        shield.scan_input("x")
    server.faults.clear()
    delivered(shield)
    assert len(server.events) + shield.stats.events_dropped_total == 10
    assert shield.stats.losses == {"spool_lost": 5}


# -- clocks


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps(to_server, server, quick, monkeypatch, jump):
    real, real_ns = time.time, time.time_ns
    server.faults[EVENTS] = [(503, {}, b"")] * 2
    shield = to_server()
    shield.scan_input("x")
    shield.flush(5)
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(jump * 1e9))
    shield.scan_input("x")
    until(lambda: shield.flush(10))
    assert len(server.events) == 2
    assert shield.stats.losses == {}


# -- networks


def test_a_name_that_cannot_be_resolved(to_server, quick):
    shield = to_server(url="https://name.invalid")
    shield.scan_input("x")
    assert not shield.flush(20)
    assert "cannot be resolved" in sink_of(shield).delivery.error
    assert spool_of(shield).figures().depth == 1


def test_a_server_that_hangs(to_server, server, quick):
    server.faults[EVENTS] = "hang"
    shield = to_server(connection_timeout_seconds=0.1)
    shield.scan_input("x")
    assert not shield.flush(20)
    assert "in time" in sink_of(shield).delivery.error
    server.faults.clear()
    delivered(shield)
    assert len(server.events) == 1


def test_a_server_whose_certificate_nobody_vouches_for(to_server, quick, tmp_path, monkeypatch):
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    with RuneServer(ssl_context=context) as server:
        wrong = to_server(url=server.url, ca_file=tmp_path / "other.pem")
        wrong.scan_input("x")
        assert not wrong.flush(20)
        assert "TLS" in sink_of(wrong).delivery.error
        assert posts(server) == []
        wrong.close()
        right = to_server(url=server.url, ca_file=tmp_path / "ca.pem")
        right.scan_input("x")
        until(lambda: right.flush(10))
        assert len(server.events) == 2
        right.close()


# -- event loops, threads, processes


def test_an_event_loop_is_not_in_the_way(to_server, server):
    shield = to_server()

    async def agents():
        await asyncio.gather(*(shield.ascan_input("x") for _ in range(200)))

    for _ in range(2):
        asyncio.run(agents())
    assert shield.flush(20)
    assert len(server.events) == 400


def in_child(work) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_forked_from_a_warm_parent(to_server, server, state):
    """As pre-forking servers do: one Shield for all, made and used before the workers are."""
    shield = to_server()
    shield.scan_input("parent")
    assert shield.flush(10)

    def work():
        for _ in range(20):
            shield.scan_output("child")
        assert not sink_of(shield).store.trouble
        shield.close(20)
        assert shield.stats.losses == {}

    children = [in_child(work) for _ in range(4)]
    for _ in range(20):
        shield.scan_input("parent")
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert shield.flush(10)
    until(lambda: len(server.events) == 101)
    assert set(server.received.values()) == {1}
    assert list((state / "spool").glob("*.run")) == [sink_of(shield).store.run.path]


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_everything(to_server, server, state):
    """Threads scan, the spool is being written and a request is under way when the fork comes."""
    shield = to_server(event_flush_interval_seconds=0.001, event_batch_size=3)
    for scan_once in (shield.scan_input, shield.scan_output):
        scan_once("x")  # what a thread imports while another forks is nobody's business here
    stop = threading.Event()
    scanned = []

    def scan():
        done = 0
        while not stop.is_set():
            shield.scan_input("parent")
            done += 1
            time.sleep(0.003)
        scanned.append(done)

    def work():
        for _ in range(5):
            shield.scan_output("child")
        shield.close(20)
        assert shield.stats.losses == {}

    threads = [threading.Thread(target=scan) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        assert os.waitpid(in_child(work), 0)[1] == 0
    stop.set()
    for thread in threads:
        thread.join()
    until(lambda: shield.flush(10))
    until(lambda: len(server.events) == sum(scanned) + 42)
    assert shield.stats.losses == {}


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_that_nobody_announced(to_server, server):
    """As from C, without Python's hooks before it: the child leaves the parent's file alone."""
    shield = to_server()
    shield.scan_input("parent")
    assert shield.flush(10)
    file = spool_of(shield)._file
    file._before_fork = file._after_fork_in_parent = lambda: None
    from rune_core import forks

    kept, forks._around[:] = forks._around[:], []

    def work():
        shield.scan_output("child")
        assert shield.flush(20)
        assert "forked" in sink_of(shield).store.trouble

    child = in_child(work)
    forks._around[:] = kept
    assert os.waitpid(child, 0)[1] == 0
    until(lambda: len(server.events) == 2)


SCRIPT = """
import sys
from rune_core import Shield
shield = Shield()
for _ in range(7):
    shield.scan_input("x")
"""


def environment(server, state, **more):
    return {
        **os.environ,
        "RUNE_URL": server.url,
        "RUNE_API_KEY": KEY,
        "RUNE_ALLOW_HTTP": "1",
        "RUNE_STATE_DIR": str(state),
        "RUNE_L1_ENABLED": "0",
        **more,
    }


def test_a_script_that_just_ends_has_sent_its_events(server, state):
    command = [sys.executable, "-c", SCRIPT]
    subprocess.run(command, env=environment(server, state), check=True, timeout=60)
    assert len(server.events) == 7
    assert not list((state / "spool").glob("*.run"))


@pytest.mark.parametrize("fault", ["hang", (503, {}, b"")], ids=["hang", "503"])
def test_a_script_that_ends_without_the_server_keeps_them(server, state, fault):
    server.faults[EVENTS] = fault
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, env=environment(server, state), check=True, timeout=60, capture_output=True
    )
    assert b"Traceback" not in done.stderr
    [file] = (state / "spool").glob("*.db")
    spool = Spool(file.parent, file.name.removesuffix(".v1.db"), max_rows=99, max_bytes=99_999)
    assert spool.figures().depth == 7
    spool.close()
    server.faults.clear()
    subprocess.run(command, env=environment(server, state), check=True, timeout=60)
    until(lambda: len(server.events) == 14)


# -- kill -9

VICTIM = """
import random, sys
from rune_core import Shield
shield = Shield()
while True:
    shield.validate_action("danger" if random.random() < 0.1 else "fine", {"to": "x"})
    if random.random() < 0.02:
        print(flush=True)
"""


@linux
def test_processes_that_are_killed_lose_nothing_uncounted(server, state):
    """Each run is killed at a random moment, with the server in a random mood.

    ``RUNE_KILLS`` says how often; ``.ci/soak queue`` says 30.
    """
    import random

    from rune_core.queue.front import CATEGORIES

    # By run: a run that is killed before it has looked round leaves earlier files where they are.
    runs: dict[str, list[int]] = {}
    policy = state.parent / "policy.yaml"
    policy.write_text(
        'version: "1.0"\nrules:\n  - {name: stop, type: tool_denylist, tools: [danger]}\n'
    )
    variables = environment(
        server, state, RUNE_POLICIES=str(policy), RUNE_EVENT_FLUSH_INTERVAL_SECONDS="0.05"
    )
    moods = [None, None, (503, {}, b""), "hang", "garbage", "truncate"]
    kills = int(os.environ.get("RUNE_KILLS", "3"))
    # On a busy machine each may come before there is a spool.
    while kills > 0 or not any((state / "spool").glob("*.db")):
        kills -= 1
        server.faults[EVENTS] = random.choice(moods)
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM], env=variables, stdout=subprocess.PIPE
        )
        victim.stdout.readline()
        time.sleep(random.uniform(0.0, 0.6))
        victim.kill()
        victim.wait()
        victim.stdout.close()
        for path in (state / "spool").glob("*.run"):
            runs[path.name] = list(memoryview(path.read_bytes()[: 8 * len(CATEGORIES)]).cast("Q"))
    server.faults.clear()
    [file] = (state / "spool").glob("*.db")
    spool = Spool(file.parent, file.name.removesuffix(".v1.db"), max_rows=10**6, max_bytes=10**9)
    spool.sweep()
    subprocess.run([sys.executable, "-c", SCRIPT], env=variables, check=True, timeout=60)
    given = dict(zip(CATEGORIES, map(sum, zip(*runs.values(), strict=True)), strict=True))
    given["scan"] += 7
    figures = spool.figures()
    waiting = {json.loads(body)["event_id"] for body in spool.waiting()}
    arrived = set(server.events)
    spool.close()
    print(f"given {given}, arrived {len(arrived)}, waiting {len(waiting - arrived)}, "
          f"lost {dict(figures.losses)}")  # fmt: skip
    assert figures.dead_letters == 0
    assert set(figures.losses) <= {"killed", "queue_full"}
    assert len(arrived | waiting) + sum(figures.losses.values()) == sum(given.values())
    assert list((state / "spool").glob("*.run")) == []
