"""Ask the judge after the fact: the call does not wait, and an alert follows when it agrees."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from rune_core.effects import drive
from rune_core.failure import describe, log_failure
from rune_core.forks import in_child
from rune_core.layers.judge.judge import JudgeOutcome, Opinion, findings_of
from rune_core.layers.l3_judge import NAME
from rune_core.verdict import fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_core.context import ScanContext
    from rune_core.layers.judge.judge import Judge
    from rune_core.layers.judge.question import Question
    from rune_core.result import ScanResult

_log = logging.getLogger("rune_core.judge")
MAX_WAITING: Final = 256
ALERT_RULE: Final = "l3-judge"


class _Job(NamedTuple):
    question: Question
    result: ScanResult
    context: ScanContext


class Later:
    """A bounded queue with one daemon thread, started by the first question.

    Args:
        judge: Whom to ask.
        alert: Told the rule, the result with what the judge found, and the context, when it agrees.
        count: Told what became of every question.
    """

    _lock: threading.Lock
    _closed: bool
    _waiting: queue.Queue[_Job | None]
    _thread: threading.Thread | None

    def __init__(
        self,
        judge: Judge,
        alert: Callable[[str, ScanResult, ScanContext], None],
        count: Callable[[str], None],
    ) -> None:
        self._judge = judge
        self._alert = alert
        self._count = count
        self._reset()
        in_child(self._reset)

    def put(self, question: Question, result: ScanResult, context: ScanContext) -> None:
        """Ask later. When too many questions wait, this one is counted as not asked."""
        with self._lock:
            if self._closed:
                self._count(JudgeOutcome.NOT_ASKED)
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rune-judge", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(_Job(question, result, context))
        except queue.Full:
            self._count(JudgeOutcome.OVER_BUDGET)

    def flush(self, seconds: float) -> bool:
        """Wait until every question so far was asked; False when that takes longer."""
        deadline = time.monotonic() + seconds
        with self._waiting.all_tasks_done:
            while self._waiting.unfinished_tasks:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._waiting.all_tasks_done.wait(left)
        return True

    def close(self, seconds: float) -> None:
        """Ask what waits, within ``seconds``; the rest is counted as not asked."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.flush(seconds)
        while True:
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                break
            self._waiting.task_done()
            self._count(JudgeOutcome.NOT_ASKED)
        if self._thread is not None:
            self._waiting.put(None)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._waiting = queue.Queue(MAX_WAITING)
        self._thread = None

    def _run(self) -> None:
        waiting = self._waiting
        while True:
            job = waiting.get()
            try:
                if job is None:
                    return
                self._ask(job)
            except Exception as error:  # noqa: BLE001 - the next question must still be asked
                log_failure(_log, "asking after the fact failed", describe(error))
            finally:
                waiting.task_done()

    def _ask(self, job: _Job) -> None:
        opinion = drive(self._judge.consult(job.question))
        self._count(opinion.outcome)
        if opinion.outcome is JudgeOutcome.AGREED:
            self._alert(ALERT_RULE, _judged(job, opinion), job.context)


def _judged(job: _Job, opinion: Opinion) -> ScanResult:
    """The result as it would be had the judge been asked in time. The decision stays as it was."""
    assert opinion.answer is not None
    result = job.result
    findings = (
        *result.findings,
        *findings_of(opinion.answer, job.question, result.scanned_length),
    )
    reports = tuple(
        opinion.report() if report.layer == NAME else report for report in result.reports
    )
    return replace(result, findings=findings, reports=reports, verdict=fold(findings, reports))
