"""Published policies reach real agents over real sockets, and only those of the organisation."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.rune_server.served import prepared, served
from tests.rune_server.services import postgres_server, redis_server

from rune_core import Shield, ShieldConfig
from rune_server.edge.stream import PING_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

ALLOWED = 'version: "1.0"\nrules:\n  - {name: r, type: tool_denylist, tools: [other]}\n'
PUSHED_SECONDS = 20.0
"""Nothing is timed here: without a push it would take the hour until the next poll."""
DENIED = 'version: "1.0"\nrules:\n  - {name: r, type: tool_denylist, tools: [wire_money]}\n'


class Admin:
    """Publishes policies through the management API."""

    def __init__(self, url: str, key: str, name: str = "tools") -> None:
        self._name = name
        self._client = httpx.Client(base_url=url, headers={"X-Rune-Key": key, "If-Match": "*"})
        self._made: str | None = None

    def __enter__(self) -> Admin:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def publish(self, yaml: str, **how: int) -> None:
        if self._made is None:
            body = {"name": self._name, "yaml": yaml}
            answer = self._client.post("/v1/policies/documents", json=body)
            self._made = answer.json()["id"]
        else:
            answer = self._client.put(f"/v1/policies/documents/{self._made}", json={"yaml": yaml})
        assert answer.is_success, answer.text
        answer = self._client.post(f"/v1/policies/documents/{self._made}/publish", json=how)
        assert answer.is_success, answer.text

    def do(self, method: str, path: str, **more: object) -> httpx.Response:
        return self._client.request(method, path, **more)  # type: ignore[arg-type]


def shield_for(url: str, key: str) -> Shield:
    # Polling is far off: what arrives was pushed.
    return Shield(
        config=ShieldConfig(
            url=url, api_key=key, allow_http=True, policy_sync_interval_seconds=3600
        )
    )


def wait_until(condition, seconds: float) -> float:
    """How long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it never happened"
        time.sleep(0.01)
    return time.monotonic() - began


def blocked(shield: Shield) -> bool:
    return bool(shield.validate_action("wire_money", {"to": "x"}).blocked)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Where agents keep the last bundle: not the one of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_published_policy_changes_the_next_decision(home, running) -> None:
    url, given = running
    with Admin(url, given["pushed"]["all"]) as admin:
        mine = shield_for(url, given["pushed"]["sdk"])
        other = shield_for(url, given["bystander"]["sdk"])
        try:
            assert not blocked(mine)
            assert not blocked(other)
            # Both hear the server before anything is published.
            for shield in (mine, other):
                wait_until(lambda shield=shield: shield.policy_sync.pushed, 20)
            admin.publish(ALLOWED)
            admin.publish(DENIED)
            wait_until(lambda: blocked(mine), PUSHED_SECONDS)
            assert not blocked(other)
            admin.publish(ALLOWED)
            wait_until(lambda: not blocked(mine), PUSHED_SECONDS)
        finally:
            mine.close()
            other.close()


def test_streams_keep_organisations_apart_and_end_with_their_key(home, running) -> None:
    url, given = running
    ours, theirs = given["ours"], given["theirs"]
    with Admin(url, ours["all"]) as admin:
        heard: dict[str, list[str]] = {"ours": [], "theirs": []}
        with (
            httpx.Client(base_url=url, timeout=httpx.Timeout(5, read=20)) as client,
            client.stream("GET", "/v1/stream", headers={"X-Rune-Key": ours["sdk"]}) as mine,
            client.stream("GET", "/v1/stream", headers={"X-Rune-Key": theirs["sdk"]}) as other,
        ):
            lines = {"ours": mine.iter_lines(), "theirs": other.iter_lines()}

            def event(name: str) -> str:
                for line in lines[name]:
                    if line.startswith("data:"):
                        heard[name].append(json.loads(line[5:])["revision"])
                        return heard[name][-1]
                return ""

            assert event("ours") == event("theirs")  # neither has any policy
            admin.publish(DENIED)
            assert event("ours") != heard["theirs"][0]
            # Ended by its owner: the stream ends, and the key opens no other.
            # Well before the next ping, at which it would look again by itself.
            began = time.monotonic()
            assert admin.do("DELETE", f"/v1/keys/{ours['sdk_id']}").status_code == 204
            assert event("ours") == ""
            assert time.monotonic() - began < PING_SECONDS / 2
            refused = client.get("/v1/stream", headers={"X-Rune-Key": ours["sdk"]})
            assert refused.status_code == 401
            # Theirs heard nothing of all that; when the process stops, its stream ends too.
            with Admin(url, theirs["all"]) as their_admin:
                their_admin.publish(DENIED)
            assert event("theirs") != heard["theirs"][0]
            assert len(heard["theirs"]) == 2


