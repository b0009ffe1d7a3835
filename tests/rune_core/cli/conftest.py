"""Run the command line in this process (fast) or as a process of its own (real)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from rune_core.cli.app import build

if TYPE_CHECKING:
    from pathlib import Path

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("RUNE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


@pytest.fixture(scope="session")
def app() -> Any:
    return build()


@pytest.fixture
def rune(app: Any) -> Invoke:
    """``rune("scan", "text", input="…")`` in this process."""

    def invoke(*arguments: object, **options: Any) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)

    return invoke


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """``process("scan", "text", stdin=b"…", env={…})`` as a real process."""

    def run(
        *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "rune_core.cli", *map(str, arguments)],
            input=stdin,
            env={**os.environ, **(env or {})},
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run
