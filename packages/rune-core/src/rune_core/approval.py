"""Put the question of an ``ask`` to a person, unless it was answered before."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rune_core.action import Action
from rune_core.effects import TIMED_OUT, ApprovalRequest, AskApproval
from rune_core.failure import describe, log_failure
from rune_core.policy.counting import fingerprint_of
from rune_core.policy.model import Asking, Remember

if TYPE_CHECKING:
    from collections.abc import Generator

    from rune_core.context import ScanContext
    from rune_core.effects import ApprovalHandler, Effect
    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.result import ScanResult

_log = logging.getLogger("rune_core.pipeline")


class NoApprovalHandlerError(Exception):
    """Nobody can be asked."""


def put_question(
    handler: ApprovalHandler | None,
    result: ScanResult,
    policy: CompiledPolicy,
    context: ScanContext,
    content: object,
    arguments: object,
    *,
    seconds: float,
    defer: bool,
) -> Generator[Effect, Any, ScanResult]:
    """Ask, and note in the decision what the answer was.

    Args:
        handler: Who is asked.
        result: The result whose action is ``ask``.
        policy: The policies it was decided by.
        context: Where the text or call came from.
        content: What the person is shown.
        arguments: A call's arguments in plain form.
        seconds: How long to wait for an answer where the rules do not say; 0 for as long as it
            takes.
        defer: Look only whether it was approved before.
    """
    asking = [
        (match.rule, policy.asking(match.rule))
        for match in result.decision.matches
        if match.acts and match.action is Action.ASK
    ]
    memory = _Memory(context, arguments)
    if asking and all(memory.holds(rule, how) for rule, how in asking):
        return _answered(result, "approved", "Approved before in this session.")
    if defer or handler is None:
        return result
    limits = [how.timeout_seconds for _, how in asking if how.timeout_seconds is not None]
    limit = min(limits, default=seconds)
    question = ApprovalRequest(
        tool=context.tool,
        content=content,
        explanation=result.explanation,
        decision=result.decision,
        result=result,
    )
    try:
        answer: str = yield AskApproval(handler, question, limit or None)
    except NoApprovalHandlerError:
        log_failure(
            _log,
            "a rule asked for approval",
            "nobody can be asked, so it was stopped; give the Shield an approval_handler",
            level=logging.WARNING,
        )
        answer = "unavailable"
    except Exception as error:  # noqa: BLE001 - no answer is not an approval
        log_failure(_log, "the approval handler failed", describe(error))
        answer = "unavailable"
    if answer == TIMED_OUT:
        return _answered(result, "unavailable", f"Nobody answered within {limit:g} s.")
    if answer == "approved":
        for rule, how in asking:
            memory.add(rule, how)
    return _answered(result, answer)


def _answered(result: ScanResult, answer: str, note: str = "") -> ScanResult:
    decision = result.decision
    explanation = f"{decision.explanation} {note}" if note else decision.explanation
    return replace(result, decision=replace(decision, approval=answer, explanation=explanation))


class _Memory:
    """The approvals of a session, for one text or call.

    A session of calls made outside any remembers nothing: there, unrelated runs would share it.
    """

    def __init__(self, context: ScanContext, arguments: object) -> None:
        self._session = context.session if context.session.sources is not None else None
        self._tool = context.tool
        self._arguments = arguments

    def holds(self, rule: str, how: Asking) -> bool:
        what = self._what(how)
        return what is not None and bool(self._session) and self._approvals.holds(rule, what)

    def add(self, rule: str, how: Asking) -> None:
        what = self._what(how)
        if what is not None and self._session:
            self._approvals.add(rule, what, how.remember_seconds)

    @property
    def _approvals(self) -> Any:
        assert self._session is not None
        return self._session.approvals

    def _what(self, how: Asking) -> str | None:
        """What an approval is remembered under; None where it is not."""
        if how.remember is None or self._tool is None:
            return None
        if how.remember is Remember.TOOL:
            return f"tool {self._tool}"
        return f"call {fingerprint_of(self._tool, self._arguments)}"
