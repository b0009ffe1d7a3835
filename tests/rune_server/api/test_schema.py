"""The API does what its OpenAPI document says, whatever is thrown at it. Longer: .ci/soak api."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx

from rune_server.api import openapi

HERE = Path(__file__).parent
PHASES = os.environ.get("RUNE_SCHEMATHESIS_PHASES", "fuzzing")
EXAMPLES = os.environ.get("RUNE_SCHEMATHESIS_EXAMPLES", "3")


def test_schemathesis_finds_no_failure(running, tmp_path) -> None:
    url, given = running
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", HERE / "schemathesis.toml", "run", f"{url}/v1/openapi.json"),
            *("-H", f"X-Rune-Key: {given['fuzzed']['all']}", "--phases", PHASES),
            *("--max-examples", EXAMPLES, "--generation-database", "none"),
            # It would sooner or later end the very key that it comes with.
            *("--exclude-operation-id", "revoke_key", "--no-color"),
        ],
        check=False,
        cwd=tmp_path,  # where it keeps what it found
        capture_output=True,
        text=True,
    )
    # It shows whole bodies, which may be long; what is wrong with them stands around them.
    said = "\n".join(textwrap.shorten(line, 300) for line in done.stdout.splitlines())
    assert done.returncode == 0, said[:20_000] + done.stderr[-2000:]
    # A run that tried nothing would find nothing either.
    assert f"Tested: {len(list(operations())) - 1}" in done.stdout


def operations():
    return (each for methods in openapi()["paths"].values() for each in methods.values())


def test_the_document_is_public_and_whole(running) -> None:
    url, _ = running
    found = httpx.get(f"{url}/v1/openapi.json").json()
    assert found == openapi()
    assert found["openapi"].startswith("3.1")
    schemas = found["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    for operation in operations():
        assert operation["summary"]
        assert operation["description"]
        assert "application/problem+json" in operation["responses"]["401"]["content"]


def test_what_is_not_there_is_a_problem(running) -> None:
    url, given = running
    headers = {"X-Rune-Key": given["fuzzed"]["all"]}
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/me", 405),
        ("GET", "/v1/alerts/not-an-id", 422),
        ("GET", "/v1/agents/%00", 400),
    ):
        answer = httpx.request(method, url + path, headers=headers)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
    allowed = httpx.post(f"{url}/v1/alert-rules/x", headers=headers).headers["Allow"]
    assert allowed == "DELETE, GET, PUT"


def test_times_are_those_that_stores_know(running) -> None:
    url, given = running
    headers = {"X-Rune-Key": given["fuzzed"]["all"]}
    for path in ("/v1/stats", "/v1/stats/series", "/v1/events", "/v1/sessions"):
        for moment in (
            "0369-06-07T00:52:52-04:13",
            "9999-12-31T23:59:59-12:00",
            "1969-01-01T00:00:00Z",
        ):
            query = {"until": moment}
            answer = httpx.get(url + path, params=query, headers=headers)
            assert answer.status_code == 422, path


def test_bodies_have_bounds(running) -> None:
    url, given = running
    headers = {"X-Rune-Key": given["fuzzed"]["all"]}
    place = f"{url}/v1/policies/validate"

    def post(content: bytes, **more: str) -> int:
        given_headers = {**headers, "Content-Type": "application/json", **more}
        return httpx.post(place, content=content, headers=given_headers).status_code

    assert post(b'{"yaml": "x"}') == 200
    assert post(b"{") == 400
    assert post(b"[" * 100_000) in (400, 422)
    assert post(b'{"yaml": "\\ud800"}') == 422
    assert post(b'{"yaml": "\\u0000"}') == 422
    assert post(b'{"yaml": "x"}', **{"Content-Type": "text/plain"}) == 415
    assert post(b"\x1f\x8b", **{"Content-Encoding": "gzip"}) == 415
    assert post(b'{"yaml": "' + b"x" * (9 * 1024 * 1024) + b'"}') == 413
