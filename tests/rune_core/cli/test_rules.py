"""``rune rules``: list, show, test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Invoke = Callable[..., Result]
RULE = "injection-ignore-previous-en"
OWN = """\
id = "policy-project-otter"
title = "Names the secret project"
threat = "policy_violation"
severity = "low"
confidence = 0.9
surfaces = ["output", "tool_call"]
text = "folded"
pattern = '\\bproject (?P<value>otter|heron)\\b'
tags = ["owasp-llm:LLM02"]
"""
CASES = """\
[[hit]]
text = "About Project Otter."
match = "Otter"

[[hit]]
text = "project\\theron ships"

[[miss]]
text = "the otter project"

[[miss]]
text = "projects otters"
"""


def write(rule: str = OWN, cases: str | None = CASES) -> Path:
    folder = Path("mine")
    folder.mkdir(exist_ok=True)
    (folder / "policy-project-otter.toml").write_text(rule)
    if cases is not None:
        (folder / "policy-project-otter.cases.toml").write_text(cases)
    return folder


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.split()


def test_list_without_a_terminal_is_tab_separated(rune: Invoke) -> None:
    lines = rune("rules", "list").stdout.splitlines()
    assert all(line.count("\t") == 5 for line in lines)
    assert any(line.startswith(f"{RULE}\tprompt_injection\thigh\t") for line in lines)


def test_list_filters(rune: Invoke) -> None:
    own = ("--rules", write(), "--format", "ids")
    assert RULE in ids(rune("rules", "list", "--threat", "prompt_injection", "--format", "ids"))
    assert ids(rune("rules", "list", "--threat", "policy_violation", "SECRET project", *own)) == [
        "policy-project-otter"
    ]
    assert ids(rune("rules", "list", "otter", "--surface", "input", *own)) == []
    assert ids(rune("rules", "list", "otter", "--surface", "output", *own))
    assert ids(rune("rules", "list", "otter", "--severity", "high", *own)) == []
    assert ids(rune("rules", "list", "otter", "--tag", "LLM02", *own))
    assert ids(rune("rules", "list", "otter", "--tag", "owasp-llm:LLM02", *own))
    assert ids(rune("rules", "list", "otter", "--tag", "LLM01", *own)) == []


def test_list_as_json(rune: Invoke) -> None:
    (rule,) = json.loads(rune("rules", "list", "otter", "-r", write(), "--format", "json").stdout)
    assert rule["surfaces"] == ["output", "tool_call"]
    assert rule["keywords"]


def test_show_tells_everything(rune: Invoke) -> None:
    shown = rune("rules", "show", "policy-project-otter", "--rules", write()).stdout
    for part in ("Names the secret project", "max_span", "keywords", "heron", "owasp-llm:LLM02"):
        assert part in shown
    as_json = json.loads(rune("rules", "show", RULE, "--format", "json").stdout)
    assert as_json["max_span"] > 0
    assert as_json["path"].endswith(f"{RULE}.toml")


def test_show_helps_with_a_mistyped_id(rune: Invoke) -> None:
    result = rune("rules", "show", "injection-ignor-previous-en")
    assert result.exit_code == 2
    assert f"did you mean {RULE}" in result.stderr


@pytest.mark.parametrize("engine", ["both", "re", "re2"])
def test_own_rules_are_proved(rune: Invoke, engine: str) -> None:
    if engine == "re2":
        pytest.importorskip("re2")
    result = rune("rules", "test", write(), "--engine", engine)
    assert result.exit_code == 0, result.output
    assert "1 rule, 4 cases" in result.stdout


@pytest.mark.parametrize(
    ("rule", "cases", "told"),
    [
        (OWN, CASES.replace("the otter project", "our project otter"), "miss[0] found"),
        (OWN, CASES.replace("project\\theron", "projekt heron"), "hit[1] found nothing"),
        (OWN, CASES.replace('"Otter"', '"Project Otter"'), "hit[0] covers"),
        (OWN, None, "cases.toml: is missing"),
        (OWN.replace("{0,40}", "*").replace("|heron", "|heron*"), CASES, "unbounded repeat"),
        (OWN.replace('"low"', '"tiny"'), CASES, "policy-project-otter.toml:4: severity"),
        (OWN, CASES.replace("[[miss]]", "[[mist]]"), "mist"),
        ("not toml at all", CASES, "not valid TOML"),
    ],
)
def test_a_faulty_rule_fails_clearly(rune: Invoke, rule: str, cases: str | None, told: str) -> None:
    result = rune("rules", "test", write(rule, cases))
    assert result.exit_code == 1
    assert told in result.stdout
    assert "1 failed" in result.stdout


def test_one_faulty_rule_hides_no_other(rune: Invoke) -> None:
    folder = write()
    (folder / "broken.toml").write_text("nonsense")
    report: dict[str, Any] = json.loads(rune("rules", "test", folder, "--format", "json").stdout)
    assert (report["ok"], report["rules"], report["cases"]) == (False, 2, 4)
    assert [failed["path"] for failed in report["failed"]] == ["mine/broken.toml"]


def test_the_same_id_twice_fails(rune: Invoke) -> None:
    folder = write()
    (folder / "again").mkdir()
    for name in ("policy-project-otter.toml", "policy-project-otter.cases.toml"):
        (folder / "again" / name).write_text((folder / name).read_text())
    result = rune("rules", "test", folder)
    assert result.exit_code == 1
    assert "already defined" in result.stdout


def test_builtin_rules_are_proved_by_id(rune: Invoke) -> None:
    result = rune("rules", "test", RULE)
    assert result.exit_code == 0, result.output
    assert "1 rule," in result.stdout


@pytest.mark.parametrize("target", ["no-such-rule-*", "missing/folder", "missing.toml"])
def test_nothing_to_test_exits_2(rune: Invoke, target: str) -> None:
    assert rune("rules", "test", target).exit_code == 2


def test_a_folder_without_rules_exits_2(rune: Invoke) -> None:
    Path("empty").mkdir()
    assert rune("rules", "test", "empty").exit_code == 2


def test_an_installed_package_has_no_cases_and_says_the_way_out(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rune_scanner.rules.cases.cases_path", lambda _rule: Path("nowhere"))
    result = rune("rules", "test")
    assert result.exit_code == 2
    assert "clone the repository" in result.stderr


def test_without_re2_both_engines_are_one_and_that_is_said(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rune_core.cli.proving.find_spec", lambda _name: None)
    result = rune("rules", "test", write())
    assert result.exit_code == 0
    assert "re2 is not installed" in result.stdout
    assert rune("rules", "test", write(), "--engine", "re2").exit_code == 2


def test_validators_are_listed_with_what_they_check(rune: Invoke) -> None:
    lines = rune("rules", "validators").stdout.splitlines()
    assert any(line.startswith("luhn ") for line in lines)
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)
