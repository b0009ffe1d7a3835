"""A server's policies come into force, and nothing that a server does takes good ones away."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from local_rune_server import KEY, RuneServer, bundle_of, document

from rune_core import ConfigError, Shield, ShieldConfig
from rune_core.bundle import backoff, push

DENY = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'
ALLOW = 'version: "1.0"\nrules: []\n'
BAD = 'version: "1.0"\nrules:\n  - name: no-pay\n    type: tool_denylist\n    toools: [pay]\n'


def wait(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.005)


def pay_stopped(shield):
    return shield.validate_action("pay", {}).blocked


def sync_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("rune-policies")]


# -- what it is for


def test_a_published_policy_changes_the_next_decision_by_push(server, connect):
    shield = connect(policy_sync_interval_seconds=3600)
    wait(lambda: shield.policy_sync.pushed and shield.policy_sync.asked)
    assert not pay_stopped(shield)
    for policy, stopped in ((DENY, True), (ALLOW, False), (DENY, True)):
        revision = server.publish(document("p", policy))
        wait(lambda r=revision: shield.policy_sync.activated == r)
        assert pay_stopped(shield) is stopped
        assert shield.policy_sync.is_current
        assert shield.policy_sync.source == "server"


def test_it_changes_by_polling_where_there_is_no_push(server, connect):
    server.push = False
    shield = connect(policy_sync_interval_seconds=0.02)
    server.publish(document("p", DENY))
    wait(lambda: pay_stopped(shield))
    server.publish(document("p", ALLOW))
    wait(lambda: not pay_stopped(shield))
    assert not shield.policy_sync.pushed


def test_what_is_known_is_not_sent_again(server, connect):
    server.publish(document("p", DENY))
    shield = connect()
    first = shield.sync_policies(30.0)
    again = shield.sync_policies(30.0)
    assert again.asked > first.asked
    assert again.activated == first.activated
    asked = [r.headers.get("if-none-match") for r in server.requests if r.path == "/v1/policies"]
    assert asked[0] is None
    assert asked[-1] == f'"{first.activated}"'


def test_the_first_policies_can_be_waited_for(server, connect):
    server.publish(document("p", DENY))
    shield = connect()
    assert shield.sync_policies(30.0).is_current
    assert pay_stopped(shield)


def test_a_servers_policies_are_added_to_ones_own(server, connect, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        'version: "1.0"\nrules:\n  - {name: no-buy, type: tool_denylist, tools: [buy]}\n'
    )
    server.publish(document("p", DENY))
    shield = connect(local_policies_path=mine, policy_reload_seconds=0.01)
    shield.sync_policies(30.0)
    assert pay_stopped(shield)
    assert shield.validate_action("buy", {}).blocked
    # A reload of one's own files keeps the server's, and the other way round.
    mine.write_text(ALLOW)
    assert shield.reload_policies().ok
    assert pay_stopped(shield)
    assert not shield.validate_action("buy", {}).blocked
    server.publish(document("p", ALLOW))
    wait(lambda: not pay_stopped(shield))
    assert [file.name for file in shield._engine.policies.current().files] == [
        "default",
        "mine",
        "p",
    ]


def test_policies_that_are_withdrawn_are_gone(server, connect):
    server.publish(document("p", DENY))
    shield = connect()
    shield.sync_policies(30.0)
    server.publish()
    wait(lambda: not pay_stopped(shield))
    assert shield.policy_sync.is_current


def test_two_policies_may_name_a_rule_alike(server, connect):
    other = DENY.replace("tools: [pay]", "tools: [buy]")
    server.publish(document("a", DENY), document("b", other))
    shield = connect()
    assert shield.sync_policies(30.0).is_current
    assert pay_stopped(shield)
    decision = shield.validate_action("buy", {}).decision
    assert (decision.rule, decision.policy) == ("b:no-pay", "b")


# -- a bad one never takes a good one's place


def test_a_policy_that_does_not_load_is_refused_and_said(server, connect, caplog):
    good = server.publish(document("p", DENY), document("q", ALLOW))
    shield = connect()
    shield.sync_policies(30.0)
    bad = server.publish(document("p", ALLOW, 2), document("q", BAD, 2))
    wait(lambda: shield.policy_sync.fetched == bad)
    state = shield.policy_sync
    assert state.activated == good
    assert not state.is_current
    assert {(r.name, r.revision, r.line, r.code) for r in state.refused} == {
        ("q", 2, 5, "policy"),
        ("q", 2, 3, "policy"),
    }
    # The bundle is one thing: the good half of it is not in force either.
    assert pay_stopped(shield)
    assert "server:q@2:5: rules[0].toools: is not a key" in caplog.text
    assert any("toools" in warning for warning in shield.coverage().warnings)
    # It is not asked for again and again, and what mends it is taken.
    assert shield.sync_policies(30.0).fetched == bad
    assert server.requests[-1].path != "/v1/policies" or bad in str(server.requests[-1].headers)
    mended = server.publish(document("p", ALLOW, 3), document("q", ALLOW, 3))
    wait(lambda: shield.policy_sync.activated == mended)
    assert not pay_stopped(shield)
    assert shield.policy_sync.refused == ()


def tampered(**changes):
    bundle = bundle_of(document("p", ALLOW))
    return {**bundle, **changes}


DAMAGED = {
    "text": lambda: {**tampered(), "policies": [{**document("p", ALLOW), "yaml": BAD}]},
    "revision": lambda: tampered(revision="0" * 64),
    "duplicate": lambda: bundle_of(document("p", ALLOW), document("p", ALLOW)),
    "schema": lambda: tampered(schema="2"),
    "no revision": lambda: {k: v for k, v in tampered().items() if k != "revision"},
    "list": lambda: [1, 2],
    "numbers": lambda: tampered(policies=[1]),
    "deep": lambda: tampered(policies=json_deep()),
}


def json_deep():
    value: object = []
    for _ in range(200):
        value = [value]
    return value


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_bundle_is_not_even_read(server, connect, damage):
    good = server.publish(document("p", DENY))
    shield = connect(policy_sync_interval_seconds=3600)
    shield.sync_policies(30.0)
    body = DAMAGED[damage]()
    import json

    server.faults["/v1/policies"] = (200, {}, json.dumps(body).encode())
    state = shield.sync_policies(30.0)
    assert (state.fetched, state.activated) == (good, good)
    assert state.error
    assert pay_stopped(shield)
    assert shield.validate_action("other", {}).action == "allow"
    del server.faults["/v1/policies"]
    mended = server.publish(document("p", ALLOW))
    assert shield.sync_policies(30.0).activated == mended
    assert shield.policy_sync.error == ""
    assert shield.policy_sync.refused == ()


FAULTS = {
    "500": (500, {}, b"broken"),
    "503": (503, {"Retry-After": "0"}, b""),
    "429": (429, {"Retry-After": "0"}, b""),
    "413": (413, {}, b""),
    "404": (404, {}, b""),
    "302": (302, {"Location": "http://127.0.0.1:1/"}, b""),
    "204": (204, {}, b""),
    "304": (304, {}, b""),
    "html": (200, {"Content-Type": "text/html"}, b"<html>log in to the wifi</html>"),
    "gzip": (200, {"Content-Encoding": "gzip"}, b"not gzip"),
    "close": "close",
    "garbage": "garbage",
    "truncate": "truncate",
    "hang": "hang",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_server_answers_good_policies_stay(server, connect, fault, monkeypatch):
    monkeypatch.setattr(backoff, "REFUSED_SECONDS", 0.02)
    server.publish(document("p", DENY))
    shield = connect(connection_timeout_seconds=2.0 if fault == "hang" else 20.0)
    shield.sync_policies(30.0)
    asked = server.counts()["/v1/policies"]
    server.fault = FAULTS[fault]
    shield.sync_policies(30.0)
    assert server.counts()["/v1/policies"] > asked
    if fault != "304":
        assert shield.policy_sync.error
        assert shield.policy_sync.error in "\n".join(shield.coverage().warnings)
    assert pay_stopped(shield)
    server.fault = None
    mended = server.publish(document("p", ALLOW))
    assert shield.sync_policies(30.0).activated == mended
    wait(lambda: shield.policy_sync.pushed)
    assert shield.policy_sync.error == ""


def test_a_refused_key_is_said_once_and_not_asked_every_second(server, connect, caplog):
    shield = connect(api_key="rune_live_" + "x" * 43)
    first = shield.sync_policies(30.0)
    assert "401" in first.error
    assert shield.sync_policies(30.0).error == first.error
    said = [r for r in caplog.records if "cannot be fetched" in r.getMessage()]
    assert len(said) == 1
    assert "x" * 43 not in caplog.text
    assert shield._engine.sync._due - time.monotonic() > 200


def test_no_server_at_all(connect):
    shield = connect(url="http://127.0.0.1:1")
    assert not pay_stopped(shield)
    assert "no connection" in shield.sync_policies(30.0).error


# -- on disk


def kept_files(folder):
    return sorted((folder / "policies").glob("*.json"))


def test_after_a_restart_without_the_server_the_last_good_ones_are_in_force(
    server, connect, own_state
):
    good = server.publish(document("p", DENY))
    first = connect()
    first.sync_policies(30.0)
    bad = server.publish(document("p", BAD, 2))
    wait(lambda: first.policy_sync.fetched == bad)
    first.close(20.0)
    server.stop()
    [path] = kept_files(own_state)
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600
    second = connect()
    assert pay_stopped(second)
    state = second.policy_sync
    assert (state.activated, state.source) == (good, "disk")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_bytes(b"\x00" * 1000), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"no-pay", b"no-foo")), "damaged"),
        (lambda path: path.write_bytes(b"[" * 100_000), "damaged"),
        (lambda path: path.chmod(0o666), "written by others"),
        (lambda path: (path.unlink(), path.mkdir()), ""),
        (lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(
    server, connect, own_state, caplog, damage, says
):
    server.publish(document("p", DENY))
    connect().sync_policies(30.0)
    [path] = kept_files(own_state)
    damage(path)
    server.fault = (503, {}, b"")
    shield = connect()
    assert not pay_stopped(shield)
    assert shield.policy_sync.activated == ""
    [record] = [r for r in caplog.records if "kept on disk are not used" in r.getMessage()]
    assert says in record.getMessage()
    assert path.name in record.getMessage()
    server.fault = None
    assert shield.sync_policies(30.0).is_current
    assert pay_stopped(shield)


def test_policies_of_another_key_or_server_are_not_taken(server, connect):
    server.publish(document("p", DENY))
    connect().sync_policies(30.0)
    server.fault = (503, {}, b"")
    assert not pay_stopped(connect(api_key="rune_live_" + "o" * 43))


def test_files_of_old_keys_do_not_pile_up(server, connect, own_state):
    folder = own_state / "policies"
    folder.mkdir(parents=True)
    for number in range(20):
        (folder / f"{number:032x}.json").write_text("{}")
    (folder / ".abc.json.1").write_text("a draft of a process that died")
    os.utime(folder / ".abc.json.1", (0, 0))
    connect().sync_policies(30.0)
    assert len(kept_files(own_state)) <= 8
    assert not list(folder.glob(".*"))


def test_where_nothing_can_be_kept_policies_work_all_the_same(connect, server, own_state, caplog):
    own_state.write_text("a file where the folder should be")
    server.publish(document("p", DENY))
    shield = connect()
    assert shield.sync_policies(30.0).is_current
    assert pay_stopped(shield)
    assert "cannot be kept on disk" in caplog.text


SAVER = """
import sys
from pathlib import Path
from rune_core.bundle.model import decode
from rune_core.bundle.persist import BundleFile
bundles = [decode(Path(name).read_bytes()) for name in sys.argv[2:]]
file = BundleFile(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    for bundle in bundles:
        file.save(bundle)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on this platform")
def test_a_process_that_is_killed_leaves_a_whole_file(tmp_path):
    import json
    import random

    from rune_core.bundle.persist import BundleFile

    names = []
    for number, size in enumerate((10, 200_000)):
        path = tmp_path / f"bundle{number}"
        bundle = bundle_of(document("p", ALLOW + "# " + "x" * size))
        path.write_text(json.dumps(bundle))
        names.append(str(path))
    file = tmp_path / "folder" / "kept.json"
    killed = 0
    while killed < 10 or not file.exists():  # on a busy machine none may have come to save
        killed += 1
        child = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(file), *names], stdout=subprocess.PIPE
        )
        assert child.stdout.readline()
        time.sleep(random.uniform(0.0, 0.1))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        kept = BundleFile(file).load()
        assert kept is None or kept.policies[0].name == "p"


