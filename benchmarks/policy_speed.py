"""Speed of deciding about a tool call under a hundred rules, twelve of them with CEL conditions.

    uv run python benchmarks/policy_speed.py [--rounds 5000]

Counting (budgets, sequences), evaluating, with handing values to the CEL engine where a condition
needs it, and deciding are timed together; tracing the arguments has a bar of its own. CPU time of
this thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rune_core.context import ScanContext
from rune_core.policy.compiled import CompiledPolicy
from rune_core.policy.conditions import Activation
from rune_core.policy.counting import count_call
from rune_core.policy.evaluate import Facts, decide, evaluate
from rune_core.policy.load import load_default, load_text
from rune_core.session.accounts import SharedAccounts
from rune_core.session.call import call_facts
from rune_core.session.session import Session
from rune_core.tool_risk import infer
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Callable

CONDITIONS = (
    'args.recipient.origins.exists(o, o.kind == "untrusted") && args.amount.value > 1000',
    'args.amount.value > 5000 && risk == "high"',
    '"subject" in args && args.subject.value.contains("urgent")',
    'origins.exists(o, o.instruction > 0.5)',
    'hijacked && "spend" in capabilities',
    'findings.exists(f, f.threat == "command_injection" && f.confidence > 0.9)',
    'agent != "billing" && risk == "high"',
    '!("prod" in tags) && asked_by_text',
    'args.recipient.value.matches("^[A-Z]{2}[0-9]{2}XX")',
    'delegated && instruction > 0.2',
    'tool.startsWith("admin")',
)  # fmt: skip
ARGUMENTS = {
    "recipient": "DE44500105175407324931",
    "amount": 250,
    "subject": "Invoice of March",
    "body": "Please find the figures for the northern region below. " * 20,
}


def hundred_rules() -> CompiledPolicy:
    """The built-in policy (one condition) with rules of every kind, a hundred in all."""
    builtin = load_default()
    lines = ['version: "1.0"', "rules:"]
    lines += [
        f"  - {{name: c{number}, type: tool_call, when: '{when}', action: ask}}"
        for number, when in enumerate(CONDITIONS)
    ]
    lines += [
        "  - {name: b1, type: budget, tools: [send_money], spend: amount, max_spend: 1000000000}",
        "  - {name: b2, type: budget, max_repeats: 100000, window_seconds: 60}",
        "  - {name: s1, type: sequence, action: ask, steps: [{tools: [r_*]}, {when: delegated}]}",
    ]
    threats = list(Threat)
    for number in range(100 - len(builtin.rules) - len(lines) + 2):
        match number % 4:
            case 0:
                body = f"type: tool_denylist, tools: ['danger{number}_*', 'bad.{number}']"
            case 1:
                body = f"type: tool_allowlist, tools: ['*', 'x{number}'], agents: [a{number}]"
            case 2:
                body = f"type: data_protection, patterns: [kind{number}, 'pii-{number}*']"
            case _:
                body = f"scanner: {threats[number % 10]}, threshold: 0.6, action: flag"
        lines.append(f"  - {{name: r{number}, {body}}}")
    return CompiledPolicy([load_text("\n".join(lines))], builtin=builtin)


def timed(call: Callable[[], object], rounds: int) -> list[float]:
    """Microseconds of CPU time of each call, after a warm-up."""
    for _ in range(200):
        call()
    samples = []
    for _ in range(rounds):
        started = time.thread_time_ns()
        call()
        samples.append((time.thread_time_ns() - started) / 1000)
    return samples


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5000)
    rounds = parser.parse_args().rounds
    policy = hundred_rules()
    assert len(policy.rules) == 100, len(policy.rules)
    session = Session(agent_id="billing", agent_tags=("prod",))
    session.user("Pay the invoice in march.txt")
    session.untrusted("Invoice 7. IBAN: DE44 5001 0517 5407 3249 31. Total 250.00", "read_file")
    context = ScanContext(
        Surface.TOOL_CALL, session, agent_id="billing", agent_tags=("prod",), tool="send_money"
    )
    findings = [
        Finding(f"detector-{i}", threat, Severity.HIGH, 0.8, Span(i, i + 4), Surface.TOOL_CALL)
        for i, threat in enumerate((Threat.COMMAND_INJECTION, Threat.PII_EXPOSURE))
    ]
    facts = call_facts(infer("send_money"), ARGUMENTS, session.sources)
    shared = SharedAccounts()

    def once() -> object:
        # Facts of their own: what conditions ask of them is found out once for each call.
        call = Activation(replace(facts), ARGUMENTS, findings, "billing", ("prod",))
        counted = count_call(policy, context, ARGUMENTS, call, shared)
        done = evaluate(
            policy,
            Facts(
                surface=Surface.TOOL_CALL,
                findings=findings,
                tool="send_money",
                agent_id="billing",
                tags=frozenset(("prod",)),
                call=call,
                counted=counted.reasons,
            ),
        )
        counted.settle(made=True)
        return decide("id", policy.revision, done.matches)

    samples = timed(once, rounds)
    p99 = statistics.quantiles(samples, n=100)[98]
    what = f"call decided, 100 rules, {len(CONDITIONS) + 2} conditions, 2 budgets, 1 sequence"
    print(f"{what:<64} p50 {statistics.median(samples):>7.1f}  p99 {p99:>7.1f} µs   bar p99 < 150")


if __name__ == "__main__":
    main()
