"""What events cost the process they come from.

    uv run python -m benchmarks.event_path [--events 20000] [--threads 8] [--outage 100000]

Prints what it costs the thread of a scan to hand an event over, alone and with eight threads at
once, in wall time: a thread that has to wait for the interpreter's lock waits in these figures.

``--outage`` then hands over so many events while the server that they should go to cannot be
reached. Meanwhile an agent takes ``--steps`` steps, and as many without a server and without
events, in turns. A step is some work of the agent's own (``--work`` milliseconds of plain Python)
and one guarded call. What is compared is steps per second of wall time and of processor time (all
threads, which holds better on a busy machine), and the memory of a process of its own for each.
"""

from __future__ import annotations

import argparse
import gc
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rune_core import hookimpl
from rune_core.context import ScanContext
from rune_core.testing import shield_for_tests
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core import Shield

ARGUMENTS = {
    "to": "maria@example.org",
    "subject": "Figures of the northern region",
    "body": "The quarterly meeting moved to Thursday at ten. Please bring the figures. " * 3,
}


class NullSink:
    """Takes events and forgets them; registers itself."""

    name = "null"

    @hookimpl
    def rune_event_sinks(self) -> list[NullSink]:
        return [self]

    def write(self, events: Sequence[object]) -> None:
        """Forget a batch."""

    def close(self) -> None:
        """Nothing to release."""


def quantiles(samples: Sequence[float]) -> str:
    """Median and 99th percentile."""
    cuts = statistics.quantiles(samples, n=1000)
    return f"p50 {statistics.median(samples):8.1f}  p99 {cuts[989]:8.1f}  p99.9 {cuts[998]:8.1f}"


