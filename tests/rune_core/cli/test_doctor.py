"""``rune doctor`` and ``rune policy check`` tell the truth and the way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.testing import Result

from rune_core.testing import FakeJudge

if TYPE_CHECKING:
    import pytest

Invoke = Callable[..., Result]


def checks(result: Result) -> dict[str, dict[str, Any]]:
    rows = json.loads(result.stdout)["checks"]
    return {row["name"]: row for row in rows}


def test_a_sound_installation_passes(rune: Invoke) -> None:
    result = rune("doctor")
    assert result.exit_code == 0, result.output
    assert "0 failed" in result.stdout
    found = checks(rune("doctor", "--json"))
    assert found["l2_vector"]["status"] == "warn"
    assert "not installed" in found["l2_vector"]["detail"]
    assert "not configured" in found["l3_judge"]["detail"]
    assert "rules, revision" in found["built-in"]["detail"] or found["built-in"]["status"] == "ok"


def test_values_of_variables_are_never_printed(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNE_API_KEY", "canary-value")
    result = rune("doctor")
    assert "RUNE_API_KEY" in result.stdout
    assert "canary-value" not in result.output


def test_an_unknown_variable_is_told_with_a_guess(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNE_POLICY", "x")
    found = checks(rune("doctor", "--json"))
    assert found["RUNE_POLICY"]["status"] == "warn"
    assert "RUNE_POLICIES" in found["RUNE_POLICY"]["todo"]


def test_a_setting_that_cannot_be_used_fails(rune: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNE_L1_ENABLED", "maybe")
    result = rune("doctor", "--json")
    assert result.exit_code == 1
    assert "RUNE_L1_ENABLED" in checks(result)["settings"]["detail"]


def test_faulty_policies_and_rules_fail_with_file_and_line(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("p.yaml").write_text('version: "1.0"\nrules:\n  - name: x\n    scanner: nonsense\n')
    Path("rules").mkdir()
    Path("rules/x.toml").write_text('id = "x"\n')
    monkeypatch.setenv("RUNE_POLICIES", "p.yaml")
    monkeypatch.setenv("RUNE_RULE_FOLDERS", "rules")
    result = rune("doctor")
    assert result.exit_code == 1
    assert "p.yaml:4" in result.stdout
    assert "x.toml" in result.stdout


def test_a_state_folder_that_cannot_be_written_fails(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("in the way")
    monkeypatch.setenv("RUNE_STATE_DIR", "file/state")
    result = rune("doctor", "--json")
    assert result.exit_code == 1
    assert checks(result)["state folder"]["status"] == "fail"


def test_without_re2_the_way_out_is_told(rune: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rune_core.cli.checks.find_spec", lambda _name: None)
    engine = checks(rune("doctor", "--json"))["engine"]
    assert engine["status"] == "warn"
    assert "pip install google-re2" in engine["todo"]


def test_a_check_that_breaks_is_a_failed_check(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise RuntimeError("canary")

    monkeypatch.setattr("rune_core.cli.checks._frameworks", broken)
    result = rune("doctor")
    assert result.exit_code == 1
    assert "RuntimeError at" in result.stdout
    assert "canary" not in result.output


def test_doctor_writes_nothing(rune: Invoke, tmp_path: Path) -> None:
    rune("doctor")
    assert not (tmp_path / "state").exists()


GOOD = """\
version: "1.0"
rules:
  - name: no-shell
    type: tool_denylist
    tools: [shell]
    action: block
"""
BAD = 'version: "1.0"\nrules:\n  - name: x\n    scanner: nonsense\n    action: explode\n'


def test_policy_check_accepts_sound_files(rune: Invoke) -> None:
    Path("good.yaml").write_text(GOOD)
    result = rune("policy", "check", "good.yaml")
    assert result.exit_code == 0
    assert "ok    good.yaml: 1 rule" in result.stdout


def test_policy_check_tells_every_fault_at_once(rune: Invoke) -> None:
    Path("p").mkdir()
    Path("p/bad.yaml").write_text(BAD)
    Path("good.yaml").write_text(GOOD)
    result = rune("policy", "check", "p", "good.yaml")
    assert result.exit_code == 1
    assert "bad.yaml:4" in result.stdout
    assert "bad.yaml:5" in result.stdout
    assert "ok    good.yaml" in result.stdout
    report = json.loads(rune("policy", "check", "p", "--json").stdout)
    assert {fault["line"] for fault in report["faults"]} == {4, 5}
    assert all(fault["key"] for fault in report["faults"])


TYPO = """\
version: "1.0"
rules:
  - {name: mail, type: data_protection, patterns: [emial], action: redact}
  - {name: cards, type: data_protection, patterns: [credit_card], action: redact}
