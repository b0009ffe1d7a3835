"""Settings: where they come from, what is refused, and that no secret is shown."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import structlog
from cryptography import x509
from tests.rune_server.conftest import MovableClock

from rune_server import logs, tls
from rune_server.clock import SystemClock
from rune_server.errors import ConfigurationError
from rune_server.settings import load
from rune_server.storage import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_options_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('port = 1\nhost = "10.0.0.1"\nlog_level = "debug"\n')
    environ = {"RUNE_SERVER_CONFIG": str(file), "RUNE_PORT": "2", "RUNE_HOST": "10.0.0.2"}
    found = load({"port": 3, "host": None}, environ)
    assert (found.port, found.host, found.log_level) == (3, "10.0.0.2", "debug")


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('prot = 1\nmax_body_bytes = "lots"\n')
    environ = {
        "RUNE_SERVER_CONFIG": str(file),
        "RUNE_PORT": "70000",
        "RUNE_STATE_DSN": "mysql://user:hunter2@host/db",
        "RUNE_MASTER_KEY": "secret-but-short",
        "RUNE_TRUSTED_PROXIES": "10.0.0.0/33",
        "RUNE_HOST": "a\nb",
    }
    with pytest.raises(ConfigurationError) as refused:
        load({"registration": "perhaps"}, environ)
    said = str(refused.value)
    for name in (
        f"{file}: prot",
        f"{file}: max_body_bytes",
        "RUNE_PORT",
        "RUNE_STATE_DSN",
        "RUNE_MASTER_KEY",
        "RUNE_TRUSTED_PROXIES",
        "RUNE_HOST",
        "--registration",
    ):
        assert name in said
    for secret in ("hunter2", "secret-but-short"):
        assert secret not in said


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"tls_key": "k.pem"}, "tls_certificate and tls_key"),
        ({"github_client_id": "x"}, "github_client_secret"),
        ({"public_url": "http://rune.example.com"}, "public_url"),
        ({"public_url": "https://user@rune.example.com"}, "public-url"),
    ],
)
def test_settings_that_do_not_go_together(given: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load(given, environ={})


def test_sizes_and_addresses() -> None:
    found = load({"max_body_bytes": "512k", "spool_bytes": "2g", "port": 443}, environ={})
    assert (found.max_body_bytes, found.spool_bytes) == (524_288, 2_147_483_648)
    assert found.url == "https://localhost"
    assert load({"host": "::", "port": 8420}, environ={}).url == "https://localhost:8420"
    assert load({"host": "fd00::7"}, environ={}).url == "https://[fd00::7]:8420"
    assert load({"public_url": "https://r.example.com/"}, environ={}).hostname == "r.example.com"


def test_no_secret_is_shown() -> None:
    found = load(
        {
            "state_dsn": "postgresql://u:hunter2@h/d",
            "smtp_dsn": "smtps://u:hunter2@h",
            "google_client_id": "x",
            "google_client_secret": "hunter2",
            "metrics_token": "hunter2",
        },
        environ={},
    )
    assert "hunter2" not in repr(found)


def test_a_certificate_is_made_kept_and_renewed(tmp_path: Path) -> None:
    clock, vault = MovableClock(), Vault(b"k" * 32)
    settings = load({"data_dir": tmp_path, "public_url": "https://r.example.com"}, environ={})
    first = tls.certificate(settings, vault, clock.now())
    names = x509.load_pem_x509_certificate(first.path.read_bytes()).extensions
    alternative = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(alternative.get_values_for_type(x509.DNSName)) == {"localhost", "r.example.com"}
    assert b"ENCRYPTED PRIVATE KEY" in first.key_path.read_bytes()
    assert first.password is not None
    assert first.password not in repr(first)
    clock.forward(days=300)
    assert tls.certificate(settings, vault, clock.now()).fingerprint == first.fingerprint
    other = load({"data_dir": tmp_path, "public_url": "https://s.example.com"}, environ={})
    second = tls.certificate(other, vault, clock.now())
    assert second.fingerprint != first.fingerprint
    clock.forward(days=340)
    third = tls.certificate(other, vault, clock.now())
    assert third.fingerprint != second.fingerprint
    # Under another master key its key does not open: a new one is made.
    assert tls.certificate(other, Vault(b"n" * 32), clock.now()).fingerprint != third.fingerprint


def test_certificates_of_ones_own_are_checked(tmp_path: Path) -> None:
    vault, now = Vault(b"k" * 32), SystemClock().now()
    made = tls.certificate(load({"data_dir": tmp_path / "a"}, environ={}), vault, now)
    with tls.readable_key(made) as path:
        key = path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    assert not path.exists()
    good_key, other_key = tmp_path / "good.key", tmp_path / "other.key"
    good_key.write_bytes(key)
    other = tls.certificate(load({"data_dir": tmp_path / "b"}, environ={}), vault, now)
    with tls.readable_key(other) as path:
        other_key.write_bytes(path.read_bytes())
    empty = tmp_path / "empty"
    empty.touch()

    def given(certificate: Path, key_path: Path) -> tls.Certificate:
        settings = load({"tls_certificate": certificate, "tls_key": key_path}, environ={})
        return tls.certificate(settings, vault, now)

    assert not given(made.path, good_key).ours
    for certificate, key_path, reason in (
        (made.path, other_key, "does not belong"),
        (made.path, empty, "no private key"),
        (made.path, made.key_path, "must not have a password"),
        (empty, good_key, "no certificate"),
        (tmp_path / "missing", good_key, "tls_certificate"),
        (made.path, tmp_path / "missing", "tls_key"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            given(certificate, key_path)


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_logs_mask_what_looks_like_a_secret(
    logging_restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(load({"log_level": "debug"}, environ={}))
    key, token = "rune_live_" + "A" * 43, "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
    structlog.get_logger("rune_server.test").info(f"key {key}", token=token)
    logging.getLogger("some.library").warning("at %s", f"postgresql://u:hunter2@host/{key}")
    try:
        int(f"the content, with {key}")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
    logging.getLogger("sqlalchemy.engine").info("SELECT 'the content'")
    said = capsys.readouterr().err
    for secret in (key, token, "hunter2", "the content"):
        assert secret not in said
    assert said.count("[masked]") >= 4
    assert '"error": "ValueError"' in said
    assert len(said.splitlines()) == 3


def test_commands_of_the_sdk_do_not_load_the_server() -> None:
    program = (
        "import sys; from rune_core.cli.app import build; build(); "
        "heavy = {'sqlalchemy', 'structlog', 'granian', 'fastapi', 'chdb'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
