"""How long a published policy takes to change a decision, and what policy sync costs a decision.

    python -m benchmarks.policy_push

A real HTTP server on loopback, the one of the tests; push by server-sent events, then polling.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rune_core import Shield, ShieldConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "rune_core" / "bundle"))

DENY = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'
ALLOW = 'version: "1.0"\nrules: []\n'
ROUNDS = 30
CALLS = 2000
LONGEST_SECONDS = 60.0


def shield_for(**settings: Any) -> Shield:
    """A Shield that decides about calls and does nothing else."""
    config = ShieldConfig(
        events_enabled=False, l1_enabled=False, l2_enabled=False, allow_http=True, **settings
    )
    return Shield(config=config)


def seconds_to_change(server: Any, shield: Shield) -> list[float]:
    """From publishing to the first decision that follows the new policy."""
    from local_rune_server import document

    took: list[float] = []
    for number in range(ROUNDS):
        stopped = number % 2 == 0
        begin = time.monotonic()
        server.publish(document("p", DENY if stopped else ALLOW, number))
        while shield.validate_action("pay", {}).blocked is not stopped:
            if time.monotonic() - begin > LONGEST_SECONDS:
                raise SystemExit("the policy never came into force")
            time.sleep(0.001)
        took.append(time.monotonic() - begin)
    return sorted(took)


def microseconds_a_call(shield: Shield) -> float:
    """Median of one decision about a call."""
    times: list[int] = []
    for _ in range(CALLS):
        begin = time.perf_counter_ns()
        shield.validate_action("search", {})
        times.append(time.perf_counter_ns() - begin)
    return statistics.median(times) / 1000


def main() -> None:
    """Measure and print."""
    from local_rune_server import KEY, RuneServer

    with tempfile.TemporaryDirectory() as folder, RuneServer() as server:
        os.environ["RUNE_STATE_DIR"] = folder
        for push, interval in ((True, 3600.0), (False, 1.0)):
            server.push = push
            with shield_for(
                url=server.url, api_key=KEY, policy_sync_interval_seconds=interval
            ) as shield:
                shield.sync_policies(30.0)
                while push and shield.policy_sync is not None and not shield.policy_sync.pushed:
                    time.sleep(0.01)
                took = seconds_to_change(server, shield)
            how = "push" if push else f"polling every {interval:g} s"
            print(f"{how}: median {statistics.median(took):.2f} s, longest {took[-1]:.2f} s")
        server.push = True
        with (
            shield_for(url=None, api_key=None) as alone,
            shield_for(url=server.url, api_key=KEY) as connected,
        ):
            connected.sync_policies(30.0)
            rounds = [
                (microseconds_a_call(alone), microseconds_a_call(connected)) for _ in range(5)
            ]
        ratio = statistics.median(there / here for here, there in rounds)
        print(f"a decision: {rounds[0][0]:.0f} µs alone; connected {ratio:.2f} times that")


if __name__ == "__main__":
    main()
