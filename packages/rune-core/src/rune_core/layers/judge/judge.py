"""The judge: asks, reads the answer, and says what became of the question. Never raises."""

from __future__ import annotations

import json
import logging
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from rune_core.failure import describe, log_failure
from rune_core.layers.base import LayerReport, LayerStatus
from rune_core.layers.judge.answer import JudgeAnswer, MalformedAnswerError, content_of, read
from rune_core.layers.judge.client import JudgeClient, JudgeFailedError, JudgeTimeoutError, Send
from rune_core.layers.judge.limits import Answers, Breaker, Budget
from rune_core.layers.judge.prompt import MAX_ANSWER_TOKENS, REVISION, body
from rune_core.layers.l3_judge import ATTACK_RULE, NAME, STRAYS_RULE
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from rune_core.layers.judge.question import Question
    from rune_core.layers.judge.settings import JudgeSettings

_log = logging.getLogger("rune_core.judge")
_MAX_SPANS: Final = 8
_CHARS_A_TOKEN: Final = 3


class JudgeOutcome(StrEnum):
    """What became of a question, or of the wish to ask one."""

    AGREED = "agreed"
    """It shares the suspicion: an attack, or a call that does not serve the user."""
    DISAGREED = "disagreed"
    """It does not. That lifts nothing: what it read may have talked it out of it."""
    TIMEOUT = "timeout"
    ERROR = "error"
    OVER_BUDGET = "over_budget"
    NOT_ASKED = "not_asked"
    """There was no doubt, and no policy asked."""
    LATER = "later"
    """It is asked after the fact; an alert tells when it agrees."""


