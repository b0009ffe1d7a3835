"""Configuration: arguments beat the environment, which beats a file, which beats the defaults."""

# ruff: noqa: RUF009 - _setting() returns a dataclass field

from __future__ import annotations

import os
import sys
import tomllib
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rune_core.action import OnBlock
from rune_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

BUILTIN_STYLES = frozenset(("label", "mask", "hash", "remove"))
CONFIG_FILE_VARIABLE = "RUNE_CONFIG"
_VARIABLES = {"local_policies_path": "RUNE_POLICIES"}
_MIN_SECRET = 16
_MIN_JUDGED = 200
_MIN_JOURNAL = 100_000
_UNSHOWN = frozenset(("api_key", "event_hash_key", "judge_api_key"))
_TRUE = frozenset(("1", "true", "yes", "on"))
_FALSE = frozenset(("0", "false", "no", "off", ""))


def variable_for(name: str) -> str:
    """The environment variable of a field: ``RUNE_`` and its name, but for ``RUNE_POLICIES``."""
    return _VARIABLES.get(name, f"RUNE_{name.upper()}")


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError("must be 1 or 0")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - one kind of error for all conversions
    return value


def _optional_text(value: object) -> str | None:
    return _text(value) or None


def _secret(value: object) -> str | None:
    text = _optional_text(value)
    if text is not None and len(text) < _MIN_SECRET:
        raise ValueError(f"must have at least {_MIN_SECRET} characters")
    return text


def _path(value: object) -> Path | None:
    return Path(_text(value)).expanduser() if value else None


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple):
        return tuple(map(_text, value))
    raise ValueError("must be a list of texts")


def _paths(value: object) -> tuple[Path, ...]:
    if isinstance(value, str):
        return tuple(Path(part).expanduser() for part in value.split(os.pathsep) if part)
    return tuple(Path(part).expanduser() for part in _texts(value))


def _count(value: object) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise ValueError("must be a whole number") from None
    if number < 0:
        raise ValueError("must not be negative")
    return number


def _journal_size(value: object) -> int:
    number = _count(value)
    if number < _MIN_JOURNAL:
        raise ValueError(
            f"must be at least {_MIN_JOURNAL:,}; the journal is off by journal_enabled"
        )
    return number


def _judge_size(value: object) -> int:
    number = _count(value)
    if number < _MIN_JUDGED:
        raise ValueError(f"must be at least {_MIN_JUDGED}")
    return number


