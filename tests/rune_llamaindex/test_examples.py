"""The examples run, or say plainly what they need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "RUNE_"))}
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env={**kept, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_agent_is_robbed_without_rune_and_safe_with_it(tmp_path: Path) -> None:
    done = run("llamaindex_agent.py", tmp_path)
    assert done.returncode == 0, done.stderr
    without, with_rune = done.stdout.split("With Rune")
    assert "4,900 EUR" in without
    assert "payments: none" in with_rune
    assert with_rune.count("cleared customs") == without.count("cleared customs") == 1


def test_the_endpoint_example_says_what_it_needs(tmp_path: Path) -> None:
    done = run("llamaindex_openai_compatible.py", tmp_path)
    assert done.returncode == 1
    assert "openai-like" in done.stderr or "OPENAI_MODEL" in done.stderr