async def test_two_processes_see_each_others_changes(home, analytics) -> None:
    with postgres_server() as dsn, redis_server(home) as redis:
        given = await prepared(home / "one", analytics, state_dsn=dsn)
        (home / "two").mkdir(mode=0o700)
        settings = {"RUNE_STATE_DSN": dsn, "RUNE_REDIS_DSN": redis.url}
        await asyncio.to_thread(_two, home, given["ours"], settings)


def _two(home: Path, ours: dict[str, str], settings: dict[str, str]) -> None:
    with (
        served(home / "one", settings) as one,
        served(home / "two", settings) as two,
        Admin(one, ours["all"]) as admin,
        httpx.Client(base_url=two, headers={"X-Rune-Key": ours["sdk"]}) as there,
    ):
        shield = shield_for(two, ours["sdk"])
        try:
            assert not blocked(shield)
            wait_until(lambda: shield.policy_sync.pushed, 20)
            admin.publish(DENIED)
            # Whoever asks the other process at once gets what was just published.
            (document,) = there.get("/v1/policies").json()["policies"]
            assert document["yaml"] == DENIED
            wait_until(lambda: blocked(shield), PUSHED_SECONDS)
            _meet(one, two, ours)
            assert admin.do("DELETE", f"/v1/keys/{ours['sdk_id']}").status_code == 204
            wait_until(lambda: there.get("/v1/policies").status_code == 401, PUSHED_SECONDS)
        finally:
            shield.close()


def _meet(one: str, two: str, ours: dict[str, str]) -> None:
    """Many do the same first thing at once, through both processes."""

    def report(number: int) -> int:
        tools = [{"agent_id": "new", "name": "search", "risk": "low"}]
        said = {"instance": f"i{number}", "sdk_version": "1", "policies": {}, "queue": {}}
        answer = httpx.post(
            f"{(one, two)[number % 2]}/v1/status",
            json={**said, "tools": tools},
            headers={"X-Rune-Key": ours["sdk"]},
        )
        return answer.status_code

    def publish(number: int) -> None:
        with Admin((one, two)[number % 2], ours["all"], f"tools {number}") as admin:
            admin.publish(ALLOWED)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(report, range(16))) == {202}
        list(pool.map(publish, range(8)))
    for url in (one, two):
        answer = httpx.get(f"{url}/v1/policies", headers={"X-Rune-Key": ours["sdk"]})
        assert len(answer.json()["policies"]) == 9


def test_the_bundle_has_an_etag(home, running) -> None:
    url, given = running
    ours = given["tagged"]
    with (
        Admin(url, ours["all"]) as admin,
        httpx.Client(base_url=url, headers={"X-Rune-Key": ours["sdk"]}) as client,
    ):
        admin.publish(DENIED)
        got = client.get("/v1/policies")
        tag = got.headers["ETag"]
        assert json.loads(tag) == got.json()["revision"]
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = client.get("/v1/policies", headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
        assert client.get("/v1/policies", headers={"If-None-Match": '"x"'}).status_code == 200
        head = client.head("/v1/policies")
        assert (head.status_code, head.headers["ETag"], head.content) == (200, tag, b"")
        bad = client.get("/v1/policies", headers={"X-Rune-Instance": "a b"})
        assert bad.status_code == 400
        half = client.get("/v1/policies", headers={"X-Rune-Key": ours["all"]})
        assert half.status_code == 200  # an administrator's key may read policies too
        report = {
            "instance": "i1",
            "sdk_version": "1",
            "policies": {"activated": got.json()["revision"]},
            "queue": {},
        }
        assert client.post("/v1/status", json=report).status_code == 202
        listed = admin.do("GET", "/v1/instances").json()
        assert [each["instance"] for each in listed["items"]] == ["i1"]
        adoption = admin.do("GET", "/v1/policies/adoption").json()
        assert (adoption["instances"], adoption["current"]) == (1, 1)
        for broken in ({**report, "prompt": "x"}, {}, []):
            assert client.post("/v1/status", json=broken).status_code == 422
