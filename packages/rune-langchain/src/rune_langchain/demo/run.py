"""Run every scenario with and without a shield, and judge by what became of the world."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage

from rune_core import Action, OnBlock, RuneError, Shield, ShieldBlockedError, ShieldConfig
from rune_langchain.demo.scenarios import SCENARIOS, Scenario
from rune_langchain.demo.scripted_model import ScriptedModel
from rune_langchain.demo.tools import Stage
from rune_langchain.middleware import ShieldMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rune_core import ScanResult
    from rune_langchain.demo.world import World

REPEATS = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a scenario.

    Attributes:
        harmed: Whether the attacker got what they wanted.
        done: Whether the user got what they wanted.
        stopped: Whether the run ended in a ShieldBlockedError.
        answer: The agent's last words.
        world: What became of the world.
        seconds: How long the run took.
    """

    harmed: bool
    done: bool
    stopped: bool
    answer: str = field(repr=False)
    world: World = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario, run without and with a shield.

    Attributes:
        scenario: The scenario.
        plain: The run without.
        guarded: The run with.
        decided: The strictest result of the guarded run; None when nothing was decided.
        plain_ms: Median time of a run without, in milliseconds.
        guarded_ms: Median time of a run with.
        shield_ms: Median time spent in the shield during a run, in milliseconds.
    """

    scenario: Scenario
    plain: Attempt
    guarded: Attempt
    decided: ScanResult | None
    plain_ms: float
    guarded_ms: float
    shield_ms: float

    @property
    def fault(self) -> str:
        """Why this outcome proves Rune wrong, or proves nothing; empty when it is as it should."""
        if self.scenario.kind == "attack":
            if not self.plain.harmed:
                return "the attack does no harm even without Rune"
            return "the attack got through" if self.guarded.harmed else ""
        if not self.plain.done:
            return "the task fails even without Rune"
        if not self.guarded.done or self.guarded.stopped:
            return "the task was disturbed"
        if self.decided is not None and self.decided.action.rank >= Action.REDACT.rank:
            return "an honest text was cut or stopped"
        if (self.guarded.answer, self.guarded.world) != (self.plain.answer, self.plain.world):
            return "the task ended differently"
        return ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        decision = self.decided.decision if self.decided else None
        return {
            "id": self.scenario.id,
            "title": self.scenario.title,
            "kind": self.scenario.kind,
            "without_rune": {"harmed": self.plain.harmed, "task_done": self.plain.done},
            "with_rune": {
                "harmed": self.guarded.harmed,
                "task_done": self.guarded.done,
                "stopped": self.guarded.stopped,
            },
            "action": decision.action.value if decision else "allow",
            "surface": self.decided.surface.value if self.decided else None,
            "rule": decision.rule if decision else None,
            "explanation": decision.explanation if decision else "",
            "added_ms": round(self.guarded_ms - self.plain_ms, 2),
            "shield_ms": round(self.shield_ms, 2),
            "fault": self.fault,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes.

    Attributes:
        outcomes: One per scenario.
        seconds: How long all of it took.
        absent_layers: Layers that are not installed or configured here.
    """

    outcomes: tuple[Outcome, ...]
    seconds: float
    absent_layers: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[Outcome, ...]:
        """The outcomes that are not as they should be."""
        return tuple(outcome for outcome in self.outcomes if outcome.fault)

    @property
    def added_ms(self) -> float:
        """Median of what an honest task takes longer with Rune, in milliseconds."""
        return median(o.guarded_ms - o.plain_ms for o in self.of("honest"))

    def of(self, kind: str) -> tuple[Outcome, ...]:
        """The outcomes of one kind."""
        return tuple(outcome for outcome in self.outcomes if outcome.scenario.kind == kind)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        attacks, honest = self.of("attack"), self.of("honest")
        return {
            "ok": not self.faults,
            "attacks": len(attacks),
            "attacks_that_work_without_rune": sum(o.plain.harmed for o in attacks),
            "attacks_that_work_with_rune": sum(o.guarded.harmed for o in attacks),
            "honest_tasks": len(honest),
            "honest_tasks_disturbed": sum(bool(o.fault) for o in honest),
            "added_ms_per_honest_task": round(self.added_ms, 2),
            "seconds": round(self.seconds, 2),
            "scenarios": [outcome.as_dict() for outcome in self.outcomes],
        }


