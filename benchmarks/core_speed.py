"""Speed of rune-core around the scanner: import, policy, Shield's own overhead, events.

    uv run python benchmarks/core_speed.py [--rounds 2000]

Prints one line per figure with the bar it is held against (DESIGN.md section 8). Timings on a
shared machine are noisy: everything is CPU time of the calling thread.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from rune_core import Shield, ShieldConfig
from rune_core.policy.compiled import CompiledPolicy
from rune_core.policy.evaluate import Facts, decide, evaluate
from rune_core.policy.load import load_default, load_text
from rune_core.testing import shield_for_tests
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PARAGRAPH = (
    "The quarterly meeting moved to Thursday at ten. Please bring the figures for the northern "
    "region, and ask Maria whether the invoice of last month was settled. Lunch is booked. "
)


def timed(call: Callable[[int], object], rounds: int) -> list[float]:
    """Microseconds of CPU time of each of ``rounds`` calls, after a warm-up.

    CPU time of this thread, so that what other processes do on the machine does not count.
    """
    for number in range(min(50, rounds)):
        call(-number - 1)
    samples: list[float] = []
    for number in range(rounds):
        started = time.thread_time_ns()
        call(number)
        samples.append((time.thread_time_ns() - started) / 1000)
    return samples


def show(what: str, samples: Sequence[float], unit: str, bar: str) -> None:
    """Print median and 99th percentile."""
    p99 = statistics.quantiles(samples, n=100)[98] if len(samples) > 1 else samples[0]
    print(f"{what:<52} p50 {statistics.median(samples):>9.1f}  p99 {p99:>9.1f} {unit}   {bar}")


def import_times(statement: str, rounds: int = 9) -> list[float]:
    """Milliseconds of CPU time that a statement takes in fresh interpreters."""
    code = (
        "import time; started = time.process_time(); "
        f"{statement}; print((time.process_time() - started) * 1000)"
    )
    return [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(rounds)
    ]


def hundred_rules() -> CompiledPolicy:
    """The built-in policy with rules of every kind, a hundred in all."""
    builtin = load_default()
    lines = ['version: "1.0"', "rules:"]
    threats = list(Threat)
    for number in range(100 - len(builtin.rules)):
        name = f"name: r{number}"
        match number % 5:
            case 0:
                body = f"type: tool_denylist, tools: ['danger{number}_*', 'bad.{number}']"
            case 1:
                body = f"type: tool_allowlist, tools: ['*', 'x{number}'], agents: [a{number}]"
            case 2:
                body = "type: rate_limit, max_calls: 100000, window_seconds: 60"
            case 3:
                body = f"type: data_protection, patterns: [kind{number}, 'pii-{number}*']"
            case _:
                body = f"scanner: {threats[number % 10]}, threshold: 0.6, action: flag"
        lines.append(f"  - {{{name}, {body}}}")
    return CompiledPolicy([load_text("\n".join(lines))], builtin=builtin)


def policy_decision(rounds: int) -> None:
    """Evaluate and decide about a call with three findings, no cache in the way."""
    policy = hundred_rules()
    assert len(policy.rules) == 100
    findings = [
        Finding(f"detector-{i}", threat, Severity.HIGH, 0.8, Span(i, i + 4), Surface.TOOL_CALL)
        for i, threat in enumerate(
            (Threat.COMMAND_INJECTION, Threat.PII_EXPOSURE, Threat.DATA_EXFILTRATION)
        )
    ]
    facts = Facts(
        surface=Surface.TOOL_CALL, findings=findings, tool="send_email", agent_id="billing"
    )

    def once(_number: int) -> object:
        return decide("id", policy.revision, evaluate(policy, facts).matches)

    show("policy decision, 100 rules, 3 findings", timed(once, rounds), "µs", "bar p99 < 150")
    new = [
        Facts(surface=Surface.TOOL_CALL, findings=findings, tool=f"tool_{n}") for n in range(1000)
    ]
    cold = timed(lambda n: evaluate(policy, new[n % 1000]), 900)
    show("the same, tool names never seen before", cold, "µs", "")


def overhead(rounds: int) -> None:
    """Shield around nothing, around the rules, and on a text seen before."""
    texts = [PARAGRAPH * 11 + str(number) for number in range(rounds)]
    quiet = {"events_enabled": False, "plugins_enabled": False, "l2_enabled": False}
    with Shield(config=ShieldConfig(cache_size=0, **quiet)) as shield:
        shield.scan_tool_result("warm")
        scanner = shield._engine.rules_layer.scanner
        alone: list[float] = []
        through: list[float] = []
        for text in texts:
            started = time.thread_time_ns()
            scanner.scan(text, Surface.TOOL_RESULT)
            middle = time.thread_time_ns()
            shield.scan_tool_result(text)
            ended = time.thread_time_ns()
            alone.append((middle - started) / 1000)
            through.append((ended - middle) / 1000)
    show("scanner alone, 2 kB", alone, "µs", "bar p50 < 150")
    show("Shield.scan_tool_result, 2 kB", through, "µs", "")
    added = statistics.median(through) - statistics.median(alone)
    print(f"{'  added by Shield (medians)':<52} {added:>13.1f} µs")
    with Shield(config=ShieldConfig(l1_enabled=False, cache_size=0, **quiet)) as shield:
        show("Shield with no layer", timed(lambda n: shield.scan_input(texts[n]), rounds), "µs", "")
    with Shield(config=ShieldConfig(**quiet)) as shield:
        shield.scan_tool_result(texts[0])
        again = timed(lambda _: shield.scan_tool_result(texts[0]), rounds)
        show("a text seen before", again, "µs", "")
        call = {"to": "maria@example.org", "subject": "Figures", "body": PARAGRAPH}
        calls = timed(lambda n: shield.validate_action("send_email", {**call, "n": n}), rounds)
        show("validate_action, three arguments", calls, "µs", "")


class NullSink:
    """Takes events and forgets them; registers itself."""

    name = "null"

    def rune_event_sinks(self) -> list[NullSink]:
        return [self]

    def write(self, events: Sequence[object]) -> None:
        """Forget a batch."""

    def close(self) -> None:
        """Nothing to release."""


def events(rounds: int) -> None:
    """Build, mask and queue one event of a call with three arguments."""
    from rune_core import hookimpl
    from rune_core.context import ScanContext

    NullSink.rune_event_sinks = hookimpl(NullSink.rune_event_sinks)  # type: ignore[method-assign]
    with shield_for_tests(NullSink(), event_flush_interval_seconds=0.5) as shield:
        arguments = {"to": "maria@example.org", "subject": "Figures", "body": PARAGRAPH}
        result = shield.validate_action("send_email", arguments)
        emitter = shield._engine.emitter
        assert emitter is not None
        context = ScanContext(Surface.TOOL_CALL, shield.open_session(), tool="send_email")
        samples: list[float] = []
        for number in range(rounds):
            samples += timed(lambda _: emitter.emit(result, context, "high", arguments), 1)
            if number % 100 == 0:
                shield.flush()
        show("enqueue an event, three arguments", samples, "µs", "bar p99 < 50")


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    show("import rune_core", import_times("import rune_core"), "ms", "bar < 120")
    show("from rune_core import Shield", import_times("from rune_core import Shield"), "ms", "")
    made = import_times("from rune_core import Shield; Shield()")
    show("... and make one", made, "ms", "")
    policy_decision(rounds)
    events(rounds)
    overhead(rounds)


if __name__ == "__main__":
    main()
