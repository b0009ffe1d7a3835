"""``rune demo`` comes with the adapter, through the hook that any plug-in uses."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from rune_core.hookspecs import PROJECT
from rune_langchain import plugin
from rune_langchain.demo import run


@pytest.mark.parametrize(("arguments", "as_json"), [([], False), (["--json"], True)])
def test_the_command_shows_the_demo_and_exits_as_it_says(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], as_json: bool
) -> None:
    shown: list[bool] = []
    monkeypatch.setattr(run, "show", lambda *, as_json: shown.append(as_json) or 1)
    app = typer.Typer()
    app.command("other")(lambda: None)
    plugin.rune_cli_commands(app)
    assert CliRunner().invoke(app, ["demo", *arguments]).exit_code == 1
    assert shown == [as_json]
    assert hasattr(plugin.rune_cli_commands, f"{PROJECT}_impl")


def test_the_plugin_loads_without_langchain() -> None:
    code = (
        "import sys, rune_langchain.plugin; "
        "print([m for m in sys.modules if m.startswith(('langchain', 'langgraph', 'pydantic'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
