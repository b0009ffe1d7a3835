"""From an agent's block to the platform's figures, and from a published policy to the agent.

    python -m benchmarks.platform_end_to_end

``rune up`` as a process of its own on loopback, TLS and all; the agent is the LangChain agent of
``rune demo``, guarded by a Shield with the server's address and key.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rune_core import Shield, ShieldConfig
from rune_core.client import RuneClient

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 20
LONGEST_SECONDS = 60.0
DENY = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'
ALLOW = 'version: "1.0"\nrules: []\n'


def agent_shield(url: str, key: str, certificate: Path) -> Shield:
    """A Shield that talks to this server. Its state folder is RUNE_STATE_DIR's."""
    return Shield(config=ShieldConfig(api_key=key, url=url, ca_file=certificate))


def attack_demo_agent(shield: Shield) -> int:
    """Let the demo's agent meet every attack. How many harmed it."""
    from rune_langchain.demo.run import attempt
    from rune_langchain.demo.scenarios import ATTACKS

    return sum(attempt(scenario, shield).harmed for scenario in ATTACKS)


def blocks_counted(rune: RuneClient) -> int:
    """Events so far that were stopped or cut."""
    actions = rune.get_top(by="action")
    return sum(int(row["events"]) for row in actions if row["name"] in ("block", "ask", "redact"))


def seconds_until(condition: Any) -> float:
    """How long it took until it held."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > LONGEST_SECONDS:
            raise SystemExit("it never happened")
        time.sleep(0.01)
    return time.monotonic() - begin


@contextmanager
def server(folder: Path) -> Iterator[Any]:
    """``rune up``, as the tests run it."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.rune_server.up.conftest import Up

    up = Up(folder)
    up.start()
    try:
        yield up
    finally:
        up.stop()


def administrator(up: Any) -> RuneClient:
    """A client with a key that may read events and write policies."""
    permissions = ("events:read", "policies:read", "policies:write")
    made = up.command(
        "keys",
        "create",
        "bench",
        *(word for each in permissions for word in ("--permission", each)),
    )
    if made.returncode:
        raise SystemExit(made.stderr)
    return RuneClient(url=up.url, api_key=made.stdout.strip(), ca_file=up.certificate)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch, server(Path(scratch) / "server") as up:
        os.environ["RUNE_STATE_DIR"] = str(Path(scratch) / "agent")
        with administrator(up) as rune:
            shield = agent_shield(up.url, up.key, up.certificate)
            harmed = attack_demo_agent(shield)
            arrived = []
            for _ in range(ROUNDS):
                before = blocks_counted(rune)
                shield.validate_action("run_sql", {"query": "x' OR '1'='1'; DROP TABLE users; --"})
                arrived.append(seconds_until(lambda before=before: blocks_counted(rune) > before))
            policy = rune.create_policy(name="bench", yaml=ALLOW)
            changed = []
            seconds_until(lambda: shield.policy_sync is not None and shield.policy_sync.pushed)
            for number in range(ROUNDS):
                stopped = number % 2 == 0
                rune.edit_policy(policy["id"], yaml=DENY if stopped else ALLOW)
                rune.publish_policy(policy["id"])
                changed.append(
                    seconds_until(
                        lambda stopped=stopped: shield.validate_action("pay", {}).blocked is stopped
                    )
                )
            shield.close()
    for name, values in (
        ("a block shows in the figures", arrived),
        ("a published policy decides", changed),
    ):
        print(
            f"{name}: median {statistics.median(values):.2f} s, longest {max(values):.2f} s, "
            f"{len(values)} times"
        )
    print(f"attacks of the demo that harmed the agent: {harmed}")


if __name__ == "__main__":
    main()