def _seconds(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 <= number < float("inf"):
        raise ValueError("must be a number of at least 0")
    return number


def _positive(value: object) -> float:
    number = _seconds(value)
    if not number:
        raise ValueError("must be above 0")
    return number


def _on_block(value: object) -> OnBlock:
    try:
        return OnBlock(str(value))
    except ValueError:
        raise ValueError(f"must be one of {', '.join(OnBlock)}") from None


def _engine(value: object) -> str | None:
    from rune_scanner.match import ENGINES

    text = _optional_text(value)
    if text is not None and text not in ENGINES:
        raise ValueError(f"must be one of {', '.join(ENGINES)}")
    if text == "re2" and not find_spec("re2"):
        raise ValueError("re2 is not installed; install rune-scanner[re2], or use re")
    return text


def _setting(name: str, default: Any, convert: Callable[[object], Any], doc: str) -> Any:
    """A field whose value, when no argument gives it, comes from environment, file or default."""

    def look_up() -> Any:
        variable = variable_for(name)
        if variable in os.environ:
            return _converted(convert, os.environ[variable], f"environment variable {variable}")
        path = os.environ.get(CONFIG_FILE_VARIABLE)
        if path:
            table = _config_file(path)
            if name in table:
                return _converted(convert, table[name], f"{path}: {name}")
        return default

    return field(default_factory=look_up, metadata={"convert": convert, "doc": doc})


def _converted(convert: Callable[[object], Any], value: object, where: str) -> Any:
    try:
        return convert(value)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{where}: {error}") from None


_files: dict[tuple[str, int], dict[str, Any]] = {}


def _config_file(path: str) -> dict[str, Any]:
    try:
        key = (path, Path(path).stat().st_mtime_ns)
        if key not in _files:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
            known = {item.name for item in fields(ShieldConfig)}
            unknown = sorted(table.keys() - known)
            if unknown:
                raise ConfigError(f"{path}: unknown keys: {', '.join(_guessed(unknown, known))}")
            _files.clear()
            _files[key] = table
        return _files[key]
    except OSError as error:
        raise ConfigError(f"{path} ({CONFIG_FILE_VARIABLE}): {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: byte {error.start}") from None


def _guessed(unknown: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Each unknown key, with the setting that was most likely meant."""
    from difflib import get_close_matches

    for key in unknown:
        near = get_close_matches(key, sorted(known), n=1)
        yield f"{key} (did you mean {near[0]}?)" if near else key


def state_folder() -> Path:
    """Where Rune keeps what must outlive the process: ``RUNE_STATE_DIR`` or the user's own."""
    given = os.environ.get("RUNE_STATE_DIR")
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "rune"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "rune"
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "rune"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShieldConfig:
    """Settings of a Shield. Every one has a default.

    A field without an argument is looked up in the environment (``RUNE_`` and its name in
    capitals; ``RUNE_POLICIES`` for ``local_policies_path``), then in the TOML file that
    ``RUNE_CONFIG`` names.

    Raises:
        ConfigError: A value cannot be used. Names the argument, variable or file.
    """

    api_key: str | None = _setting(
        "api_key", None, _optional_text, "key of a Rune server; without it nothing is sent"
    )
    url: str | None = _setting(
        "url", None, _optional_text, "address of a Rune server, such as `https://rune.example.com`"
    )
    ca_file: Path | None = _setting(
        "ca_file", None, _path, "certificates (PEM) to trust instead of the system's"
    )
    tls_verify: bool = _setting(
        "tls_verify", True, _bool, "check the server's certificate; off is for tests only"
    )
    allow_http: bool = _setting(
        "allow_http", False, _bool, "allow `http://` to a server on this machine"
    )
    on_block: OnBlock = _setting(
        "on_block",
        OnBlock.RAISE,
        _on_block,
        "what `protect` and adapters do with what is stopped: `raise`, `replace`, `log`, `alert`",
    )
    local_policies_path: Path | None = _setting(
        "local_policies_path", None, _path, "a policy file, or a folder of them"
    )
    l1_enabled: bool = _setting("l1_enabled", True, _bool, "run the rules")
    l2_enabled: bool = _setting(
        "l2_enabled", True, _bool, "run the vector model, where it is installed"
    )
    l2_model: Path | None = _setting(
        "l2_model", None, _path, "folder of another model for layer 2, as `rune model fit` makes it"
    )
    calibration_path: Path | None = _setting(
        "calibration_path",
        None,
        _path,
        "what `rune calibrate` wrote; by default `calibration.json` in the state folder, if there",
    )
    attack_memory: str | None = _setting(
        "attack_memory",
        None,
        _optional_text,
        "texts to recognise again: a file, `chroma:FOLDER` or `chroma+http://HOST:PORT`; by "
        "default `attack-memory.jsonl` in the state folder",
    )
    l3_enabled: bool = _setting("l3_enabled", True, _bool, "ask the judge, where one is configured")
    judge_url: str | None = _setting(
        "judge_url",
        None,
        _optional_text,
        "address of an OpenAI-compatible API whose model judges doubtful texts, such as "
        "`https://api.example.com/v1`; texts are sent to it",
    )
    judge_model: str | None = _setting("judge_model", None, _optional_text, "the model to ask")
    judge_api_key: str | None = _setting(
        "judge_api_key", None, _optional_text, "key for it, where it needs one"
    )
    judge_timeout_seconds: float = _setting(
        "judge_timeout_seconds", 10.0, _positive, "time for one question, retries included"
    )
    judge_doubt_low: float = _setting(
        "judge_doubt_low", 0.4, _seconds, "the judge is asked about scores from here"
    )
    judge_doubt_high: float = _setting(
        "judge_doubt_high", 0.85, _seconds, "up to here, this one not included"
    )
    judge_tokens_per_hour: int = _setting(
        "judge_tokens_per_hour",
        200_000,
        _count,
        "tokens that a process may spend on it in an hour; 0 for any number",
    )
    judge_max_chars: int = _setting(
        "judge_max_chars", 6_000, _judge_size, "characters of a text that are sent to it at most"
    )
    judge_later: bool = _setting(
        "judge_later", False, _bool, "ask it after the fact: calls do not wait, alerts follow"
    )
    engine: str | None = _setting(
        "engine", None, _engine, "`re2` or `re`; by default the better one installed"
    )
    rule_folders: tuple[Path, ...] = _setting(
        "rule_folders", (), _paths, "folders of your own rules"
    )
    redaction_style: str = _setting(
        "redaction_style",
        "label",
        _text,
        "what stands in for a cut: `label`, `mask`, `hash`, `remove`, or a plug-in's style",
    )
    scan_timeout_ms: float = _setting(
        "scan_timeout_ms", 5000.0, _positive, "time for all layers together, in milliseconds"
    )
    approval_timeout_seconds: float = _setting(
        "approval_timeout_seconds",
        0.0,
        _seconds,
        "how long a person has to answer an `ask` where the rule does not say; 0 for ever",
    )
    default_agent_id: str | None = _setting(
        "default_agent_id", None, _optional_text, "agent id where none is given"
    )
    default_agent_tags: tuple[str, ...] = _setting(
        "default_agent_tags", (), _texts, "agent tags where none are given"
    )
    policy_reload_seconds: float = _setting(
        "policy_reload_seconds",
        5.0,
        _seconds,
        "look for changed policy files at most this often; 0 for never",
    )
    policy_sync_interval_seconds: float = _setting(
        "policy_sync_interval_seconds",
        60.0,
        _seconds,
        "ask the server for policies at least this often; 0 for never",
    )
    connection_timeout_seconds: float = _setting(
        "connection_timeout_seconds",
        10.0,
        _positive,
        "time for each step of a request to the server",
    )
    events_enabled: bool = _setting(
        "events_enabled", True, _bool, "record the metadata of decisions"
    )
    events_to_file: bool = _setting("events_to_file", True, _bool, "keep the local events file")
    events_path: Path | None = _setting(
        "events_path", None, _path, "where; by default `events.jsonl` in the state folder"
    )
    events_max_bytes: int = _setting(
        "events_max_bytes",
        10_000_000,
        _count,
        "size at which the events file is rotated; 0 for never",
    )
    events_keep: int = _setting("events_keep", 3, _count, "rotated events files to keep")
    events_to_stdout: bool = _setting(
        "events_to_stdout", False, _bool, "write events to standard output, one JSON object a line"
    )
    events_to_server: bool = _setting(
        "events_to_server", True, _bool, "send events to the server, where one is configured"
    )
    events_to_otel: bool = _setting(
        "events_to_otel",
        False,
        _bool,
        "spans and metrics through the application's OpenTelemetry; needs `rune-core[otel]`",
    )
    spool_max_events: int = _setting(
        "spool_max_events", 100_000, _count, "events that wait on disk for the server at most"
    )
    spool_max_bytes: int = _setting(
        "spool_max_bytes", 200_000_000, _count, "their size at most, in bytes"
    )
    event_hash_key: str | None = _setting(
        "event_hash_key",
        None,
        _secret,
        "key for the hashes of arguments, at least 16 characters; by default random per process",
    )
    event_batch_size: int = _setting(
        "event_batch_size", 50, _count, "events that are written without waiting for more"
    )
    event_flush_interval_seconds: float = _setting(
        "event_flush_interval_seconds", 5.0, _seconds, "how long an event waits at most"
    )
    journal_enabled: bool = _setting(
        "journal_enabled",
        False,
        _bool,
        "keep what is scanned, encrypted, on this machine, for `rune policy backtest` and `except`",
    )
    journal_path: Path | None = _setting(
        "journal_path", None, _path, "folder; by default `journal` in the state folder"
    )
    journal_key: str | None = _setting(
        "journal_key",
        None,
        _optional_text,
        "where its key is: `keyring`, `file` or `file:PATH`; by default the keyring where there is "
        "one, else the file `journal.key` beside the journal's folder",
    )
    journal_max_bytes: int = _setting(
        "journal_max_bytes", 50_000_000, _journal_size, "size at which the oldest parts are deleted"
    )
    journal_keep_days: float = _setting(
        "journal_keep_days", 30.0, _seconds, "age at which they are deleted; 0 for never"
    )
    cache_size: int = _setting(
        "cache_size", 2048, _count, "texts whose findings a session remembers; 0 for none"
    )
    max_sessions: int = _setting(
        "max_sessions", 1024, _count, "sessions that can be found again by id"
    )
    session_idle_seconds: float = _setting(
        "session_idle_seconds",
        86_400.0,
        _seconds,
        "how long a session that nobody used can be found again; 0 for as long as there is room",
    )
    plugins_enabled: bool = _setting("plugins_enabled", True, _bool, "load installed plug-ins")
    debug: bool = _setting("debug", False, _bool, "log at DEBUG; never content")

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            convert = item.metadata["convert"]
            if value is not None:
                value = _converted(convert, _plain(value), item.name)
            object.__setattr__(self, item.name, value)

    @property
    def events_file(self) -> Path:
        """The local events file."""
        return self.events_path or state_folder() / "events.jsonl"

    @property
    def journal_folder(self) -> Path:
        """The folder of the journal."""
        return self.journal_path or state_folder() / "journal"

    @property
    def calibration_file(self) -> Path | None:
        """What `rune calibrate` wrote; None where nothing was named and nothing is there."""
        if self.calibration_path is not None:
            return self.calibration_path
        usual = state_folder() / "calibration.json"
        return usual if usual.exists() else None

    @property
    def attack_memory_location(self) -> str:
        """Where the attack memory is."""
        return self.attack_memory or str(state_folder() / "attack-memory.jsonl")

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{item.name}={getattr(self, item.name)!r}"
            for item in fields(self)
            if item.name not in _UNSHOWN
        )
        return f"ShieldConfig({shown})"


def _plain(value: Any) -> Any:
    """Paths as text, so that one converter serves arguments, environment and file."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [str(item) if isinstance(item, Path) else item for item in value]
    return value
