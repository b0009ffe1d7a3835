"""``rune events`` and what ``rune doctor`` says about the spool."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

from local_rune_server import KEY, RuneServer

from rune_core import ShieldConfig
from rune_core.testing import shield_for_tests

Invoke = Callable[..., Result]
DENY = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'
EVENTS = "/v1/events"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RuneServer]:
    with RuneServer() as running:
        monkeypatch.setenv("RUNE_URL", running.url)
        monkeypatch.setenv("RUNE_API_KEY", KEY)
        monkeypatch.setenv("RUNE_ALLOW_HTTP", "1")
        yield running


def record(**settings: Any) -> None:
    """Three events: a call that is stopped, one that is not, and an input."""
    chosen = {"events_enabled": True, "events_to_file": True, "policy": DENY, **settings}
    with shield_for_tests(**chosen) as shield:
        shield.validate_action("pay", {"to": "bob"}, agent_id="clerk")
        shield.validate_action("look", {})
        shield.scan_input("hello")
        shield.flush(20)


def record_for(server: RuneServer, *, fault: object = None, **settings: Any) -> None:
    if fault is not None:
        server.faults[EVENTS] = fault
    record(url=server.url, api_key=KEY, allow_http=True, policy_sync_interval_seconds=0, **settings)
    server.faults.clear()


def test_tail_shows_the_last_and_chooses(rune: Invoke) -> None:
    assert "no such events" in rune("events", "tail").output
    record()
    lines = rune("events", "tail").stdout.splitlines()
    assert len(lines) == 3
    assert "block   tool_call" in lines[0]
    assert "rule=no-pay" in lines[0]
    assert "agent=clerk" in lines[0]
    assert len(rune("events", "tail", "-n", 1).stdout.splitlines()) == 1
    for option, count in (
        (("--action", "block"), 1),
        (("--surface", "input"), 1),
        (("--tool", "look"), 1),
        (("--agent", "clerk"), 1),
        (("--agent", "nobody"), 0),
    ):
        assert len(rune("events", "tail", "--json", *option).stdout.splitlines()) == count
    [line] = rune("events", "tail", "--json", "--tool", "pay").stdout.splitlines()
    assert json.loads(line)["rule"] == "no-pay"


def test_tail_goes_on_with_new_events_also_after_a_rotation(tmp_path: Path) -> None:
    record()
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "rune_core.cli", "events", "tail", "-f", "-n", "1"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "input" in process.stdout.readline()
        record()
        seen = [process.stdout.readline() for _ in range(3)]
        assert "no-pay" in seen[0]
        file = ShieldConfig().events_file
        file.rename(file.with_name("events.jsonl.1"))
        record()
        seen = [process.stdout.readline() for _ in range(3)]
        assert "no-pay" in seen[0]
        process.terminate()


def test_export_as_json_lines_and_as_csv(rune: Invoke, tmp_path: Path) -> None:
    record(events_max_bytes=1)  # every batch is rotated
    record()
    rows = [json.loads(line) for line in rune("events", "export").stdout.splitlines()]
    assert [row["surface"] for row in rows].count("tool_call") == 4
    assert rows == sorted(rows, key=lambda row: row["timestamp"])
    out = tmp_path / "e.csv"
    assert rune("events", "export", "--format", "csv", "-o", out).exit_code == 0
    table = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["event_id"] for row in table] == [row["event_id"] for row in rows]
    assert json.loads(table[0]["rules"])[0]["rule"] == "no-pay"
    assert rune("events", "export", "--since", "1h").stdout.count("\n") == 6
    assert rune("events", "export", "--since", "2099-01-01").stdout == ""
    assert "2h or 7d" in rune("events", "export", "--since", "soon").stderr


def test_a_cell_that_looks_like_a_formula_is_a_text(rune: Invoke) -> None:
    with shield_for_tests(events_enabled=True, events_to_file=True) as shield:
        shield.scan_input("x", agent_id="@SUM(A1)")
        shield.flush(20)
    file = ShieldConfig().events_file
    event = json.loads(file.read_text())
    file.write_text(json.dumps({**event, "agent_id": "@x"}) + "\nnot json\n")
    [row] = csv.DictReader(io.StringIO(rune("events", "export", "--format", "csv").stdout))
    assert row["agent_id"] == "'@x"


def test_stats_count_what_was_recorded_and_what_waits(rune: Invoke, server: RuneServer) -> None:
    assert "nothing waits" in rune("events", "stats").stdout
    record_for(server, fault=(503, {}, b""))
    text = rune("events", "stats").stdout
    assert "3 events in" in text
    assert "block 1" in text
    assert "for the configured server" in text
    assert "waiting      3 (" in text
    report = json.loads(rune("events", "stats", "--json").stdout)
    assert report["by_tool"] == {"pay": 1, "look": 1}
    assert report["spools"][0]["depth"] == 3
    assert report["spools"][0]["own"] is True
    waiting = rune("events", "export", "--waiting").stdout.splitlines()
    assert {json.loads(line)["surface"] for line in waiting} == {"tool_call", "input"}


def test_flush_sends_what_waits(
    rune: Invoke, server: RuneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_for(server, fault=(503, {}, b""))
    server.faults[EVENTS] = (500, {}, b"")
    result = rune("events", "flush", "--seconds", 5)
    assert result.exit_code == 1
    assert "0 events delivered, 3 left" in result.stdout
    assert "answers 500" in result.stderr
    server.faults.clear()
    result = rune("events", "flush")
    assert result.exit_code == 0
    assert "3 events delivered, 0 left" in result.stdout
    assert len(server.events) == 3
    assert "0 events delivered, 0 left" in rune("events", "flush").stdout
    monkeypatch.delenv("RUNE_URL")
    assert "set RUNE_URL" in rune("events", "flush").stderr


def test_flush_takes_over_the_spool_of_a_key_that_was_replaced(
    rune: Invoke, server: RuneServer
) -> None:
    old = "rune_live_" + "o" * 43
    record(url=server.url, api_key=old, allow_http=True, policy_sync_interval_seconds=0)
    checks = json.loads(rune("doctor", "--json").stdout)["checks"]
    [todo] = [c["todo"] for c in checks if c["name"].startswith("spool ")]
    name = todo.rpartition(" ")[2]
    assert "names 0 spools" in rune("events", "flush", "--from", "zzz").stderr
    result = rune("events", "flush", "--from", name)
    assert "took over 3 events" in result.stdout
    assert len(server.events) == 3
    assert old not in result.output


def test_dead_letters_are_listed_retried_and_dropped(rune: Invoke, server: RuneServer) -> None:
    assert "no dead letters" in rune("events", "dead").stdout
    server.verdict = lambda event: ("bad_field", "is odd") if event.get("tool") else None
    record_for(server)
    lines = rune("events", "dead").stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("bad_field: is odd")
    rows = json.loads(rune("events", "dead", "--json").stdout)
    assert {row["event"]["tool"] for row in rows} == {"pay", "look"}
    assert "exclude" in rune("events", "dead", "--retry", "--drop").stderr
    server.verdict = lambda _: None
    assert "2 dead letters put back" in rune("events", "dead", "--retry").stdout
    assert rune("events", "flush").exit_code == 0
    assert len(server.events) == 3
    server.verdict = lambda _: ("no", "")
    record_for(server)
    assert "3 dead letters removed" in rune("events", "dead", "--drop").stdout


# -- doctor


def doctor(rune: Invoke) -> dict[str, dict[str, Any]]:
    rows = json.loads(rune("doctor", "--json").stdout)["checks"]
    for row in rows:
        assert row["status"] == "ok" or row["todo"] or row["area"] != "events", row
    return {row["name"]: row for row in rows if row["area"] == "events"}


def test_doctor_on_a_spool(
    rune: Invoke, server: RuneServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "none yet" in doctor(rune)["spool"]["detail"]
    record_for(server, fault=(503, {}, b""))
    checks = doctor(rune)
    assert checks["spool"]["status"] == "ok"
    assert checks["queue depth"]["status"] == "ok"
    assert checks["queue depth"]["detail"].startswith("3 events of 100,000")
    monkeypatch.setattr("rune_core.cli.spool_checks.OLD_SECONDS", 0.0)
    time.sleep(0.01)
    assert "rune events flush" in doctor(rune)["queue depth"]["todo"]
    monkeypatch.setenv("RUNE_SPOOL_MAX_EVENTS", "3")
    assert "RUNE_SPOOL_MAX_EVENTS" in doctor(rune)["queue depth"]["todo"]
    server.verdict = lambda _: ("no", "")
    rune("events", "flush")
    checks = doctor(rune)
    assert checks["queue depth"]["detail"] == "nothing waits"
    assert "rune events dead" in checks["dead letters"]["todo"]
    monkeypatch.setenv("RUNE_EVENTS_TO_SERVER", "0")
    assert doctor(rune)["delivery"]["status"] == "warn"


def test_doctor_on_a_spool_that_is_damaged_or_cannot_be_used(
    rune: Invoke, server: RuneServer, tmp_path: Path
) -> None:
    record_for(server, fault=(503, {}, b""))
    [path] = (tmp_path / "state" / "spool").glob("*.db")
    path.write_bytes(b"x" * 9000)
    assert doctor(rune)["lost so far"]["detail"] == "spool_lost 3"
    assert "1 file in" in doctor(rune)["damaged spools"]["detail"]
    path.chmod(0o666)
    assert doctor(rune)["spool"]["status"] == "fail"
