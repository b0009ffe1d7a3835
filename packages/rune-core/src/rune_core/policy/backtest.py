"""Replay runs under other policies, and say what would be decided otherwise.

The replay follows what happened: a call that the other policies stop is followed by what came
after it all the same. Counters run on the time of the run, not of the replay.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from rune_core.action import Action
from rune_core.policy.traces import is_surface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rune_core.policy.traces import Run, Step
    from rune_core.result import ScanResult
    from rune_core.session.session import Session
    from rune_core.shield import Shield

NANOSECONDS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was, or would be, decided about one step.

    Attributes:
        action: The action.
        rule: The rule that decided; None for none.
        policy: Its policy; empty when that is not known.
        why: One sentence, without content.
    """

    action: Action
    rule: str | None = None
    policy: str = ""
    why: str = ""

    def same_as(self, other: Outcome) -> bool:
        """Whether it is decided alike: the same action. Another rule with it changes nothing."""
        return self.action is other.action


@dataclass(frozen=True, slots=True)
class Change:
    """A step that would be decided otherwise.

    Attributes:
        run: The run's name.
        number: The step's number in it, from 1.
        step: The step. Holds content.
        before: What is decided now, or was then.
        after: What would be.
    """

    run: str
    number: int
    step: Step = field(repr=False)
    before: Outcome
    after: Outcome


@dataclass(slots=True)
class Report:
    """What a replay showed.

    Attributes:
        runs: How many runs were replayed.
        texts: Texts in them.
        calls: Tool calls in them.
        changes: The steps that would be decided otherwise.
        rules: How often each rule decided: before, after.
        unknown: Steps of which the recorded decision is not known; left out.
    """

    runs: int = 0
    texts: int = 0
    calls: int = 0
    changes: list[Change] = field(default_factory=list)
    rules: dict[str, tuple[int, int]] = field(default_factory=dict)
    unknown: int = 0

    @property
    def moved(self) -> Counter[tuple[str, Action, Action]]:
        """Changes by kind of step, action before and action after."""
        return Counter(
            (change.step.kind, change.before.action, change.after.action) for change in self.changes
        )


class ReplayClock:
    """The time of the run that is being replayed, in seconds."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Replay:
    """Runs under one Shield.

    Args:
        shield: What decides. Its counters are set to the time of the runs.
    """

    def __init__(self, shield: Shield) -> None:
        self._shield = shield
        self._clock = ReplayClock()
        self._sessions: dict[int, Session] = {}
        shield._engine.use_clock(self._clock)

    def decide(self, number: int, run: Run, step: Step) -> Outcome | None:
        """What would be decided about a step; None where nothing is decided.

        Args:
            number: Tells the run from others.
            run: The run.
            step: The step; steps of all runs come in order of time.
        """
        session = self._sessions.get(number)
        if session is None:
            session = self._sessions[number] = self._shield.open_session(
                agent_id=run.agent, agent_tags=run.tags
            )
        self._clock.seconds = max(self._clock.seconds, step.at / NANOSECONDS)
        outcome = outcome_of(self._step(step, session))
        if step is run.steps[-1]:
            del self._sessions[number]
        return outcome

    def _step(self, step: Step, session: Session) -> ScanResult | None:
        shield = self._shield
        if step.kind == "tool_call":
            return shield.validate_action(step.tool or "", step.content, session=session)
        if is_surface(step.kind):
            return shield.scan(
                step.kind, step.content, session=session, tool=step.tool, source=step.source
            )
        text = str(step.content)
        match step.kind:
            case "system":
                session.system(text)
            case "user":
                session.user(text)
            case _:
                session.untrusted(text, step.source)
        return None


def in_order(runs: Sequence[Run]) -> Iterator[tuple[int, int, Step]]:
    """Every step of every run in order of time: which run, which step of it from 1, the step."""

    def steps(which: int, run: Run) -> Iterator[tuple[int, int, Step]]:
        return ((which, number, step) for number, step in enumerate(run.steps, 1))

    return heapq.merge(*map(steps, count(), runs), key=lambda item: item[2].at)


def outcome_of(result: ScanResult | None) -> Outcome | None:
    """What a result comes to."""
    if result is None:
        return None
    decision = result.decision
    return Outcome(decision.action, decision.rule, decision.policy or "", decision.explanation)


def backtest(
    runs: Sequence[Run],
    after: Shield,
    before: Shield | None,
    done: Callable[[], Any] = lambda: None,
) -> Report:
    """Replay runs and compare.

    Args:
        runs: The runs.
        after: Decides by the policies that are tried.
        before: Decides by those to compare with; None to compare with what was decided then.
        done: Called after each step.
    """
    report = Report(runs=len(runs))
    tried, now = Replay(after), None if before is None else Replay(before)
    decided: Counter[tuple[str, int]] = Counter()
    for which, number, step in in_order(runs):
        run = runs[which]
        new = tried.decide(which, run, step)
        old = recorded(step) if now is None else now.decide(which, run, step)
        done()
        if new is None:
            continue
        if step.kind == "tool_call":
            report.calls += 1
        else:
            report.texts += 1
        if old is None:
            report.unknown += 1
            continue
        for side, outcome in enumerate((old, new)):
            if outcome.rule is not None:
                decided[outcome.rule, side] += 1
        if not old.same_as(new):
            report.changes.append(Change(run.id, number, step, old, new))
    report.rules = {
        rule: (decided[rule, 0], decided[rule, 1]) for rule in sorted({rule for rule, _ in decided})
    }
    return report


def recorded(step: Step) -> Outcome | None:
    """What was decided about a step when it happened; None when that is not known."""
    return Outcome(Action(step.action), step.rule) if step.action else None