_STATUS: Final = {
    JudgeOutcome.AGREED: LayerStatus.RAN,
    JudgeOutcome.DISAGREED: LayerStatus.RAN,
    JudgeOutcome.TIMEOUT: LayerStatus.TIMEOUT,
    JudgeOutcome.ERROR: LayerStatus.ERROR,
    # Whoever can use up the budget must not pass for clean by that.
    JudgeOutcome.OVER_BUDGET: LayerStatus.ERROR,
    JudgeOutcome.NOT_ASKED: LayerStatus.SKIPPED,
    JudgeOutcome.LATER: LayerStatus.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class Opinion:
    """What became of one question.

    Attributes:
        outcome: What.
        answer: The answer; None when none came.
        reason: Why none came, or what was left out. Never content.
        latency_ms: How long it took.
    """

    outcome: JudgeOutcome
    answer: JudgeAnswer | None = None
    reason: str = ""
    latency_ms: float = 0.0

    def report(self) -> LayerReport:
        """The layer's report."""
        answer = self.answer
        return LayerReport(
            layer=NAME,
            status=_STATUS[self.outcome],
            score=None if answer is None else max(answer.attack, answer.strays),
            latency_ms=self.latency_ms,
            reason=self.reason,
            outcome=self.outcome.value,
        )


class Judge:
    """Asks one judge. Threads and event loops may share it.

    Args:
        settings: Where it is and what it may cost.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        self.settings = settings
        self.client = JudgeClient(settings)
        self.budget = Budget(settings.tokens_per_hour)
        self.breaker = Breaker()
        self._answers = Answers()
        self.structured = True
        self.revision = f"{REVISION}/{settings.url}/{settings.model}"

    def consult(self, question: Question) -> Generator[Send, Any, Opinion]:
        """Ask, unless the answer is known; yields the request and is sent the answer's body."""
        started = time.perf_counter()
        key = question.key(self.revision)
        note = f"{question.left_out} characters were not shown" if question.left_out else ""
        known = self._answers.get(key)
        if known is not None:
            return _settled(known, f"answered before{'; ' if note else ''}{note}", started)
        try:
            answer = yield from self._ask(question, time.monotonic() + self.settings.timeout)
        except _NotAskedError as error:
            return Opinion(error.outcome, reason=str(error))
        except JudgeTimeoutError:
            self.breaker.failed()
            return _unsettled(JudgeOutcome.TIMEOUT, "no answer in time", started)
        except JudgeFailedError as error:
            self.breaker.failed()
            return _unsettled(JudgeOutcome.ERROR, str(error), started)
        except MalformedAnswerError as error:
            # The judge is there. Were this counted, a text that confuses it could switch it off.
            self.breaker.succeeded()
            return _unsettled(JudgeOutcome.ERROR, str(error), started)
        except Exception as error:  # noqa: BLE001 - our own fault must not take the scan along
            self.breaker.failed()
            return _unsettled(JudgeOutcome.ERROR, describe(error), started)
        self.breaker.succeeded()
        self._answers.put(key, answer)
        return _settled(answer, note, started)

    def _ask(self, question: Question, deadline: float) -> Generator[Send, Any, JudgeAnswer]:
        structured = self.structured
        try:
            return (yield from self._ask_once(question, deadline, structured=structured))
        except JudgeFailedError as error:
            if not (structured and error.refused_format):
                raise
        answer = yield from self._ask_once(question, deadline, structured=False)
        # Only now is it known that the schema was what the provider did not take.
        self.structured = False
        return answer

    def _ask_once(
        self, question: Question, deadline: float, *, structured: bool
    ) -> Generator[Send, Any, JudgeAnswer]:
        mark = secrets.token_hex(16)
        request = body(question, mark, self.settings.model, structured=structured)
        tokens = _tokens(request)
        if not self.budget.take(tokens):
            raise _NotAskedError(
                JudgeOutcome.OVER_BUDGET,
                f"{self.settings.tokens_per_hour} tokens an hour are used up",
            )
        if not self.breaker.allows():
            self.budget.correct(-tokens)
            raise _NotAskedError(JudgeOutcome.ERROR, "not asked: it failed too often just now")
        left = deadline - time.monotonic()
        if left <= 0:
            raise JudgeTimeoutError("no answer in time")
        raw: bytes = yield Send(self.client, request, left)
        content, used = content_of(raw)
        self.budget.correct(max(0, used - tokens))
        return read(content, mark, about_call=question.surface is Surface.TOOL_CALL)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


class _NotAskedError(Exception):
    def __init__(self, outcome: JudgeOutcome, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome


def findings_of(answer: JudgeAnswer, question: Question, length: int) -> tuple[Finding, ...]:
    """What the answer adds to the findings: at the places of the doubt, or on the whole text.

    Args:
        answer: The answer.
        question: The question.
        length: Characters of the whole text.
    """
    spans = question.spans[:_MAX_SPANS] or (Span(0, length),)
    found: list[Finding] = []
    if answer.attack and answer.threat is not None:
        found += (
            _finding(ATTACK_RULE, answer.threat, answer.attack, span, question) for span in spans
        )
    if answer.strays:
        whole = Span(0, length)
        found.append(
            _finding(STRAYS_RULE, Threat.TOOL_MANIPULATION, answer.strays, whole, question)
        )
    return tuple(found)


def _finding(
    rule_id: str, threat: Threat, confidence: float, span: Span, question: Question
) -> Finding:
    return Finding(
        rule_id=rule_id,
        threat=threat,
        severity=Severity.HIGH,
        confidence=confidence,
        span=span,
        surface=question.surface,
        layer=NAME,
    )


def _settled(answer: JudgeAnswer, note: str, started: float) -> Opinion:
    outcome = JudgeOutcome.AGREED if answer.agrees else JudgeOutcome.DISAGREED
    return Opinion(outcome, answer, note, (time.perf_counter() - started) * 1000)


def _unsettled(outcome: JudgeOutcome, why: str, started: float) -> Opinion:
    log_failure(_log, "the judge did not answer", why)
    return Opinion(outcome, reason=why, latency_ms=(time.perf_counter() - started) * 1000)


def _tokens(request: Mapping[str, Any]) -> int:
    """Tokens that a request may cost, guessed from above for most languages."""
    size = sum(len(json.dumps(m["content"], ensure_ascii=False)) for m in request["messages"])
    return size // _CHARS_A_TOKEN + MAX_ANSWER_TOKENS
