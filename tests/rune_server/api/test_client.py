"""The Python client of ``rune_core`` against a real server process."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from rune_core.client import AsyncRuneClient, RuneClient
from rune_core.client.operations import Operations
from rune_core.errors import ConfigError, KeyRefusedError, ServerRefusedError
from rune_server.api import client as generator
from rune_server.api import openapi

POLICY = 'version: "1.0"\nrules:\n  - {name: r, type: tool_denylist, tools: [x]}\n'


@pytest.fixture
def rune(running):
    url, given = running
    with RuneClient(url, given["client"]["all"], allow_http=True) as found:
        yield found


def test_the_client_is_what_the_document_says() -> None:
    """Run ``python -m rune_server.api.client`` after a change of the API."""
    assert generator.TARGET.read_text(encoding="utf-8") == generator.written()
    for methods in openapi()["paths"].values():
        for operation in methods.values():
            assert hasattr(Operations, operation["operationId"])


def test_policies_from_a_script(rune) -> None:
    made = rune.create_policy(name="scripted", yaml=POLICY)
    edited = rune.edit_policy(made["id"], yaml=POLICY + "# 2\n", version=made["version"])
    with pytest.raises(ServerRefusedError) as refused:
        rune.edit_policy(made["id"], yaml=POLICY, version=made["version"])
    assert (refused.value.status, refused.value.code) == (412, "changed_meanwhile")
    published = rune.publish_policy(made["id"], percent=100, version=edited["version"])
    assert published["published_revision"] == 2
    assert [each["number"] for each in rune.list_revisions(made["id"], limit=1)] == [2, 1]
    diff = rune.diff_policy(made["id"], before=1, after=2)
    assert [line["text"] for line in diff["lines"] if line["sign"] == "+"] == ["# 2"]
    with pytest.raises(ServerRefusedError) as faulty:
        rune.create_policy(name="faulty", yaml=POLICY.replace("tool_denylist", "nothing"))
    assert faulty.value.code == "policy_faults"
    ((fault),) = faulty.value.faults
    assert (fault["where"], fault["line"]) == ("rules[0].type", 3)
    assert rune.dry_run_policy(yaml=POLICY)["rules"][0]["matches"] == 0


def test_other_things_from_a_script(rune) -> None:
    agent = rune.register_agent(agent_id="team/billing agent", tags=["prod"])
    assert rune.get_agent("team/billing agent")["tags"] == ["prod"]
    assert rune.edit_agent(agent["agent_id"], name="Billing", version=1)["name"] == "Billing"
    assert [each["agent_id"] for each in rune.list_agents(search="BILL")] == [agent["agent_id"]]
    rule = rune.create_alert_rule(
        name="blocks", kind="count", match={"actions": ["block"]}, group_by="agent"
    )
    until = datetime.now(UTC) + timedelta(hours=1)
    assert rune.mute_alert_rule(rule["id"], until=until)["muted_until"] is not None
    assert rune.delete_alert_rule(rule["id"]) is None
    assert list(rune.list_alerts(state=["open", "acknowledged"])) == []
    assert rune.get_stats()["events"] == 0
    assert {each["action"] for each in rune.list_audit_entries(limit=1)} >= {"agent.registered"}
    assert rune.get_caller()["kind"] == "key"
    lines = b"".join(rune.export_data()).splitlines()
    assert json.loads(lines[-1])["table"] == "end"


def test_the_same_awaited(running) -> None:
    url, given = running

    async def script() -> None:
        async with AsyncRuneClient(url, given["client"]["all"], allow_http=True) as rune:
            made = await rune.create_policy(name="awaited", yaml=POLICY)
            names = [each["name"] async for each in rune.list_policies(limit=1)]
            assert "awaited" in names
            assert (await rune.archive_policy(made["id"]))["archived_at"] is not None

    asyncio.run(script())


def test_refusals_and_missing_settings(running, monkeypatch) -> None:
    url, given = running
    with RuneClient(url, given["client"]["sdk"], allow_http=True) as rune:
        with pytest.raises(KeyRefusedError) as refused:
            rune.create_policy(name="x", yaml=POLICY)
        assert refused.value.status == 403
        assert given["client"]["sdk"] not in str(refused.value)
    monkeypatch.delenv("RUNE_API_KEY", raising=False)
    monkeypatch.delenv("RUNE_URL", raising=False)
    with pytest.raises(ConfigError, match="RUNE_URL"):
        RuneClient()