"""


def test_names_that_no_detector_has_are_told(rune: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("typo.yaml").write_text(TYPO)
    result = rune("policy", "check", "typo.yaml")
    assert result.exit_code == 0, result.output
    assert "warn  rule mail (typo) names 'emial'" in result.stdout
    assert "credit_card" not in result.stdout
    (warning,) = json.loads(rune("policy", "check", "typo.yaml", "--json").stdout)["warnings"]
    assert "did you mean email?" in warning
    monkeypatch.setenv("RUNE_POLICIES", "typo.yaml")
    assert "emial" in checks(rune("doctor", "--json"))["names"]["detail"]


def test_policy_check_minds_no_other_setting(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("typo.yaml").write_text(TYPO)
    for name, value in {
        "RUNE_URL": "https://127.0.0.1:1",
        "RUNE_API_KEY": "rune_live_" + "k" * 43,
        "RUNE_JUDGE_URL": "http://judge.example.com",
        "RUNE_JUDGE_MODEL": "m",
        "RUNE_JOURNAL_ENABLED": "1",
        "RUNE_JOURNAL_KEY": "file",
    }.items():
        monkeypatch.setenv(name, value)
    result = rune("policy", "check", "typo.yaml")
    assert result.exit_code == 0, result.output
    assert "warn  rule mail (typo) names 'emial'" in result.stdout
    assert not (tmp_path / "state").exists()
    monkeypatch.setenv("RUNE_L1_ENABLED", "maybe")
    assert rune("policy", "check", "typo.yaml").exit_code == 0


def test_policy_check_of_nothing_exits_2(rune: Invoke) -> None:
    assert rune("policy", "check", "missing").exit_code == 2


def judge_line(rune: Invoke, judge: FakeJudge, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("RUNE_JUDGE_URL", judge.url)
    monkeypatch.setenv("RUNE_JUDGE_MODEL", "fake-judge")
    return checks(rune("doctor", "--json"))["l3_judge"]


def test_a_judge_that_answers_is_told(rune: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeJudge() as judge:
        line = judge_line(rune, judge, monkeypatch)
        assert line["status"] == "ok"
        assert f"fake-judge at {judge.url} answered in" in line["detail"]
        judge.answer = 401
        line = judge_line(rune, judge, monkeypatch)
        assert (line["status"], line["todo"]) == ("fail", "set RUNE_JUDGE_API_KEY to a valid key")
        judge.answer = {"attack": True}
        assert judge_line(rune, judge, monkeypatch)["status"] == "warn"
        judge.answer, judge.refuses_schema = {}, True
        assert "without a schema" in judge_line(rune, judge, monkeypatch)["detail"]
    line = judge_line(rune, judge, monkeypatch)
    assert line["status"] == "fail"
    assert "cannot connect" in line["detail"]


def test_a_judge_that_is_half_configured_is_told(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNE_JUDGE_URL", "https://judge.example/v1")
    line = checks(rune("doctor", "--json"))["l3_judge"]
    assert line["status"] == "fail"
    assert "judge_model: is missing" in line["detail"]


def test_a_model_that_is_not_there_is_a_mistake_in_the_settings(
    rune: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNE_L2_MODEL", "no-such-folder")
    result = rune("doctor", "--json")
    assert result.exit_code == 1
    check = checks(result)["l2_vector"]
    assert check["status"] == "fail"
    assert "no-such-folder/manifest.json" in check["detail"]
    assert "RUNE_L2_MODEL" in check["detail"]
    scanned = rune("scan", "hello")
    assert scanned.exit_code == 3
    assert "no-such-folder/manifest.json" in scanned.output


def test_a_damaged_calibration_fails(rune: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.json").write_text("nonsense")
    monkeypatch.setenv("RUNE_CALIBRATION_PATH", "c.json")
    check = checks(rune("doctor", "--json"))["calibration"]
    assert check["status"] == "fail"
    assert "c.json: not valid JSON" in check["detail"]
