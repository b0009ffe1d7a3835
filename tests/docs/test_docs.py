"""Every code block in the documentation runs, loads or lints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "packages").glob("*/README.md"),
    }
)
# Lines that set a machine up: CI runs them for real in .ci/run, not inside the tests.
SET_UP = re.compile(
    r"^(pip install|git clone|cd |uv sync|uv run pytest|uv run pre-commit|just |bash \.ci/)"
)
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[object]:
    """Every fenced block of ``language``, as a pytest parameter named by page and line."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 1
                found.append(pytest.param(match[2], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


@pytest.mark.parametrize(
    "example",
    [example for example in find_examples(*map(str, PAGES)) if example.prefix in ("python", "py")],
    ids=str,
)
def test_python_block_runs(
    example: CodeExample, eval_example: EvalExample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python block runs; ``#>`` comments in it are checked against what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    eval_example.set_config(line_length=100)
    if "#>" in example.source:
        eval_example.run_print_check(example)
    else:
        eval_example.run(example)


@pytest.mark.parametrize("block", blocks("bash"))
def test_command_block_runs(block: str, tmp_path: Path) -> None:
    """Each ``rune`` line runs; ``# exits N`` behind it says which exit code is meant."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "NO_COLOR": "1"}
    for line in block.replace("\\\n", " ").splitlines():
        command, _, comment = line.partition("  # ")
        command = command.strip()
        if not command or command.startswith("#") or SET_UP.match(command):
            continue
        *ahead, last = [part.strip() for part in command.split(" && ")]
        assert all(SET_UP.match(part) for part in ahead), f"not a set-up step: {ahead}"
        words = shlex.split(last.split(" | ")[-1])
        words = words[2:] if words[:2] == ["uv", "run"] else words
        if words[:1] == ["python"]:
            words[0] = sys.executable
        else:
            assert words[0] == "rune", f"neither a set-up step nor a rune command: {line}"
            words = [sys.executable, "-m", "rune_core.cli", *words[1:]]
        piped = shlex.split(last.split(" | ")[0])[1:] if " | " in last else []
        done = subprocess.run(
            words,
            cwd=ROOT if "examples/" in last else tmp_path,
            env=environment,
            input=" ".join(piped),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        expected = re.search(r"exits (\d+)", comment)
        assert done.returncode == (int(expected[1]) if expected else 0), (
            f"{line}\n{done.stdout}\n{done.stderr}"
        )


@pytest.mark.parametrize("block", blocks("yaml"))
def test_policy_block_loads(block: str, tmp_path: Path) -> None:
    """A YAML block that is a policy loads without a fault, and names what there is."""
    if not block.lstrip().startswith("version:"):
        pytest.fail("every YAML block in the docs is a whole policy, so that it can be checked")
    from rune_core.coverage import unmatched_names
    from rune_core.testing import shield_for_tests

    shield = shield_for_tests(policy=block, l1=True)
    assert unmatched_names(shield._engine) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_rule_blocks_load_and_their_cases_hold(page: Path, tmp_path: Path) -> None:
    """A TOML block with an id is a rule; the block after it, with cases, proves it."""
    from rune_scanner import load_rules
    from rune_scanner.rules.cases import check_rule

    rule = None
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if language != "toml":
            continue
        rule_id = re.search(r'^id = "(.+)"$', block, re.MULTILINE)
        if rule_id is not None:
            file = tmp_path / f"{rule_id[1]}.toml"
            file.write_text(block, encoding="utf-8")
            (rule,) = load_rules(file, builtin=False)
        elif "[[hit]]" in block and "[[miss]]" in block:
            assert rule is not None, "cases stand before the rule they prove"
            Path(rule.path).with_suffix(".cases.toml").write_text(block, encoding="utf-8")
            assert list(check_rule(rule)) == []


def test_no_registry_or_machine_path_is_named() -> None:
    """No page names a package registry's address or a path of the machine it was written on."""
    bad = re.compile(
        r"https?://(?:[\w.-]*\.)?(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org)|/work/|/root/"
    )
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            assert not bad.search(line), f"{page.relative_to(ROOT)}:{number}: {line}"