def enqueue(shield: Shield, threads: int, events: int) -> list[float]:
    """Microseconds of wall time of every hand-over of a call with three arguments."""
    emitter = shield._engine.emitter
    assert emitter is not None
    result = shield.validate_action("send_email", ARGUMENTS)
    samples: list[list[float]] = []

    def work(mine: list[float]) -> None:
        context = ScanContext(Surface.TOOL_CALL, shield.open_session(), tool="send_email")
        for _ in range(events // threads):
            started = time.perf_counter_ns()
            emitter.emit(result, context, "high", ARGUMENTS)
            mine.append((time.perf_counter_ns() - started) / 1000)
            # An agent does something else between two calls.
            time.sleep(0.0005)

    workers = []
    for _ in range(threads):
        samples.append([])
        workers.append(threading.Thread(target=work, args=(samples[-1],)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [sample for mine in samples for sample in mine]


def plain_work(milliseconds: float) -> int:
    """How often a plain loop has to go round to take so long here, undisturbed."""
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        spin(10_000)
        best = min(best, time.perf_counter() - started)
    return max(1, int(10_000 * milliseconds / 1000 / best))


def spin(rounds: int) -> int:
    """Work that holds the interpreter's lock."""
    total = 0
    for number in range(rounds):
        total += number & 7
    return total


def shield_of(kind: str) -> Shield:
    """A Shield whose events go nowhere, to a sink that forgets them, or to a dead server."""
    if kind == "no events":
        return shield_for_tests(l1=True)
    if kind == "no server":
        return shield_for_tests(NullSink(), l1=True, event_flush_interval_seconds=5.0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return shield_for_tests(
        l1=True,
        events_enabled=True,
        url=f"http://127.0.0.1:{port}",
        api_key="rune_live_" + "b" * 43,
        allow_http=True,
        policy_sync_interval_seconds=0,
        event_flush_interval_seconds=5.0,
    )


KINDS = ("no events", "no server", "server down")


def step(shield: Shield, rounds: int, number: int) -> None:
    """One step of an agent: its own work, and a guarded call with values never seen before."""
    spin(rounds)
    shield.validate_action("send_email", {**ARGUMENTS, "to": f"m{number}@example.org"})


def fill(shield: Shield, events: int) -> None:
    """Hand over events as fast as the worker takes them."""
    emitter = shield._engine.emitter
    if emitter is None:
        return
    result = shield.validate_action("send_email", ARGUMENTS)
    context = ScanContext(Surface.TOOL_CALL, shield.open_session(), tool="send_email")
    for number in range(events):
        emitter.emit(result, context, "high", ARGUMENTS)
        if number % 1000 == 999:
            emitter._worker.flush(60.0)


def outage(events: int, steps: int, milliseconds: float) -> None:
    """Compare steps per second, in turns, so that a busy machine is busy for all of them."""
    rounds = plain_work(milliseconds)
    shields = {kind: shield_of(kind) for kind in KINDS}
    for shield in shields.values():
        for number in range(200):
            step(shield, rounds, -number)
    fill(shields["server down"], events - steps)
    block = max(50, min(1000, steps // 20))
    turns: list[dict[str, tuple[float, float, float]]] = []
    for turn in range(steps // block):
        found: dict[str, tuple[float, float, float]] = {}
        for kind in KINDS if turn % 2 else KINDS[::-1]:
            shield = shields[kind]
            wall, cpu, ours = time.perf_counter(), time.process_time(), own_threads()
            for number in range(turn * block, (turn + 1) * block):
                step(shield, rounds, number)
            emitter = shield._engine.emitter
            if emitter is not None:
                emitter._worker.flush(10.0)  # its share of the work belongs to this turn
            found[kind] = (
                time.perf_counter() - wall,
                time.process_time() - cpu,
                own_threads() - ours,
            )
        turns.append(found)
    print(
        f"{events:,} events with the server down; meanwhile {len(turns) * block:,} steps of each "
        f"kind, with {milliseconds:g} ms of own work in each"
    )
    for index, what in enumerate(("wall time", "processor time of all threads")):
        for kind, against in (
            ("no server", "no events"),
            ("server down", "no events"),
            ("server down", "no server"),
        ):
            ratios = [turn[against][index] / turn[kind][index] for turn in turns]
            low, mid, high = statistics.quantiles(ratios, n=4)
            print(
                f"  steps per second by {what}, {kind} against {against}: {100 * (mid - 1):+.1f}% "
                f"(quartiles {100 * (low - 1):+.1f}, {100 * (high - 1):+.1f})"
            )
    for kind in KINDS:
        whole, ours = (
            statistics.median(turn[kind][index] for turn in turns) / block * 1e6 for index in (1, 2)
        )
        print(
            f"  processor time a step, {kind}: {whole:.0f} µs, of which Rune's own threads "
            f"{ours:.0f} µs ({100 * ours / whole:.1f}%)"
        )
    sink = shields["server down"]._engine.server_sink
    assert sink is not None
    losses = dict(shields["server down"].stats.losses)
    print(f"  waiting in the spool: {sink.figures()}; losses {losses}")
    for shield in shields.values():
        shield.close()


def own_threads() -> float:
    """Processor time of Rune's event threads so far, in seconds (Linux)."""
    total = 0
    for thread in threading.enumerate():
        if thread.name.startswith("rune-events"):
            path = Path(f"/proc/self/task/{thread.native_id}/schedstat")
            total += int(path.read_text(encoding="ascii").split()[0])
    return total / 1e9


def memory(kind: str, steps: int) -> None:
    """Print by how many MB this process grew over so many events."""
    shield = shield_of(kind)
    for number in range(500):
        step(shield, 1, -number)
    shield.flush(5.0)
    gc.collect()
    before = resident()
    fill(shield, steps)
    shield.flush(5.0)
    gc.collect()
    print(f"memory after {steps:,} events, {kind}: {resident() - before:+.1f} MB", flush=True)
    shield.close()


def resident() -> float:
    """Resident memory of this process, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--outage", type=int, default=0, metavar="EVENTS")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--work", type=float, default=1.0, metavar="MS")
    parser.add_argument("--memory", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        memory(options.memory, options.outage)
        return
    with shield_for_tests(NullSink(), event_flush_interval_seconds=0.5) as shield:
        for threads in (1, options.threads):
            samples = enqueue(shield, threads, options.events)
            print(f"enqueue, {threads} threads, µs   {quantiles(samples)}   bar p50 < 10, p99 < 50")
        print(f"losses: {dict(shield.stats.losses)}")
    if options.outage:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["RUNE_STATE_DIR"] = folder
            outage(options.outage, min(options.steps, options.outage), options.work)
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "benchmarks.event_path", "--memory", kind]
                environment = {**os.environ, "RUNE_STATE_DIR": folder}
                command += ["--outage", str(options.outage)]
                subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
