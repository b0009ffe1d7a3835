"""The client works without the Agents SDK, and what needs that says so when it is asked for."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = "import sys; sys.modules['agents'] = None; import rune_openai\n"


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_that_is_offered_can_be_had() -> None:
    offered = run(
        "from rune_openai import *\n"
        "import inspect\n"
        "assert {name for name, _ in inspect.getmembers(rune_openai)} == set(rune_openai.__all__)\n"
        "print(*rune_openai.__all__)"
    ).split()
    assert "shield_client" in offered
    assert "shield_agent" not in offered
    run("help(rune_openai)")


def test_what_needs_the_sdk_says_so() -> None:
    said = run(
        "try:\n    from rune_openai import shield_agent\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    assert "rune_openai.shield_agent needs the OpenAI Agents SDK" in said
    assert "pip install 'rune-openai[agents]'" in said


def test_with_it_everything_is_offered() -> None:
    import rune_openai

    assert set(rune_openai.__all__) == rune_openai._HOME.keys()
