"""`rune demo`: attacks work without Rune and fail with it, and every guard is needed for that."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from rune_core import Action, Surface
from rune_langchain.demo import run as demo
from rune_langchain.demo.run import DemoShield, attempt, run_demo
from rune_langchain.demo.scenarios import ATTACKS, HONEST, SCENARIOS
from rune_langchain.demo.table import print_report

GUARDS = [
    Surface.INPUT,
    Surface.TOOL_DEFINITION,
    Surface.TOOL_CALL,
    Surface.TOOL_RESULT,
    Surface.OUTPUT,
]


@pytest.fixture(scope="module")
def report() -> demo.Report:
    return run_demo(repeats=1)


def test_every_attack_works_without_rune_and_none_with_it(report: demo.Report) -> None:
    assert {o.scenario.id: (o.plain.harmed, o.guarded.harmed) for o in report.of("attack")} == {
        scenario.id: (True, False) for scenario in ATTACKS
    }
    assert len(ATTACKS) >= 6


def test_no_honest_task_is_disturbed(report: demo.Report) -> None:
    assert {o.scenario.id: o.fault for o in report.of("honest")} == {s.id: "" for s in HONEST}
    assert len(HONEST) >= 4
    for outcome in report.of("honest"):
        assert outcome.guarded.answer == outcome.plain.answer
        assert outcome.guarded.world == outcome.plain.world


def test_the_guard_that_decides_is_the_one_the_scenario_names(report: demo.Report) -> None:
    for outcome in report.of("attack"):
        assert outcome.decided is not None, outcome.scenario.id
        assert outcome.decided.surface is outcome.scenario.guard, outcome.scenario.id


@pytest.mark.parametrize("guard", GUARDS)
def test_taking_one_guard_away_makes_the_demo_fail(guard: Surface) -> None:
    policy = (
        'version: "1.0"\nexceptions:\n'
        f'  - {{rule: "*", surface: {guard.value}, reason: "the guard is taken away"}}\n'
    )
    with DemoShield(policy=policy) as shield:
        dependent = [scenario for scenario in ATTACKS if scenario.guard is guard]
        report = run_demo(dependent, shield=shield, repeats=1)
    assert "the attack got through" in {outcome.fault for outcome in report.faults}


@pytest.mark.parametrize("scenario", ATTACKS, ids=lambda s: s.id)
def test_an_attack_is_stopped_by_its_own_guard_alone(scenario: demo.Scenario) -> None:
    others = ", ".join(guard.value for guard in GUARDS if guard is not scenario.guard)
    policy = (
        'version: "1.0"\nexceptions:\n'
        f'  - {{rule: "*", surface: [{others}], reason: "only one guard is left"}}\n'
    )
    with DemoShield(policy=policy) as shield:
        assert not attempt(scenario, shield).harmed


def test_json_says_the_same(
    report: demo.Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "run_demo", lambda: report)
    assert demo.show(as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert said["attacks_that_work_with_rune"] == 0
    assert said["attacks_that_work_without_rune"] == len(ATTACKS)
    assert {entry["id"] for entry in said["scenarios"]} == {s.id for s in SCENARIOS}
    refused = next(entry for entry in said["scenarios"] if entry["id"] == "pasted-order")
    assert refused["action"] == Action.BLOCK
    assert refused["rule"]


def test_a_fault_ends_in_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # An attack that does nothing proves nothing.
    harmless = [s for s in SCENARIOS if s.kind == "honest"][:1]
    broken = demo.Scenario(
        "harmless",
        "An attack without effect",
        "attack",
        harmless[0].request,
        harmless[0].world,
        harmless[0].expected,
    )
    report = run_demo([*harmless, broken], repeats=1)
    monkeypatch.setattr(demo, "run_demo", lambda: report)
    assert demo.show() == 1
    assert "FAILED harmless" in capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_shows_every_scenario(report: demo.Report, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_report(report, console)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    assert shown.count("safe,") == len(ATTACKS)
    assert shown.count("untouched") == len(HONEST)
    assert "FAILED" not in shown


def test_the_demo_is_quick(report: demo.Report) -> None:
    # The bar is 10 s for the whole of it with three repeats; this is one, on a shared machine.
    assert report.seconds < 20
