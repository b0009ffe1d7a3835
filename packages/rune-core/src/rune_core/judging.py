"""Whether the judge is asked, about what, and what its answer adds. A step of the pipeline.

It is asked when a policy rule with ``judge: true`` matched, or when the layers leave doubt and
nothing was cut or stopped yet. It can only add: what it reads may talk it out of a suspicion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rune_core.action import Action
from rune_core.failure import describe
from rune_core.layers.base import LayerReport, LayerStatus
from rune_core.layers.l3_judge import NAME
from rune_core.policy.model import INSTRUCTION_THREATS
from rune_core.verdict import score
from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from rune_core.context import ScanContext
    from rune_core.effects import Effect
    from rune_core.engine import Engine
    from rune_core.layers.judge.judge import Judge
    from rune_core.layers.judge.question import Question
    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.policy.evaluate import Evaluation
    from rune_scanner.finding import Finding

JUDGED_THREATS: Final = INSTRUCTION_THREATS | {Threat.DATA_EXFILTRATION, Threat.COMMAND_INJECTION}
"""Threats that a judge can tell from an honest text. Secrets and personal data are not among
them: they are there or not, and they are not sent."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge had to say.

    Attributes:
        report: The layer's report.
        findings: What it adds.
        later: The question, when it is to be asked after the fact.
    """

    report: LayerReport
    findings: tuple[Finding, ...] = ()
    later: Question | None = None


def consult_judge(
    text: str,
    context: ScanContext,
    findings: Sequence[Finding],
    evaluation: Evaluation | None,
    policy: CompiledPolicy,
    engine: Engine,
) -> Generator[Effect, object, Judged]:
    """Ask the judge, if there is one and reason to.

    Args:
        text: The text, or a call's arguments as JSON.
        context: Where it came from.
        findings: What the other layers found.
        evaluation: What the policies say so far; None when they could not be evaluated.
        policy: The policies in force.
        engine: Holds the judge.
    """
    layer = engine.judge_layer
    reason = layer.skip_reason(context, findings)
    judge = layer.judge
    if reason is not None or judge is None:
        return Judged(LayerReport(NAME, LayerStatus.SKIPPED, reason=reason or "not configured"))
    from rune_core.layers.judge.judge import JudgeOutcome, Opinion, findings_of

    doubted = _doubted(findings, judge.settings.doubt)
    if evaluation is None:
        return Judged(Opinion(JudgeOutcome.NOT_ASKED, reason="no policy to ask by").report())
    by_policy = _asked_by_policy(evaluation, policy)
    if not by_policy and not _unsettled(doubted, evaluation):
        why = "already cut or stopped" if doubted else "not in doubt"
        return Judged(Opinion(JudgeOutcome.NOT_ASKED, reason=why).report())
    try:
        question = _question(text, context, doubted, judge, engine)
    except Exception as error:  # noqa: BLE001 - what may hold a secret is not sent
        return Judged(Opinion(JudgeOutcome.ERROR, reason=f"not sent: {describe(error)}").report())
    if judge.settings.later:
        opinion = Opinion(JudgeOutcome.LATER, reason="asked after the fact")
        return Judged(opinion.report(), later=question)
    opinion = yield from judge.consult(question)
    found = () if opinion.answer is None else findings_of(opinion.answer, question, len(text))
    return Judged(opinion.report(), found)


def _doubted(findings: Iterable[Finding], doubt: tuple[float, float]) -> list[Finding]:
    """The findings of the threats whose score is in doubt."""
    by_threat: dict[Threat, list[Finding]] = {}
    for finding in findings:
        if finding.threat in JUDGED_THREATS:
            by_threat.setdefault(finding.threat, []).append(finding)
    low, high = doubt
    return [
        finding for group in by_threat.values() if low <= score(group) < high for finding in group
    ]


def _asked_by_policy(evaluation: Evaluation, policy: CompiledPolicy) -> bool:
    return bool(policy.judging) and any(
        match.rule in policy.judging and not match.excepted_by for match in evaluation.matches
    )


def _unsettled(doubted: Iterable[Finding], evaluation: Evaluation) -> bool:
    """Whether a doubt is left that no rule has cut, in a text or call that no rule has stopped.

    What was cut for another reason settles nothing: a key beside it must not hide an injection.
    """
    acting = [match for match in evaluation.matches if match.acts]
    if any(match.action.rank > Action.REDACT.rank for match in acting):
        return False
    cut = {match.threat for match in acting if match.action is Action.REDACT}
    return any(finding.threat not in cut for finding in doubted)


def _question(
    text: str, context: ScanContext, doubted: Sequence[Finding], judge: Judge, engine: Engine
) -> Question:
    from rune_core.layers.judge.question import question_about
    from rune_scanner import scan

    # With layer 1 off, secrets are looked for all the same.
    look = engine.rules_layer.scanner.scan if engine.config.l1_enabled else scan

    def secrets_in(shown: str) -> Iterable[Finding]:
        return look(shown, context.surface).findings

    return question_about(text, context, doubted, secrets_in, judge.settings.max_chars)
