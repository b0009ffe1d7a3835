"""The demo's agent and a real platform: what it stops is counted, what is published decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.platform_end_to_end import (
    ALLOW,
    DENY,
    administrator,
    agent_shield,
    attack_demo_agent,
    blocks_counted,
    seconds_until,
    server,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_blocks_are_counted_and_policies_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path / "agent"))
    with server(tmp_path / "server") as up, administrator(up) as rune:
        shield = agent_shield(up.url, up.key, up.certificate)
        try:
            assert attack_demo_agent(shield) == 0
            seconds_until(lambda: blocks_counted(rune) >= 6)
            seconds_until(lambda: {each["agent_id"] for each in rune.list_agents()} == {"demo"})
            assert not shield.validate_action("pay", {}).blocked
            seconds_until(lambda: shield.policy_sync is not None and shield.policy_sync.pushed)
            policy = rune.create_policy(name="no paying", yaml=DENY)
            rune.publish_policy(policy["id"])
            seconds_until(lambda: shield.validate_action("pay", {}).blocked)
            rune.edit_policy(policy["id"], yaml=ALLOW)
            rune.publish_policy(policy["id"])
            seconds_until(lambda: not shield.validate_action("pay", {}).blocked)
        finally:
            shield.close()
