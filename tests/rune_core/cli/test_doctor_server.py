"""``rune doctor`` on the way to a server: each fault is named, with the way out."""

from __future__ import annotations

import datetime
import json
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from typer.testing import Result

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

from local_rune_server import KEY, RuneServer, document

from rune_core import ShieldConfig
from rune_core.testing import shield_for_tests

Invoke = Callable[..., Result]
DENY = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'
BAD = 'version: "1.0"\nrules:\n  - {name: x, type: tool_denylist, toools: [pay]}\n'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RuneServer]:
    with RuneServer() as running:
        monkeypatch.setenv("RUNE_URL", running.url)
        monkeypatch.setenv("RUNE_API_KEY", KEY)
        monkeypatch.setenv("RUNE_ALLOW_HTTP", "1")
        yield running


def found(rune: Invoke, area: str = "server") -> dict[str, dict[str, Any]]:
    result = rune("doctor", "--json")
    assert KEY not in result.output
    rows = json.loads(result.stdout)["checks"]
    for row in rows:
        assert row["status"] == "ok" or row["todo"] or row["area"] != area, row
    return {row["name"]: row for row in rows if row["area"] == area}


def test_without_a_server_that_is_said(rune: Invoke) -> None:
    assert found(rune)["connection"]["detail"] == "none configured: everything stays here"


@pytest.mark.parametrize(("given", "missing"), [("URL", "API_KEY"), ("API_KEY", "URL")])
def test_one_half_of_the_settings(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch, given: str, missing: str
) -> None:
    monkeypatch.setenv(f"RUNE_{given}", "https://rune.example.com" if given == "URL" else KEY)
    check = found(rune)["connection"]
    assert check["status"] == "warn"
    assert f"RUNE_{missing}" in check["todo"]


