"""Every setting of the server: command line beats environment, which beats a file, then defaults.

A setting is a field of ``Settings``. Its environment variable is ``RUNE_`` and its name in
capitals; its key in the TOML file that ``RUNE_SERVER_CONFIG`` names is its name. Everything is
read and checked once, at start-up, and every fault is reported at once.
"""

# ruff: noqa: RUF009 - _setting() returns a dataclass field

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import platformdirs

from rune_server import settings_values as values
from rune_server.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONFIG_FILE_VARIABLE = "RUNE_SERVER_CONFIG"
Region = Literal["us", "eu"]
REGIONS: tuple[Region, ...] = ("us", "eu")


def variable_for(name: str) -> str:
    """The environment variable of a setting."""
    return f"RUNE_{name.upper()}"


def _data_dir() -> Path:
    return Path(platformdirs.user_data_dir("rune-server", appauthor=False))


def _setting(
    convert: Callable[[object], Any], default: Any, help_text: str, *, secret: bool = False
) -> Any:
    """A field: how its text is read, what it is without one, and what it is for."""
    metadata = {"convert": convert, "help": help_text, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server process is told. Get one with ``load``; every setting has a default."""

    host: str = _setting(values.text, "127.0.0.1", "address to listen on")
    port: int = _setting(values.port, 8420, "port to listen on; the same for dashboard and API")
    public_url: str = _setting(
        values.url, "", "what browsers and agents call this server; by default https://host:port"
    )
    data_dir: Path = _setting(
        values.path, _data_dir, "folder of everything that is kept on this machine"
    )
    log_level: str = _setting(
        values.one_of("debug", "info", "warning", "error"), "info", "how much is logged"
    )
    log_format: str = _setting(
        values.one_of("json", "console"), "json", "one JSON object a line, or text for people"
    )

    tls_certificate: Path | None = _setting(
        values.optional_path, None, "PEM file with your certificate and its chain"
    )
    tls_key: Path | None = _setting(values.optional_path, None, "PEM file with its private key")
    connections: int = _setting(
        values.positive, 10_000, "most requests and streams that are open at once"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        values.networks, (), "networks whose X-Forwarded-For and -Proto are believed"
    )

    state_dsn: str = _setting(
        values.dsn("postgresql", "sqlite"),
        "",
        "postgresql://…; by default an encrypted SQLite file in data_dir",
        secret=True,
    )
    analytics_dsn: str = _setting(
        values.dsn("clickhouse", "clickhouses", "http", "https", "chdb"),
        "",
        "clickhouses://…; by default ClickHouse embedded, in data_dir",
        secret=True,
    )
    analytics_dsn_eu: str = _setting(
        values.dsn("clickhouse", "clickhouses", "http", "https", "chdb"),
        "",
        "where organisations of the region eu are kept; by default beside the others",
        secret=True,
    )
    redis_dsn: str = _setting(
        values.dsn("redis", "rediss"),
        "",
        "rediss://…: limits and messages shared by several processes",
        secret=True,
    )
    region: Region = _setting(values.one_of(*REGIONS), "us", "region of new organisations")

    master_key: str = _setting(
        values.master_key,
        "",
        "32 bytes in base64 or hex that everything stored is sealed under",
        secret=True,
    )
    master_key_file: Path | None = _setting(values.optional_path, None, "file that holds it")
    master_key_keyring: bool = _setting(
        values.boolean, False, "keep it in the operating system's keyring"
    )
    master_keys_previous: tuple[str, ...] = _setting(
        values.master_keys, (), "keys before the last rotation, comma-separated", secret=True
    )

    max_body_bytes: int = _setting(values.bytes_, 1_048_576, "largest request body, as sent")
    max_decoded_bytes: int = _setting(
        values.bytes_, 8_388_608, "largest request body, decompressed"
    )
    max_events_per_request: int = _setting(values.positive, 1000, "most events in one request")
    body_timeout_seconds: float = _setting(values.seconds, 10.0, "how long a body may take")
    ip_requests_per_second: int = _setting(
        values.positive, 200, "requests a second from one address, before its key is looked at"
    )
    key_requests_per_second: int = _setting(
        values.positive, 2000, "requests a second with one API key"
    )
    ip_connections: int = _setting(values.positive, 100, "open requests from one address")
    person_streams: int = _setting(
        values.positive, 40, "live pages of one person that are open at once, in each process"
    )
    organisation_streams: int = _setting(
        values.positive,
        2_000,
        "live pages of one organisation, and streams to its agents, at once in each process",
    )
    spool_bytes: int = _setting(values.bytes_, 2_147_483_648, "largest spool; then 503")
    chdb_memory_bytes: int = _setting(
        values.bytes_, 1_610_612_736, "most memory that embedded ClickHouse takes"
    )

    backup_dir: Path | None = _setting(
        values.optional_path, None, "folder for back-ups; by default backups in data_dir"
    )
    backup_hours: float = _setting(
        values.hours, 24.0, "hours between scheduled back-ups; 0 for none"
    )
    backup_keep: int = _setting(values.positive, 7, "how many back-ups are kept")
    backup_clickhouse_to: str = _setting(
        values.text,
        "",
        "where a ClickHouse server puts back-ups, such as File('/backups/{name}')",
    )

    registration: bool = _setting(
        values.boolean, False, "let anybody make an account and an organisation"
    )
    default_plan: str = _setting(
        values.one_of("community", "starter", "pro", "growth"),
        "growth",
        "plan of new organisations",
    )
    breached_passwords_file: Path | None = _setting(
        values.optional_path, None, "SHA-1 hashes in hex, one a line, that no password may have"
    )
    owner_email: str = _setting(
        values.text, "owner@rune.internal", "address of the account that a new server starts with"
    )
    password_cost: int = _setting(values.bcrypt_cost, 12, "bcrypt's cost: 12 takes 0.3 s")
    session_days: int = _setting(values.positive, 14, "days after which one must sign in again")
    github_client_id: str = _setting(values.text, "", "sign-in with GitHub")
    github_client_secret: str = _setting(values.text, "", "its secret", secret=True)
    github_url: str = _setting(
        values.url, "https://github.com", "GitHub, or your Enterprise Server"
    )
    github_api_url: str = _setting(values.url, "https://api.github.com", "its API")
    google_client_id: str = _setting(values.text, "", "sign-in with Google")
    google_client_secret: str = _setting(values.text, "", "its secret", secret=True)
    google_issuer: str = _setting(
        values.url, "https://accounts.google.com", "Google, or another OpenID provider"
    )

    smtp_dsn: str = _setting(
        values.dsn("smtp", "smtps"), "", "smtps://user:password@host:465 for mail", secret=True
    )
    mail_from: str = _setting(values.text, "", "sender of mail; by default rune@ and the host")
    webhook_allow_networks: tuple[str, ...] = _setting(
        values.networks, (), "private networks that webhooks may reach"
    )
    security_contact: str = _setting(values.text, "", "mail address or URL for security.txt")
    metrics_token: str = _setting(
        values.text,
        "",
        "bearer token for /metrics; without one only this machine may read it",
        secret=True,
    )

    @property
    def url(self) -> str:
        """What browsers and agents call this server, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "localhost" if self.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else self.host  # noqa: S104
        shown = f"[{host}]" if ":" in host else host
        return f"https://{shown}" if self.port == 443 else f"https://{shown}:{self.port}"

    @property
    def hostname(self) -> str:
        """The host of ``url``."""
        return urlsplit(self.url).hostname or "localhost"


def load(
    options: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings.

    Args:
        options: From the command line, by field name; None means not given.
        environ: The environment; by default that of this process.

    Raises:
        ConfigurationError: Some cannot be used. Names each, and where it was given.
    """
    environ = os.environ if environ is None else environ
    faults: list[str] = []
    table = _file(environ.get(CONFIG_FILE_VARIABLE, ""), faults)
    found: dict[str, Any] = {}
    for setting in fields(Settings):
        name, variable = setting.name, variable_for(setting.name)
        given = (options or {}).get(name)
        if given is not None:
            where: str = f"--{name.replace('_', '-')}"
        elif variable in environ:
            given, where = environ[variable], f"environment variable {variable}"
        elif name in table:
            given, where = table[name], f"{environ[CONFIG_FILE_VARIABLE]}: {name}"
        else:
            continue
        try:
            found[name] = setting.metadata["convert"](given)
        except ValueError as error:
            faults.append(f"{where}: {error}")
    if not faults:
        settings = Settings(**found)
        faults.extend(_disagreements(settings))
        if not faults:
            return settings
    raise ConfigurationError("settings that cannot be used:\n  " + "\n  ".join(faults))


def described() -> list[tuple[str, str, str]]:
    """Every setting's name, variable and help, in order."""
    return [(s.name, variable_for(s.name), s.metadata["help"]) for s in fields(Settings)]


def _file(path: str, faults: list[str]) -> dict[str, Any]:
    if not path:
        return {}
    try:
        with Path(path).expanduser().open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        faults.append(f"environment variable {CONFIG_FILE_VARIABLE}: {path}: {error.strerror}")
        return {}
    except tomllib.TOMLDecodeError as error:
        faults.append(f"{path}: {error}")
        return {}
    known = {setting.name for setting in fields(Settings)}
    faults.extend(
        f"{path}: {name}: there is no such setting" for name in table if name not in known
    )
    return table


def _disagreements(settings: Settings) -> list[str]:
    """Settings that are fine one by one, but not together."""
    faults = []
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        faults.append("tls_certificate and tls_key: give both or neither")
    faults.extend(
        f"{name}_client_id and {name}_client_secret: give both or neither"
        for name in ("github", "google")
        if bool(getattr(settings, f"{name}_client_id"))
        != bool(getattr(settings, f"{name}_client_secret"))
    )
    if sum((bool(settings.master_key), settings.master_key_file is not None)) > 1:
        faults.append("master_key and master_key_file: give one of them")
    if settings.public_url and not settings.public_url.startswith("https://"):
        faults.append("public_url: must start with https://, since cookies are sent over TLS only")
    return faults
