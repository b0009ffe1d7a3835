"""Kill -9 the edge again and again under load: is every acknowledged event there exactly once?

    uv run python -m benchmarks.edge_kills [--kills 20] [--clients 4]

Clients send batches of new events and send a batch again, unchanged, until it was acknowledged, as
the SDK does. The whole process group is killed at random moments and started anew. In the end the
events table must hold each sent event once, and the rollup must count the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import threading
import time
from pathlib import Path

import httpx
import msgspec

from benchmarks.edge_process import EdgeProcess
from benchmarks.ingest_load import wait_until_written
from benchmarks.made_events import made_events

PER_BATCH = 20


class Client(threading.Thread):
    """One sender. Stops after the batch it is at."""

    def __init__(self, edge: EdgeProcess, seed: int, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self.edge = edge
        self.chance = random.Random(seed)
        self.ending = ending
        self.ids: set[str] = set()
        """Of acknowledged events."""
        self.again = 0
        """Batches that were sent more than once."""
        self.duplicates = 0

    def run(self) -> None:
        """Send until told to end."""
        url = f"https://127.0.0.1:{self.edge.port}/v1/events"
        headers = {"X-Rune-Key": self.edge.key, "Content-Type": "application/json"}
        context = self.edge.ssl_context
        client = httpx.Client(verify=context, timeout=5)
        while not self.ending.is_set():
            events = made_events(PER_BATCH, seed=self.chance.randrange(1 << 30))
            body = b'{"events":[' + b",".join(map(msgspec.json.encode, events)) + b"]}"
            attempts = 0
            while True:
                attempts += 1
                try:
                    answer = client.post(url, content=body, headers=headers)
                except httpx.HTTPError:
                    time.sleep(0.05)
                    client.close()
                    client = httpx.Client(verify=context, timeout=5)
                    continue
                if answer.status_code == 202:
                    found = answer.json()
                    assert found["accepted"] + found["duplicates"] == PER_BATCH, found
                    self.duplicates += found["duplicates"]
                    break
                assert answer.status_code in (429, 503), answer.text
                time.sleep(0.05)
            self.again += attempts > 1
            self.ids |= {event.event_id for event in events}
        client.close()


def stored_ids(edge: EdgeProcess) -> tuple[list[str], int]:
    """Every id in the events table, and what the rollup counts."""
    from rune_server.analytics import Target
    from rune_server.analytics.connect import Store
    from rune_server.analytics.targets import disk_keys
    from rune_server.storage import Vault

    keys = disk_keys(Vault(bytes.fromhex(edge.environment["RUNE_MASTER_KEY"])))
    target = Target(database="rune_us", path=edge.data_dir / "analytics", keys=keys)

    async def ask() -> tuple[list[str], int]:
        store = Store(target)
        await store.open()
        try:
            rows = await store.write(
                lambda client: (
                    client.query("SELECT toString(event_id) FROM rune_us.events").result_rows
                )
            )
            rolled = await store.query("SELECT sum(events) FROM rune_us.events_by_minute", {})
            return [row[0] for row in rows], int(rolled[0][0])
        finally:
            await store.close()

    return asyncio.run(ask())


def main() -> None:
    """Run it; fail unless every event is there once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        edge = EdgeProcess(Path(folder) / "edge")
        ending = threading.Event()
        clients = [Client(edge, options.seed + n, ending) for n in range(options.clients)]
        edge.start()
        try:
            for client in clients:
                client.start()
            for number in range(options.kills):
                time.sleep(chance.uniform(0.2, 2.5))
                edge.kill()
                edge.start()
                print(f"killed {number + 1} times", flush=True)
            time.sleep(1)
            ending.set()
            for client in clients:
                client.join(60)
                assert not client.is_alive(), "a client hangs"
            # What the last kill left is written first; then nothing may be missing.
            wait_until_written(edge)
            took = edge.stop()
        finally:
            if edge.process is not None and edge.process.poll() is None:
                edge.kill()
        acknowledged: set[str] = set().union(*(client.ids for client in clients))
        rows, rolled = stored_ids(edge)
        quarantine = edge.data_dir / "quarantine"
        found = {
            "kills": options.kills,
            "acknowledged": len(acknowledged),
            "sent_again": sum(client.again for client in clients),
            "told_duplicate": sum(client.duplicates for client in clients),
            "rows": len(rows),
            "lost": len(acknowledged - set(rows)),
            "doubled": len(rows) - len(set(rows)),
            "rollup": rolled,
            "quarantined": len(list(quarantine.glob("*"))) if quarantine.exists() else 0,
            "stopped_in": round(took, 1),
            "left_in_spool": len(list((edge.data_dir / "spool").glob("*.spool"))),
        }
        print(json.dumps(found), flush=True)
        if found["lost"] or found["doubled"] or rolled != len(rows) or found["quarantined"]:
            raise SystemExit("events were lost, doubled or set aside")
        if not acknowledged:
            raise SystemExit("nothing was acknowledged, so nothing was shown")


if __name__ == "__main__":
    main()
