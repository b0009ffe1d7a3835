"""The examples run, and show what they say they show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    before, _, after = done.stdout.partition("With Rune")
    return before, after


def test_client() -> None:
    before, after = run("openai_client.py")
    secret = "4eC39HqLyjWDarjt"
    assert before.count(secret) == 2
    assert "eve@example.org" in before
    assert secret not in after
    assert "eve@example.org" not in after
    assert "no-mail" in after


def test_agents() -> None:
    before, after = run("openai_agents.py")
    assert "GB33BUKB" in before
    assert "payments: none" in after
