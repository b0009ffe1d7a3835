"""The Compose file: settings that exist, commands that exist, certificates that verify."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from rune_server.settings import described, load

COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose"
ROLES = ("edge", "web", "worker", "migrate")
VALUES = {
    "CLICKHOUSE_PASSWORD": "c" * 48,
    "POSTGRES_PASSWORD": "p" * 48,
    "REDIS_PASSWORD": "r" * 48,
    "RUNE_CLICKHOUSE_KEY": "0" * 64,
    "RUNE_MASTER_KEY": "1" * 64,
    "PUBLIC_NAME": "rune.example.com",
    "RUNE_SMTP_DSN": "",
}


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


def filled_in(value: str) -> str:
    """As Compose fills variables in: ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?why}``."""
    return re.sub(r"\$\{(\w+)(?::[-?][^}]*)?\}", lambda match: VALUES[match[1]], value)


def test_the_example_names_every_variable() -> None:
    used = set(re.findall(r"\$\{(\w+)", (COMPOSE / "compose.yaml").read_text()))
    lines = (COMPOSE / "environment.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert used == named == set(VALUES)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_starts_with_settings_that_can_be_used(services: dict[str, dict], role: str) -> None:
    environment = {name: filled_in(value) for name, value in services[role]["environment"].items()}
    known = {variable for _, variable, _ in described()}
    assert {name for name in environment if name.startswith("RUNE_")} <= known
    settings = load(environ=environment)
    assert settings.state_dsn.startswith("postgresql://")
    assert settings.analytics_dsn.startswith("clickhouses://")
    assert settings.redis_dsn.startswith("rediss://")
    assert services[role]["command"] == [role]
    assert services[role]["read_only"] is True


def test_what_a_role_mounts_and_waits_for_exists(services: dict[str, dict]) -> None:
    volumes = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["volumes"]
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert source in volumes or (COMPOSE / source).exists(), (name, source)


def test_certificates_are_made_once_and_verify(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:  # pragma: no cover
        message = "no openssl: apt-get install openssl"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    # Other users' files need root; without it the script runs the same but for that.
    script = (COMPOSE / "certificates.sh").read_text().replace("/certs", str(tmp_path))
    script = script.replace("chown -R", "true chown -R")
    environment = {"PATH": os.environ["PATH"], "PUBLIC_NAME": "rune.example.com"}
    for _ in range(2):
        subprocess.run(["sh", "-c", script], check=True, capture_output=True, env=environment)
    for name in ("clickhouse", "postgres", "redis", "edge", "web", "worker"):
        verified = subprocess.run(
            [
                "openssl",
                "verify",
                "-CAfile",
                str(tmp_path / "ca.pem"),
                "-verify_hostname",
                "rune.example.com" if name in ("edge", "web") else name,
                str(tmp_path / name / "certificate.pem"),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        assert verified.returncode == 0, verified.stderr
        assert (tmp_path / name / "key.pem").stat().st_mode & 0o077 == 0
    assert (tmp_path / "authority.key").stat().st_mode & 0o077 == 0
