"""``docs/cli.md`` and ``docs/rules.md`` say what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rune_core.cli.exits import ExitCode
from rune_scanner.finding import Severity, Surface, Threat
from rune_scanner.rules import load
from rune_scanner.validators import VALIDATORS

DOCS = Path(__file__).resolve().parents[3] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_validator_is_listed_and_no_other() -> None:
    table = page("rules.md").partition("<!-- validators")[2].partition("<!-- end -->")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(VALIDATORS)


def test_every_key_of_a_rule_is_explained() -> None:
    section = page("rules.md").partition("## Every key")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(load._KEYS)
    required = set(re.findall(r"^\| `(\w+)` \| yes \|", section, re.MULTILINE))
    assert required == set(load._REQUIRED)


@pytest.mark.parametrize("vocabulary", [Threat, Severity, Surface])
def test_closed_vocabularies_are_complete(vocabulary: Any) -> None:
    text = page("rules.md")
    assert [word for word in vocabulary if f"`{word}`" not in text] == []


def test_every_exit_code_is_listed() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page("cli.md"), re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode}


def test_every_command_and_scan_option_is_documented(app: Any) -> None:
    import typer

    text = page("cli.md")
    command = typer.main.get_command(app)
    for name in command.commands:  # type: ignore[attr-defined]
        assert f"rune {name}" in text, name
    scan = command.commands["scan"]  # type: ignore[attr-defined]
    for parameter in scan.params:
        names = [name for name in parameter.opts if name.startswith("--")]
        assert not names or any(f"{name}" in text for name in names), names