# -- a guest


def test_without_key_and_address_nothing_is_started():
    before = set(threading.enumerate())
    code = (
        "import sys, threading, rune_core; s = rune_core.Shield(); s.scan_input('x');"
        "print(sorted(m for m in sys.modules if m.startswith(('httpx', 'rune_core.bundle',"
        "'rune_core.connection'))), s.policy_sync, s.sync_policies())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] None None"
    with Shield(config=ShieldConfig(events_enabled=False)) as shield:
        assert shield.policy_sync is None
        assert not set(threading.enumerate()) - before


def test_an_interval_of_zero_switches_it_off(connect):
    shield = connect(policy_sync_interval_seconds=0)
    assert shield.policy_sync is None
    assert not sync_threads()


def test_an_address_that_cannot_be_used_shows_at_start_up(connect):
    with pytest.raises(ConfigError, match=r"^url: "):
        connect(url="http://rune.example.com")


def test_the_constructor_does_not_wait_for_the_server(server, connect):
    server.fault = "hang"
    shield = connect()
    assert not pay_stopped(shield)
    shield.close(20.0)
    assert not sync_threads()


@pytest.mark.parametrize("fault", [None, "hang", (503, {}, b"")])
def test_close_ends_the_threads(server, connect, fault):
    shield = connect()
    shield.sync_policies(30.0)
    wait(lambda: shield.policy_sync.pushed)
    assert len(sync_threads()) == 2
    server.fault = fault
    shield.close(20.0)
    shield.close(20.0)
    assert not sync_threads()
    server.wait_for(lambda: server.streams == 0)
    assert shield.policy_sync is not None


def test_the_end_of_the_interpreter_is_not_held_up(server):
    code = (
        "import sys; from rune_core import Shield, ShieldConfig\n"
        f"s = Shield(config=ShieldConfig(url={server.url!r}, api_key={KEY!r}, allow_http=True))\n"
        "assert s.sync_policies(30).asked\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_server_comes_back(server, connect):
    shield = connect()
    shield.sync_policies(30.0)
    port = server.server_port
    server.stop()
    wait(lambda: not shield.policy_sync.pushed)
    with RuneServer(port=port) as again:
        revision = again.publish(document("p", DENY))
        wait(lambda: shield.policy_sync.activated == revision)
        wait(lambda: shield.policy_sync.pushed)
        shield.close(20.0)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_keeps_its_own_policies_current(server, connect):
    server.publish(document("p", DENY))
    shield = connect()
    shield.sync_policies(30.0)
    wait(lambda: shield.policy_sync.pushed)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        verdict = b"-"
        try:
            stopped = pay_stopped(shield)  # starts the child's own threads
            wait(lambda: shield.policy_sync.pushed)
            os.write(write, b"R" if stopped else b"r")
            wait(lambda: not pay_stopped(shield))
            shield.close(20.0)
            verdict = b"K" if not sync_threads() else b"t"
        finally:
            os.write(write, verdict)
            os._exit(0)
    assert os.read(read, 1) == b"R"
    revision = server.publish(document("p", ALLOW))
    assert os.read(read, 1) == b"K"
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)
    # The parent's own are as they were: alive and current.
    wait(lambda: shield.policy_sync.activated == revision)
    assert len(sync_threads()) == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_forks_while_the_threads_start_leave_children_that_work(server):
    """What a thread of the parent was importing must not be half imported in the child."""
    server.publish(document("p", DENY))
    code = (
        "import os, sys, time; from rune_core import Shield, ShieldConfig\n"
        f"s = Shield(config=ShieldConfig(url={server.url!r}, api_key={KEY!r}, allow_http=True,"
        " events_enabled=False, l1_enabled=False))\n"
        "time.sleep(float(sys.argv[1]))\n"
        "if os.fork() == 0:\n"
        "    import httpx\n"
        "    done = s.sync_policies(60).is_current and s.validate_action('pay').blocked\n"
        "    os._exit(0 if done else 3)\n"
        "code = os.waitstatus_to_exitcode(os.wait()[1])\n"
        "s.close(); sys.exit(code)\n"
    )
    for pause in ("0", "0.02", "0.06"):
        done = subprocess.run(
            [sys.executable, "-c", code, pause],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, (pause, done.stderr)


def test_threads_may_decide_while_policies_change(server, connect):
    shield = connect()
    shield.sync_policies(30.0)
    stop, faults = threading.Event(), []

    def decide():
        while not stop.is_set():
            result = shield.validate_action("pay", {})
            if result.degraded or result.action not in ("allow", "block"):
                faults.append(result)

    threads = [threading.Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        revision = server.publish(document("p", DENY if number % 2 else ALLOW, number))
        wait(lambda r=revision: shield.policy_sync.activated == r)
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults


# -- the stream


STREAMS = {
    "no stream": (200, {"Content-Type": "text/html"}, b"<html>"),
    "ends at once": (200, {"Content-Type": "text/event-stream"}, b""),
    "nonsense": (200, {"Content-Type": "text/event-stream"}, b"\xff\xfe: :: \n\n\n\ndata\n\n"),
    "odd retry": (200, {"Content-Type": "text/event-stream"}, b"retry: 99999999999\nretry: x\n\n"),
    "gone": (404, {}, b""),
    "busy": (503, {"Retry-After": "0"}, b""),
    "hang": "hang",
    "close": "close",
}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_that_is_none_leaves_polling(server, connect, stream, monkeypatch):
    monkeypatch.setattr(push, "SILENCE_SECONDS", 0.3)
    server.faults["/v1/stream"] = STREAMS[stream]
    shield = connect(policy_sync_interval_seconds=0.02)
    server.wait_for(lambda: server.counts()["/v1/stream"])
    server.publish(document("p", DENY))
    wait(lambda: pay_stopped(shield))


def test_a_silent_stream_is_given_up(server, connect, monkeypatch):
    monkeypatch.setattr(push, "SILENCE_SECONDS", 0.1)
    server.faults["/v1/stream"] = (
        200,
        {"Content-Type": "text/event-stream", "X-Long": "1", "Transfer-Encoding": "identity"},
        b"",
    )
    connect()
    server.wait_for(lambda: server.counts()["/v1/stream"] > 2)


def test_an_event_without_end_is_given_up(server, connect, monkeypatch, caplog):
    monkeypatch.setattr(push, "_MAX_EVENT", 1000)
    caplog.set_level(logging.DEBUG, "rune_core.bundle")
    body = b"event: policies\n" + b"data: x\n" * 1000
    server.faults["/v1/stream"] = (200, {"Content-Type": "text/event-stream"}, body)
    connect()
    wait(lambda: "an event without end" in caplog.text)
