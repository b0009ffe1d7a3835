from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from rune_core import ConfigError, OnBlock, Shield, ShieldConfig
from rune_core.config import state_folder, variable_for


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for item in fields(ShieldConfig):
        monkeypatch.delenv(variable_for(item.name), raising=False)
    monkeypatch.delenv("RUNE_CONFIG", raising=False)


def test_arguments_beat_environment_beats_file_beats_defaults(monkeypatch, tmp_path):
    file = tmp_path / "rune.toml"
    file.write_text('on_block = "replace"\ncache_size = 5\ndefault_agent_id = "file"\n')
    assert ShieldConfig().cache_size == 2048
    monkeypatch.setenv("RUNE_CONFIG", str(file))
    assert ShieldConfig().cache_size == 5
    assert ShieldConfig().on_block is OnBlock.REPLACE
    monkeypatch.setenv("RUNE_ON_BLOCK", "log")
    assert ShieldConfig().on_block is OnBlock.LOG
    assert ShieldConfig(on_block="raise").on_block is OnBlock.RAISE
    assert ShieldConfig().default_agent_id == "file"


def test_arguments_of_shield_beat_those_of_the_config():
    shield = Shield(on_block="log", config=ShieldConfig(on_block="replace", cache_size=7))
    assert shield.config.on_block is OnBlock.LOG
    assert shield.config.cache_size == 7


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("RUNE_POLICIES", "/etc/p", "local_policies_path", Path("/etc/p")),
        ("RUNE_DEBUG", "1", "debug", True),
        ("RUNE_EVENTS_ENABLED", "off", "events_enabled", False),
        ("RUNE_SCAN_TIMEOUT_MS", "250", "scan_timeout_ms", 250.0),
        ("RUNE_DEFAULT_AGENT_TAGS", "a, b", "default_agent_tags", ("a", "b")),
        ("RUNE_API_KEY", "k", "api_key", "k"),
    ],
)
def test_the_environment_is_read_by_kind(monkeypatch, variable, text, name, value):
    monkeypatch.setenv(variable, text)
    assert getattr(ShieldConfig(), name) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("RUNE_CACHE_SIZE", "many"),
        ("RUNE_CACHE_SIZE", "-1"),
        ("RUNE_DEBUG", "perhaps"),
        ("RUNE_SCAN_TIMEOUT_MS", "nan"),
        ("RUNE_SCAN_TIMEOUT_MS", "0"),
        ("RUNE_ON_BLOCK", "explode"),
        ("RUNE_ENGINE", "perl"),
    ],
)
def test_a_bad_variable_is_named(monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError, match=variable):
        ShieldConfig()


def test_a_bad_file_is_named(monkeypatch, tmp_path):
    file = tmp_path / "rune.toml"
    monkeypatch.setenv("RUNE_CONFIG", str(file))
    with pytest.raises(ConfigError, match=r"rune\.toml"):
        ShieldConfig()
    file.write_text("colour = 1")
    with pytest.raises(ConfigError, match="unknown keys: colour"):
        ShieldConfig()
    file.write_text("on_blok = 1")
    with pytest.raises(ConfigError, match=r"on_blok \(did you mean on_block\?\)"):
        ShieldConfig()
    file.write_bytes(b'on_block = "caf\xe9"')
    with pytest.raises(ConfigError, match=r"rune\.toml is not UTF-8"):
        ShieldConfig()
    file.write_text("colour = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        ShieldConfig()


def test_a_number_that_is_none_is_told_in_plain_words(monkeypatch):
    monkeypatch.setenv("RUNE_SCAN_TIMEOUT_MS", "soon")
    with pytest.raises(ConfigError, match="RUNE_SCAN_TIMEOUT_MS: must be a number"):
        ShieldConfig()
    monkeypatch.delenv("RUNE_SCAN_TIMEOUT_MS")
    with pytest.raises(ConfigError, match="cache_size: must be a whole number"):
        ShieldConfig(cache_size="many")


def test_a_bad_argument_is_named():
    with pytest.raises(ConfigError, match="cache_size"):
        ShieldConfig(cache_size=-3)


def test_an_unknown_redaction_style_shows_at_start_up():
    with pytest.raises(ConfigError, match="label"):
        Shield(config=ShieldConfig(redaction_style="glitter", events_enabled=False))


def test_the_styles_known_without_plugins_are_the_scanners():
    from rune_core.config import BUILTIN_STYLES
    from rune_scanner import RedactionStyle

    assert set(RedactionStyle) == BUILTIN_STYLES


def test_the_state_folder_follows_the_platforms_custom(monkeypatch):
    monkeypatch.setenv("RUNE_STATE_DIR", "/a/b")
    assert state_folder() == Path("/a/b")
    monkeypatch.delenv("RUNE_STATE_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert state_folder() == Path("/state/rune")
    assert ShieldConfig(events_path="/x/e.jsonl").events_file == Path("/x/e.jsonl")


def test_the_documentation_lists_every_setting_as_it_is():
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    expected = []
    for item in fields(ShieldConfig):
        default = item.default_factory()
        default = getattr(default, "value", default)
        shown = "–" if default is None or default == () else f"`{default}`"
        expected.append(
            f"| `{item.name}` | `{variable_for(item.name)}` | {shown} | {item.metadata['doc']} |"
        )
    assert rows == expected


def test_settings_handed_over_in_the_place_of_the_key_are_told():
    with pytest.raises(ConfigError, match=r"Shield\(config="):
        Shield(ShieldConfig(events_enabled=False))
