"""What events cost the process they come from.

    uv run python -m benchmarks.event_path [--events 20000] [--threads 8]

Prints what it costs the thread of a scan to hand an event over, alone and with eight threads at
once, in wall time: a thread that has to wait for the interpreter's lock waits in these figures.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
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


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    with shield_for_tests(NullSink(), event_flush_interval_seconds=0.5) as shield:
        for threads in (1, options.threads):
            samples = enqueue(shield, threads, options.events)
            print(f"enqueue, {threads} threads, µs   {quantiles(samples)}   bar p50 < 10, p99 < 50")
        print(f"losses: {dict(shield.stats.losses)}")


if __name__ == "__main__":
    main()
