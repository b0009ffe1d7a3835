"""How much one edge takes in: TLS, checked, durable, with the writer behind it.

    uv run python -m benchmarks.ingest_load [--seconds 20] [--rate 50500] [--connections 64]

The load generator runs on the same machine, in a process of its own: batches of 100 events,
gzipped, every event new, over kept connections. First as fast as the edge answers, then at a
fixed rate, where latency is counted from when a request was due. At the end everything that was
acknowledged has to be in ClickHouse exactly once.

``--minutes 10 --rate 10000`` watches the memory instead.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.edge_process import EdgeProcess
from benchmarks.made_events import made_events

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PER_BATCH = 100
_MARK = "ffffffff-ffff-7fff-bfff-ffffffffffff"


class Bodies:
    """Bodies whose events are all new: a template with other ids each time."""

    def __init__(self, variants: int = 40) -> None:
        self._templates: list[list[bytes]] = []
        for seed in range(variants):
            events = made_events(PER_BATCH, seed=seed, event_id=_MARK, decision_id=_MARK)
            text = b'{"events":[' + b",".join(map(msgspec.json.encode, events)) + b"]}"
            self._templates.append(text.split(_MARK.encode()))
        self._number = 0

    def make(self) -> bytes:
        """One gzipped body."""
        pieces = self._templates[self._number % len(self._templates)]
        self._number += 1
        milliseconds = time.time_ns() // 1_000_000
        head = f"{milliseconds:012x}"
        out = [pieces[0]]
        for piece in pieces[1:]:
            # Event and decision id alike, as the SDK makes both at once.
            tail = os.urandom(8).hex()
            out.append(f"{head[:8]}-{head[8:]}-7{tail[:3]}-b{tail[3:6]}-{tail[6:]}00".encode())
            out.append(piece)
        return gzip.compress(b"".join(out), 1)


async def _connection(
    port: int, context: Any, key: str, bodies: Iterator[bytes], due: Any, times: list[float]
) -> dict[int, int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    statuses: dict[int, int] = {}
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nX-Rune-Key: {key}\r\n"
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: "
    )
    try:
        for body in bodies:
            began = await due()
            if began is None:
                break
            writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = int(answer[9:12])
            length = answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            times.append(time.perf_counter() - began)
            statuses[status] = statuses.get(status, 0) + 1
    finally:
        writer.close()
    return statuses


async def _load(options: dict[str, Any]) -> dict[str, Any]:
    """Send for a while. What came of it."""
    import ssl

    context = ssl.create_default_context(cafile=options["ca"])
    rate, seconds = options["rate"], options["seconds"]
    bodies = Bodies()
    prepared: list[bytes] = []
    if not options["fresh"]:
        needed = int(seconds * (rate or options["guess"]) / PER_BATCH * 1.1)
        prepared = [bodies.make() for _ in range(needed)]

    def source() -> Iterator[bytes]:
        while options["fresh"]:
            yield bodies.make()
        while prepared:
            yield prepared.pop()

    begin = time.perf_counter() + 0.1
    end = begin + seconds
    sent = 0

    async def due() -> float | None:
        nonlocal sent
        now = time.perf_counter()
        if now >= end:
            return None
        if not rate:
            return now
        at: float = begin + sent * PER_BATCH / rate
        sent += 1
        if at > now:
            await asyncio.sleep(at - now)
        return at

    times: list[float] = []
    began_cpu = time.process_time()
    answers = await asyncio.gather(
        *(
            _connection(options["port"], context, options["key"], source(), due, times)
            for _ in range(options["connections"])
        )
    )
    took = time.perf_counter() - begin
    statuses: dict[int, int] = {}
    for found in answers:
        for status, number in found.items():
            statuses[status] = statuses.get(status, 0) + number
    return {
        "seconds": took,
        "statuses": statuses,
        "times": sorted(times),
        "cpu": time.process_time() - began_cpu,
        "ran_dry": not options["fresh"] and not prepared,
    }


def _child(options: dict[str, Any], pipe: Any) -> None:
    pipe.send(asyncio.run(_load(options)))


def load(edge: EdgeProcess, **options: Any) -> dict[str, Any]:
    """Run the generator in a process of its own."""
    chosen = {
        "port": edge.port,
        "key": edge.key,
        "ca": str(edge.folder / "ca.pem"),
        "rate": 0,
        "guess": 90_000,
        "fresh": False,
        **options,
    }
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_child, args=(chosen, theirs))
    process.start()
    result: dict[str, Any] = mine.recv()
    process.join()
    return result


def quantile(times: Sequence[float], part: float) -> float:
    """Milliseconds."""
    return times[min(len(times) - 1, int(part * len(times)))] * 1000 if times else float("nan")


def report(name: str, found: dict[str, Any], processor: float) -> int:
    """Print a line. How many events were acknowledged."""
    accepted = found["statuses"].get(202, 0) * PER_BATCH
    times = found["times"]
    print(
        f"{name}: {accepted / found['seconds']:,.0f} events/s, "
        f"p50 {quantile(times, 0.5):.0f} ms, p95 {quantile(times, 0.95):.0f} ms, "
        f"p99 {quantile(times, 0.99):.0f} ms; statuses {found['statuses']}; "
        f"processor time per event: edge {processor / max(1, accepted) * 1e6:.1f} µs, "
        f"generator {found['cpu'] / max(1, accepted) * 1e6:.1f} µs"
        + (" (the generator ran dry)" if found["ran_dry"] else ""),
        flush=True,
    )
    return accepted


def stored(edge: EdgeProcess) -> tuple[int, int, int]:
    """After the edge has ended: rows, distinct ids, and what the rollup counts."""
    from rune_server.analytics import Target
    from rune_server.analytics.connect import Store
    from rune_server.analytics.targets import disk_keys
    from rune_server.storage import Vault

    vault = Vault(bytes.fromhex(edge.environment["RUNE_MASTER_KEY"]))
    target = Target(database="rune_us", path=edge.data_dir / "analytics", keys=disk_keys(vault))

    async def ask() -> tuple[int, int, int]:
        store = Store(target)
        await store.open()
        try:
            rows = await store.query("SELECT count(), uniqExact(event_id) FROM rune_us.events", {})
            rolled = await store.query("SELECT sum(events) FROM rune_us.events_by_minute", {})
            return rows[0][0], rows[0][1], rolled[0][0]
        finally:
            await store.close()

    return asyncio.run(ask())


def wait_until_written(edge: EdgeProcess, seconds: float = 300.0) -> float:
    """Until no segment waits. How long that took."""
    import httpx

    began = time.monotonic()
    while time.monotonic() < began + seconds:
        text = httpx.get(
            f"https://127.0.0.1:{edge.port}/metrics", verify=edge.ssl_context, timeout=10
        ).text
        figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
        if float(figures["rune_spool_segments"]) == 0:
            return time.monotonic() - began
        time.sleep(0.2)
    raise RuntimeError("segments are still waiting")


def memory_run(edge: EdgeProcess, minutes: float, rate: int, connections: int) -> int:
    """Watch memory under load. How many events were acknowledged."""
    accepted = 0
    samples: list[float] = []
    for minute in range(int(minutes)):
        found = load(edge, seconds=60, rate=rate, connections=connections, fresh=True)
        accepted += found["statuses"].get(202, 0) * PER_BATCH
        samples.append(edge.memory() / 1e6)
        print(
            f"minute {minute + 1}: {samples[-1]:.0f} MB resident, "
            f"p99 {quantile(found['times'], 0.99):.0f} ms, {found['statuses']}",
            flush=True,
        )
    half = samples[len(samples) // 2 :]
    print(
        f"second half: {min(half):.0f} to {max(half):.0f} MB, median {statistics.median(half):.0f}"
    )
    return accepted


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=50_500)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        edge = EdgeProcess(Path(folder) / "edge")
        edge.start()
        accepted = 0
        try:
            if options.minutes:
                accepted += memory_run(edge, options.minutes, options.rate, options.connections)
            else:
                load(edge, seconds=2, connections=4, guess=20_000)  # warm, and not counted below
                for name, rate in (("as fast as it answers", 0), ("at a fixed rate", options.rate)):
                    before = edge.processor_seconds()
                    found = load(
                        edge, seconds=options.seconds, connections=options.connections, rate=rate
                    )
                    accepted += report(name, found, edge.processor_seconds() - before)
                    print(f"  written behind it after {wait_until_written(edge):.1f} s more")
            wait_until_written(edge)
            print(f"memory {edge.memory() / 1e6:.0f} MB; stopped in {edge.stop():.1f} s")
        finally:
            if edge.process is not None and edge.process.poll() is None:
                edge.kill()
        rows, distinct, rolled = stored(edge)
        now = datetime.now(UTC).strftime("%H:%M")
        print(
            json.dumps(
                {
                    "at": now,
                    "acknowledged": accepted,
                    "rows": rows,
                    "ids": distinct,
                    "rollup": rolled,
                }
            )
        )
        if not rows == distinct == rolled >= accepted:
            raise SystemExit("what was acknowledged is not there exactly once")


if __name__ == "__main__":
    main()