def test_an_address_that_cannot_be_used(rune: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNE_URL", "http://rune.example.com")
    monkeypatch.setenv("RUNE_API_KEY", "short")
    checks = found(rune)
    assert checks["connection"]["status"] == "fail"
    assert "https://" in checks["connection"]["detail"]
    assert checks["key"]["status"] == "warn"
    assert "short" not in str(checks)


def test_all_is_well(rune: Invoke, server: RuneServer, tmp_path: Path) -> None:
    server.publish(document("p", DENY), document("q", DENY.replace("no-pay", "b")))
    checks = found(rune)
    details = {name: check["detail"] for name, check in checks.items()}
    assert details["policies"].startswith("2 policies, revision ")
    assert details["key"] == "looks like one"
    assert details["push"] == "changes arrive at once"
    assert details["clock"] == "agrees with the server's to the minute"
    assert details["kept policies"].startswith("none on disk yet")
    assert str(tmp_path / "state" / "instance") in details["instance"]
    assert {name for name, check in checks.items() if check["status"] != "ok"} == {"tls"}
    with shield_for_tests(url=server.url, api_key=KEY, allow_http=True) as shield:
        shield.sync_policies(30.0)
    assert "on disk" in found(rune)["kept policies"]["detail"]
    server.publish(document("p", DENY, 2))
    assert "not the server's" in found(rune)["kept policies"]["detail"]


def test_a_policy_that_does_not_load(rune: Invoke, server: RuneServer) -> None:
    server.publish(document("p", DENY), document("q", BAD, 3))
    result = rune("doctor")
    assert result.exit_code == 1
    check = found(rune)["q"]
    assert check["status"] == "fail"
    assert "server:q@3:3: rules[0]" in check["detail"]


@pytest.mark.parametrize(
    ("fault", "status", "todo"),
    [
        ((401, {}, b""), "fail", "make a new key"),
        ((403, {}, b""), "fail", "policies:read"),
        ((404, {}, b""), "fail", "before /v1"),
        ((503, {}, b""), "warn", "look at its log"),
        ((302, {"Location": "/"}, b""), "fail", "Rune server"),
        ("close", "fail", "Rune server"),
        ("garbage", "fail", "Rune server"),
    ],
)
def test_what_the_server_refuses(
    rune: Invoke, server: RuneServer, fault: object, status: str, todo: str
) -> None:
    server.fault = fault
    check = found(rune)["answer"]
    assert check["status"] == status
    assert todo in check["todo"]


def test_a_server_that_is_another(rune: Invoke, server: RuneServer) -> None:
    server.faults["/v1/policies"] = (200, {}, b"<html>")
    server.faults["/v1/stream"] = (200, {"Content-Type": "text/html"}, b"<html>")
    assert found(rune)["policies"]["status"] == "fail"
    server.faults["/v1/policies"] = (204, {}, b"")
    assert found(rune)["policies"]["status"] == "fail"
    del server.faults["/v1/policies"]
    assert found(rune)["push"]["status"] == "warn"


def test_nobody_is_there(rune: Invoke, server: RuneServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNE_URL", "http://127.0.0.1:1")
    assert "check the port" in found(rune)["answer"]["todo"]
    monkeypatch.setenv("RUNE_URL", "https://name.invalid")
    assert "DNS" in found(rune)["answer"]["todo"]


@pytest.mark.parametrize(("skew", "side"), [(3600, "behind"), (-3600, "ahead of")])
def test_a_wrong_clock(rune: Invoke, server: RuneServer, skew: int, side: str) -> None:
    server.skew = skew
    check = found(rune)["clock"]
    assert check["status"] == "warn"
    assert side in check["detail"]
    assert "NTP" in check["todo"]


def test_a_damaged_file_on_disk(rune: Invoke, server: RuneServer, tmp_path: Path) -> None:
    server.publish(document("p", DENY))
    with shield_for_tests(url=server.url, api_key=KEY, allow_http=True) as shield:
        shield.sync_policies(30.0)
    [path] = (tmp_path / "state" / "policies").glob("*.json")
    path.write_bytes(b"x")
    check = found(rune)["kept policies"]
    assert check["status"] == "warn"
    assert str(path) in check["todo"]


def test_a_state_folder_that_cannot_be_written(
    rune: Invoke, server: RuneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("in the way")
    monkeypatch.setenv("RUNE_STATE_DIR", "file/state")
    assert found(rune)["instance"]["status"] == "warn"


# -- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_checks(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, name: str, days: float
) -> dict[str, dict[str, Any]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    begin = end - datetime.timedelta(days=30)
    authority.issue_cert(name, not_before=begin, not_after=end).configure_cert(context)
    authority.cert_pem.write_to_path("ca.pem")
    monkeypatch.setenv("RUNE_CA_FILE", "ca.pem")
    monkeypatch.setenv("RUNE_API_KEY", KEY)
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with RuneServer(ssl_context=context) as server:
        monkeypatch.setenv("RUNE_URL", server.url)
        return found(rune)


def test_good_certificates(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    checks = tls_checks(rune, monkeypatch, authority, "localhost", 29.5)
    assert (checks["tls"]["status"], checks["tls"]["detail"]) == ("ok", "TLSv1.3")
    assert checks["certificate"]["detail"] == "good for 29 more days"
    assert checks["answer"]["status"] == "ok"


@pytest.mark.parametrize(
    ("name", "days", "check", "status", "todo"),
    [
        ("localhost", 5, "certificate", "warn", "renew"),
        ("localhost", -1, "tls", "fail", "renew"),
        ("localhost", 60, "tls", "fail", "clock"),
        ("other.example.com", 20, "tls", "fail", "use the name"),
    ],
)
def test_certificates_with_faults(
    rune: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    authority: trustme.CA,
    name: str,
    days: int,
    check: str,
    status: str,
    todo: str,
) -> None:
    found_there = tls_checks(rune, monkeypatch, authority, name, days)[check]
    assert found_there["status"] == status
    assert todo in found_there["todo"]


def test_a_certificate_that_nobody_vouches_for(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    trustme.CA().cert_pem.write_to_path("other.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    monkeypatch.setenv("RUNE_CA_FILE", "other.pem")
    monkeypatch.setenv("RUNE_API_KEY", KEY)
    with RuneServer(ssl_context=context) as server:
        monkeypatch.setenv("RUNE_URL", server.url)
        checks = found(rune)
        assert "RUNE_CA_FILE" in checks["tls"]["todo"]
        monkeypatch.setenv("RUNE_TLS_VERIFY", "0")
        assert "RUNE_TLS_VERIFY" in found(rune)["tls"]["todo"] or found(rune)["answer"]
        monkeypatch.setenv("RUNE_CA_FILE", "none.pem")
        assert "none.pem" in found(rune)["connection"]["detail"]


# -- tools


def test_tools_and_their_risks(rune: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none in the events file" in found(rune, "tools")["seen"]["detail"]
    with shield_for_tests(events_enabled=True, events_to_file=True) as shield:
        for tool in ("send_money", "search", "frobnicate"):
            shield.validate_action(tool, {})
    checks = found(rune, "tools")
    assert checks["high risk"]["detail"] == "send_money (send, spend)"
    assert checks["not clear"]["status"] == "warn"
    assert "frobnicate" in checks["not clear"]["todo"]
    Path("p.yaml").write_text('version: "1.0"\ntool_risk: {low: [frobnicate]}\n')
    monkeypatch.setenv("RUNE_POLICIES", "p.yaml")
    assert "not clear" not in found(rune, "tools")
    with ShieldConfig().events_file.open("ab") as file:
        file.write(b'{"tool": 1}\nnot json\n\xff\n{"tool": "cut", "tool_ri')
    assert found(rune, "tools")["high risk"]["detail"] == "send_money (send, spend)"