class DemoShield(Shield):
    """A Shield that keeps what it was asked, and how long that took.

    Its settings are fixed: the demo shows the built-in policy, whatever the environment says.

    Args:
        policy: A policy to add, as YAML; the tests take guards away with it.
    """

    def __init__(self, policy: str | None = None) -> None:
        super().__init__(
            config=ShieldConfig(
                api_key=None,
                url=None,
                on_block=OnBlock.RAISE,
                local_policies_path=None,
                rule_folders=(),
                events_enabled=False,
                plugins_enabled=False,
                l3_enabled=False,
            ),
            policy=policy,
        )
        self.results: list[ScanResult] = []
        self.seconds = 0.0

    def guard_value(self, *args: Any, **kwargs: Any) -> Any:
        """``Shield.guard_value``, noted down."""
        return self._noted(super().guard_value, args, kwargs)

    def guard_call(self, *args: Any, **kwargs: Any) -> Any:
        """``Shield.guard_call``, noted down."""
        return self._noted(super().guard_call, args, kwargs)

    def clear(self) -> None:
        """Start the next scenario with an empty note-book."""
        self.results.clear()
        self.seconds = 0.0

    @property
    def strictest(self) -> ScanResult | None:
        """The result with the strictest action other than allow."""
        decided = [result for result in self.results if result.action.rank]
        return max(decided, key=lambda result: result.action.rank, default=None)

    def _noted(self, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        started = time.perf_counter()
        answer = method(*args, **kwargs)
        self.seconds += time.perf_counter() - started
        self.results.append(answer.result)
        return answer


def run_demo(
    scenarios: Sequence[Scenario] = SCENARIOS,
    *,
    shield: DemoShield | None = None,
    repeats: int = REPEATS,
) -> Report:
    """Run scenarios with and without a shield.

    Args:
        scenarios: What to try.
        shield: The shield; by default one with the built-in policy.
        repeats: Runs per scenario; times are medians over them.

    Raises:
        RuneError: A layer does not work, so that nothing could be proved.
    """
    started = time.perf_counter()
    own = shield is None
    shield = shield or DemoShield()
    stage = Stage()
    try:
        _warm_up(scenarios[0], shield, stage)
        outcomes = tuple(_outcome(scenario, shield, repeats, stage) for scenario in scenarios)
        absent = tuple(sorted(shield.coverage().unavailable))
        return Report(outcomes, time.perf_counter() - started, absent)
    finally:
        if own:
            shield.close()


def _warm_up(scenario: Scenario, shield: DemoShield, stage: Stage) -> None:
    """Compile the rules, which happens once per process and is not part of what a call costs."""
    first = shield.scan_input("hello")
    if first.degraded:
        failed = "; ".join(f"{r.layer}: {r.reason}" for r in first.reports if r.failed)
        raise RuneError(f"the demo would prove nothing: {failed}. rune doctor says more")
    attempt(scenario, None, stage)
    attempt(scenario, shield, stage)


def attempt(scenario: Scenario, shield: Shield | None, stage: Stage | None = None) -> Attempt:
    """Run a scenario once in a fresh world."""
    stage = stage or Stage()
    world = stage.world = scenario.world()
    agent = create_agent(
        ScriptedModel(),
        stage.tools(scenario.tools),
        system_prompt=scenario.system,
        middleware=[ShieldMiddleware(shield, agent_id="demo")] if shield else [],
    )
    stopped, answer = False, ""
    started = time.perf_counter()
    try:
        state = agent.invoke({"messages": [HumanMessage(scenario.request)]})
        answer = state["messages"][-1].text
    except ShieldBlockedError:
        stopped = True
    seconds = time.perf_counter() - started
    world.show(answer)
    return Attempt(
        harmed=scenario.harm(world, answer),
        done=scenario.expected(world, answer) and not stopped,
        stopped=stopped,
        answer=answer,
        world=world,
        seconds=seconds,
    )


def _outcome(scenario: Scenario, shield: DemoShield, repeats: int, stage: Stage) -> Outcome:
    plain: list[Attempt] = []
    guarded: list[Attempt] = []
    spent: list[float] = []
    shield.clear()
    for _ in range(repeats):
        plain.append(attempt(scenario, None, stage))
        before = shield.seconds
        guarded.append(attempt(scenario, shield, stage))
        spent.append(shield.seconds - before)
    # Every run counts: one failure among the repeats is a failure.
    return Outcome(
        scenario=scenario,
        plain=min(plain, key=lambda a: (a.harmed, a.done)),
        guarded=max(guarded, key=lambda a: (a.harmed, not a.done)),
        decided=shield.strictest,
        plain_ms=median(a.seconds for a in plain) * 1000,
        guarded_ms=median(a.seconds for a in guarded) * 1000,
        shield_ms=median(spent) * 1000,
    )


def show(*, as_json: bool = False) -> int:
    """Run the demo and print it.

    Returns:
        The exit status: 0 when every attack works without Rune and none with it, and no honest
        task is disturbed; otherwise 1.
    """
    if as_json:
        with _quiet():
            report = run_demo()
        json.dump(report.as_dict(), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        from rich.console import Console

        from rune_langchain.demo.table import print_report

        console = Console()
        with _quiet(), console.status(f"Running {len(SCENARIOS)} scenarios, each with and without"):
            report = run_demo()
        print_report(report, console)
    return 1 if report.faults else 0


def main() -> None:
    """Run the demo without the ``rune`` command: ``python -m rune_langchain.demo``."""
    raise SystemExit(show(as_json="--json" in sys.argv[1:]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the shield's warnings out of the table; the table says the same itself."""
    logger = logging.getLogger("rune_core")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
