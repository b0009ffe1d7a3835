"""What embedded ClickHouse leaves on the disk."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from benchmarks.made_events import made_events

from rune_server.analytics.embedded import write_configuration
from rune_server.errors import ConfigurationError

ROOT = Path(__file__).parents[3]

# A process of its own: one process can hold one store.
OPEN = """
import asyncio, json, os, sys, uuid
from datetime import UTC, datetime
from pathlib import Path
from benchmarks.made_events import made_events
from rune_server.analytics import Analytics, Target
from rune_server.analytics import batches, rows
from rune_server.analytics.connect import Store

folder, keys, batch, end = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]

async def main():
    target = Target(database="rune_us", path=folder, keys=tuple(bytes.fromhex(k) for k in keys))
    store = Store(target)
    await store.open()
    assert not any(key in str(os.environ) for key in keys)
    organisation = uuid.UUID(int=7)
    before = rows.prefix(organisation, 30, datetime.now(UTC), uuid.UUID(batch))
    events = made_events(200, tool="secret-tool-name", agent_id="secret-agent-name")
    lines = rows.lines(before, events)
    await store.write(
        lambda c: batches.insert_lines(c, "rune_us", uuid.UUID(batch), lines, embedded=True)
    )
    if end == "reseal":
        await Analytics({"us": store}).reseal()
    counted = []
    for table, what in (
        ("events", "count()"), ("events_by_minute", "sum(events)"), ("usage_by_day", "sum(events)")
    ):
        rows_ = await store.query(f"SELECT {what} FROM rune_us.{table}", {})
        counted.append(rows_[0][0])
    print(json.dumps(counted), flush=True)
    if end == "kill":
        os.kill(os.getpid(), 9)
    await store.close()

asyncio.run(main())
"""
ONE, TWO = "11" * 32, "22" * 32
FIRST = "00000000-0000-7000-8000-000000000001"
SECOND = "00000000-0000-7000-8000-000000000002"


def run(folder, keys, batch=FIRST, end="close"):
    done = subprocess.run(  # noqa: PLW1510 - one end is a kill
        [sys.executable, "-c", OPEN, str(folder), json.dumps(keys), batch, end],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_nothing_is_in_the_clear_and_a_batch_is_known_again_after_kill_9(tmp_path):
    folder = tmp_path / "analytics"
    for _ in range(2):
        assert run(folder, [ONE], end="kill") == [200, 200, 200]
    for path in files(folder):
        raw = path.read_bytes()
        for text in (b"secret-tool-name", b"secret-agent-name", ONE.encode(), bytes.fromhex(ONE)):
            assert text not in raw, path
    # No data at all on the disk that is not encrypted.
    kept = {path.name for path in files(folder / "tokens")}
    assert all(name.startswith(("deduplication_log", "format_version")) for name in kept), kept


def test_keys_can_be_rotated(tmp_path):
    folder = tmp_path / "analytics"
    run(folder, [ONE])
    with pytest.raises(ConfigurationError, match="MASTER_KEYS_PREVIOUS"):
        write_configuration(folder, [bytes.fromhex(TWO)], 10**9)
    assert run(folder, [TWO, ONE], SECOND, end="reseal") == [400, 400, 400]
    # The old key is not needed any more.
    assert run(folder, [TWO], SECOND) == [400, 400, 400]


def test_a_wrong_or_missing_key_is_told(tmp_path):
    folder = tmp_path / "analytics"
    folder.mkdir()
    write_configuration(folder, [b"a" * 32], 10**9)
    for keys in ([b"b" * 32], []):
        with pytest.raises(ConfigurationError, match="fingerprint"):
            write_configuration(folder, keys, 10**9)
    with pytest.raises(ConfigurationError, match="32 bytes"):
        write_configuration(folder, [b"short"], 10**9)
    plain = tmp_path / "plain"
    (plain / "store").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="in the clear"):
        write_configuration(plain, [b"a" * 32], 10**9)
    assert (b"a" * 32).hex() not in (folder / "clickhouse.xml").read_text()


async def test_readers_can_only_read(analytics, organisation):
    from clickhouse_connect.driver.exceptions import ClickHouseError

    await analytics.insert(organisation, made_events(5, until=datetime.now(UTC)))
    store = await analytics.store(organisation)
    for statement in (
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'x String')",
        f"INSERT INTO {store.database}.usage_by_day VALUES (generateUUIDv4(), today(), 1, 1)",
        f"DROP TABLE {store.database}.events",
        f"TRUNCATE TABLE {store.database}.events",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "CREATE TABLE x (a Int8) ENGINE = Memory",
    ):
        with pytest.raises(ClickHouseError):
            await store.read(lambda client, sql=statement: client.command(sql))
    assert len((await analytics.events(organisation)).items) == 5
