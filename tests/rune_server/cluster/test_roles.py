"""The roles of a cluster, one after the other on the same processes, from start to SIGTERM."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from benchmarks.made_events import made_event
from tests.rune_server.cluster.senders import PER_BATCH, Sender
from tests.rune_server.cluster.stored import stored

from rune_core import Shield, ShieldConfig
from rune_core.client import RuneClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx
    from tests.rune_server.cluster.processes import Cluster, RoleProcess
    from tests.rune_server.services import ClickHouse

DENY = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stop_in_time(process: RoleProcess) -> None:
    """Stop a process, within five seconds: after those it is ended.

    On a machine that is busy it has three tries to be quick.
    """
    for attempt in range(3):
        if attempt:
            process.launch()
            process.wait()
        code, seconds = process.stop()
        if code == 0 and seconds < 5:
            return
    raise AssertionError((process.role, code, seconds, process.logged[-2000:]))


@pytest.fixture(scope="module")
def signed_in(cluster: Cluster) -> Iterator[httpx.Client]:
    """The owner at the web process."""
    with cluster.web.client() as client:
        form = {"email": cluster.email, "password": cluster.password}
        assert client.post("/sign-in", data=form).status_code == 303
        yield client


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        *((role, "GET", "/readyz", 200) for role in ("edge", "web", "worker")),
        ("edge", "POST", "/v1/events", 401),
        ("edge", "GET", "/v1/stats", 404),
        ("edge", "GET", "/sign-in", 404),
        ("web", "GET", "/v1/stats", 401),
        ("web", "GET", "/sign-in", 200),
        ("web", "POST", "/v1/events", 404),
        ("web", "GET", "/v1/stream", 404),
        ("web", "GET", "/v1/policies", 404),
        ("worker", "POST", "/v1/events", 404),
        ("worker", "GET", "/v1/stats", 404),
        ("worker", "GET", "/sign-in", 404),
    ],
)
def test_each_role_answers_what_is_its_own(
    cluster: Cluster, role: str, method: str, path: str, status: int
) -> None:
    process = next(each for each in cluster.processes if each.role == role)
    with process.client() as client:
        answer = client.request(method, path, json={"events": []} if method == "POST" else None)
    assert answer.status_code == status, answer.text
    assert answer.headers["strict-transport-security"]


def test_an_event_shows_in_the_figures_and_on_an_open_page(
    cluster: Cluster, signed_in: httpx.Client
) -> None:
    """Taken in by an edge, told over Redis, shown by the web process."""
    event = made_event(seed="live", action="block")
    body = b'{"events":[' + msgspec.json.encode(event) + b"]}"
    headers = {"X-Rune-Key": cluster.key, "Content-Type": "application/json"}
    with signed_in.stream("GET", "/events/live") as stream, cluster.edges[1].client() as edge:
        assert stream.status_code == 200, stream.read()
        lines = stream.iter_lines()
        assert "event: ready" in (next(lines), next(lines))
        assert edge.post("/v1/events", content=body, headers=headers).status_code == 202
        rows = next(line for line in lines if line.startswith("data: ["))
    assert [row["id"] for row in json.loads(rows.removeprefix("data: "))] == [event.event_id]
    assert signed_in.get("/v1/stats").json()["events"] == 1


def test_a_published_policy_reaches_an_agent_by_push(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path / "agent"))
    words = [w for p in ("policies:read", "policies:write") for w in ("--permission", p)]
    key = cluster.command("keys", "create", "publisher", *words).strip()
    edge, web = cluster.edges[0], cluster.web
    config = ShieldConfig(
        api_key=cluster.key,
        url=edge.url,
        ca_file=edge.certificate,
        l2_enabled=False,
        policy_sync_interval_seconds=3600.0,
    )
    with (
        Shield(config=config) as shield,
        RuneClient(url=web.url, api_key=key, ca_file=web.certificate) as rune,
    ):
        wait_until(lambda: shield.policy_sync is not None and shield.policy_sync.pushed)
        assert not shield.validate_action("pay", {}).blocked
        policy = rune.create_policy(name="cluster", yaml=DENY)
        rune.publish_policy(policy["id"])
        wait_until(lambda: shield.validate_action("pay", {}).blocked)


def test_a_killed_edge_loses_and_doubles_nothing(
    cluster: Cluster, clickhouse: ClickHouse, signed_in: httpx.Client
) -> None:
    """Agents go on with the other edge; what the dead one had acknowledged is written later."""
    senders = [Sender(cluster.edges, cluster.key, seed, pause=0.02) for seed in range(3)]
    for sender in senders:
        sender.start()

    def acknowledged_each(more: int) -> None:
        """Wait until every sender has had some more events acknowledged."""
        wanted = [len(sender.acknowledged) + more for sender in senders]
        wait_until(
            lambda: all(
                len(sender.acknowledged) >= number
                for sender, number in zip(senders, wanted, strict=True)
            )
        )

    acknowledged_each(5 * PER_BATCH)
    killed = cluster.edges[0]
    killed.kill()
    wait_until(lambda: sum(sender.again for sender in senders))
    acknowledged_each(2 * PER_BATCH)
    killed.launch()
    killed.wait()
    acknowledged_each(2 * PER_BATCH)
    for sender in senders:
        sender.end()
    acknowledged = set[str]().union(*(sender.acknowledged for sender in senders))
    assert len(acknowledged) > 100
    assert sum(sender.again for sender in senders) > 0
    wait_until(lambda: acknowledged <= set(stored(clickhouse)[0]))
    time.sleep(0.5)
    ids, rolled = stored(clickhouse)
    assert len(ids) == len(set(ids)) == rolled
    assert not acknowledged - set(ids)
    assert signed_in.get("/v1/stats").json()["events"] == len(ids)


@pytest.mark.parametrize("how", ["gone", "hanging"])
def test_clickhouse_is_away(
    cluster: Cluster, clickhouse: ClickHouse, signed_in: httpx.Client, how: str
) -> None:
    """Events are taken in all the same; questions are refused soon; a new edge starts all the same.

    In long: ``.ci/soak outage``.
    """
    clickhouse.freeze() if how == "hanging" else clickhouse.stop()
    try:
        senders = [Sender(cluster.edges, cluster.key, seed, pause=0.02) for seed in range(2)]
        for sender in senders:
            sender.start()
        for path in ("/v1/stats", "/v1/events", "/"):
            began = time.monotonic()
            refused = signed_in.get(path)
            assert refused.status_code == 503, refused.text
            assert int(refused.headers["retry-after"]) > 0
            # Far from the minute that a query could take.
            assert time.monotonic() - began < 30
        with cluster.web.client() as client:
            assert client.get("/readyz").json()["checks"]["analytics"] == "degraded"
        if how == "hanging":
            stop_in_time(cluster.edges[0])
        else:
            cluster.edges[0].kill()
        cluster.edges[0].launch()
        cluster.edges[0].wait()
        wait_until(lambda: all(sender.acknowledged for sender in senders))
    finally:
        clickhouse.thaw() if how == "hanging" else clickhouse.start()
    for sender in senders:
        sender.end()
        assert not sender.refused
    acknowledged = set[str]().union(*(sender.acknowledged for sender in senders))
    wait_until(lambda: acknowledged <= set(stored(clickhouse)[0]), 60)
    ids, rolled = stored(clickhouse)
    assert len(ids) == len(set(ids)) == rolled
    wait_until(lambda: signed_in.get("/v1/stats").status_code == 200)


def test_every_process_stops_within_five_seconds_with_streams_open(
    cluster: Cluster, signed_in: httpx.Client
) -> None:
    edge = cluster.edges[1]
    slow = []
    with (
        edge.client(headers={"X-Rune-Key": cluster.key}) as agent,
        agent.stream("GET", "/v1/stream") as pushed,
        signed_in.stream("GET", "/events/live") as live,
    ):
        for stream in (pushed, live):
            assert stream.status_code == 200
            next(stream.iter_raw())
        for process in cluster.processes:
            code, seconds = process.stop()
            if code or seconds >= 5:
                slow.append(process)
    for process in slow:
        process.launch()
        process.wait()
        stop_in_time(process)
    for process in cluster.processes:
        assert "stopped" in process.logged.splitlines()[-1]
        assert not re.search(r'"level": ?"error"', process.logged), process.logged
