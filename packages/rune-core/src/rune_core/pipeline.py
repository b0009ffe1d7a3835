"""The pipeline: from a text to a result. One generator serves sync and async (see effects)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rune_core.action import Action
from rune_core.approval import put_question
from rune_core.effects import HEAVY_TEXT, ApprovalHandler, Compute, Effect, RunLayer
from rune_core.extent import widened
from rune_core.fail_modes import (
    PIPELINE_LAYER,
    POLICY_LAYER,
    REDACTION_LAYER,
    VALUE_LAYER,
    closes,
)
from rune_core.failure import describe, log_failure
from rune_core.ids import uuid7
from rune_core.judging import consult_judge
from rune_core.layers.base import LayerOutcome, LayerReport, LayerStatus
from rune_core.layers.l3_judge import NAME as JUDGE
from rune_core.policy.conditions import Activation
from rune_core.policy.counting import Counted, count_call
from rune_core.policy.decision import Decision, RuleMatch
from rune_core.policy.evaluate import Cut, Evaluation, Facts, decide, evaluate
from rune_core.policy.model import INSTRUCTION_THREATS, Extent
from rune_core.result import ScanResult
from rune_core.session.cache import Evidence
from rune_core.session.call import CallFacts, call_facts
from rune_core.session.sources import Trust
from rune_core.tool_risk import Risk, declared, infer
from rune_core.values import Rendered, restore
from rune_core.verdict import Verdict, fold
from rune_scanner.finding import Severity, Surface

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from rune_core.context import ScanContext
    from rune_core.engine import Engine
    from rune_core.layers.judge.question import Question
    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.policy.model import FailRule
    from rune_core.rates import Taken
    from rune_core.tool_risk import ToolProfile
    from rune_scanner.finding import Finding

_log = logging.getLogger("rune_core.pipeline")


@dataclass(frozen=True, slots=True)
class Request:
    """One text or call to look at.

    Attributes:
        rendered: The text, or the value as text.
        value: The value as the caller passed it.
        context: Where it came from.
        approve: Put an ``ask`` to this handler; None to return the question unanswered.
        alert: Emit an alert event when the text or call should be stopped.
        defer: Leave an ``ask`` for later: it is neither counted nor recorded, for the call will be
            decided about again when it is about to be made.
    """

    rendered: Rendered
    value: object = field(repr=False)
    context: ScanContext
    approve: ApprovalHandler | None = None
    alert: bool = False
    defer: bool = False


@dataclass(slots=True)
class _State:
    """What is known so far, kept outside the steps so that a crash does not lose it."""

    findings: list[Finding] = field(default_factory=list)
    reports: list[LayerReport] = field(default_factory=list)
    cached: bool = False
    taken: Taken | None = None
    tool_risk: str | None = None
    on_error: tuple[FailRule, ...] = ()
    call: CallFacts | None = None
    counted: Counted | None = None
    facts: Facts | None = None
    judged_later: Question | None = None


def inspect_text(request: Request, engine: Engine) -> Generator[Effect, Any, ScanResult]:
    """Scan, judge, decide, redact, ask, record.

    Never raises for what a layer, a policy or a plug-in does wrong: that ends as a report in a
    result that says ``degraded``, open or closed as ``fail_modes`` says.
    """
    started = time.perf_counter()
    state = _State()
    try:
        result = yield from _steps(request, engine, state, started)
    except Exception as error:  # noqa: BLE001 - our own fault must not crash the host
        result = _crashed(request, state, describe(error), started)
    stopped = _stopped(result)
    deferred = request.defer and result.action is Action.ASK
    if (stopped or deferred) and state.taken is not None:
        state.taken.give_back()
    if state.counted is not None:
        state.counted.settle(made=not (stopped or deferred), refused=stopped)
    if deferred:
        return result
    _count(request.context, result, stopped=stopped)
    if request.context.surface is Surface.TOOL_DEFINITION and request.context.tool and not stopped:
        engine.profiles.note(request.context.tool, request.value)
    engine.record(result, request.context, state.tool_risk, request.value)
    if state.judged_later is not None:
        engine.judge_later(state.judged_later, result, request.context)
    if engine.journal is not None:
        engine.journal.decided(result, request.context, request.rendered)
    if stopped and request.alert:
        engine.alert(result.decision.rule or "", result, request.context)
    return result


def _count(context: ScanContext, result: ScanResult, *, stopped: bool) -> None:
    counters = context.session.counters
    if context.surface is not Surface.TOOL_CALL:
        counters.text(
            untrusted=_TRUST.get(context.surface) is Trust.UNTRUSTED,
            flagged=result.action is not Action.ALLOW,
        )
    elif context.tool is not None:
        counters.call(context.tool, made=not stopped)


def _stopped(result: ScanResult) -> bool:
    if result.action is Action.ASK:
        return result.decision.approval in ("denied", "unavailable")
    return result.action is Action.BLOCK


def _steps(
    request: Request, engine: Engine, state: _State, started: float
) -> Generator[Effect, Any, ScanResult]:
    context, text = request.context, request.rendered.text
    policy = engine.policies.current()
    state.on_error = policy.on_error
    state.tool_risk = context.tool_risk
    if state.tool_risk is None and context.tool is not None:
        rules = policy.for_tool(context.tool)
        profile = engine.profiles.of(context.tool)
        undeclared = rules.declared_risk is None and rules.declared_capabilities is None
        state.tool_risk = profile.risk.value if profile and undeclared else rules.risk
    yield from _gather(request, engine, policy, state)
    try:
        evaluation = yield from _judge(
            request, engine, policy, state, _evaluate(policy, request, engine, state)
        )
    finally:
        # With what the judge found, and whatever becomes of it: the run goes on from here.
        _remember(request, state)
    for report in state.reports:
        if report.failed and closes(
            report.layer, context.surface, state.tool_risk, policy.on_error
        ):
            evaluation.matches.append(_failure_match(report.layer))
    decision = decide(str(uuid7()), policy.revision, evaluation.matches)
    content: str | None = None
    value: object = None
    if evaluation.cuts:
        try:
            findings = widened(text, evaluation.cuts)
            content = yield Compute(
                lambda: _redact(text, findings, engine, policy, context), len(text) > HEAVY_TEXT
            )
            value = _restored(request, content)
        except Exception as error:  # noqa: BLE001 - what was found is still in the text: closed
            content, value = None, None
            state.reports.append(
                LayerReport(REDACTION_LAYER, LayerStatus.ERROR, reason=describe(error))
            )
            log_failure(_log, "redaction failed", describe(error))
            if closes(REDACTION_LAYER, context.surface, state.tool_risk, policy.on_error):
                decision = decide(
                    decision.id,
                    policy.revision,
                    [*evaluation.matches, _failure_match(REDACTION_LAYER)],
                )
    result = ScanResult(
        surface=context.surface,
        decision=decision,
        verdict=fold(state.findings, state.reports),
        findings=tuple(state.findings),
        reports=tuple(state.reports),
        sanitized_content=content,
        sanitized_value=value,
        scanned_length=len(text),
        scan_latency_ms=(time.perf_counter() - started) * 1000,
        cached=state.cached,
        call=state.call,
    )
    if decision.action is Action.ASK and (request.defer or request.approve is not None):
        result = yield from put_question(
            request.approve,
            result,
            policy,
            context,
            request.value,
            request.rendered.plain,
            seconds=engine.config.approval_timeout_seconds,
            defer=request.defer,
        )
        if request.defer:
            return result
    for name in evaluation.alerts:
        engine.alert(name, result, context)
    return result


def _gather(
    request: Request, engine: Engine, policy: CompiledPolicy, state: _State
) -> Generator[Effect, Any, None]:
    """Let every layer look, or take what the layers said about the same text before."""
    context, text = request.context, request.rendered.text
    cache = context.session.cache
    key = None
    try:
        key = cache.key(
            text, context.surface, engine.detector_revision(policy), engine.cache_scope(context)
        )
    except Exception as error:  # noqa: BLE001 - layers say themselves why they fail
        _log.debug("no detector revision: %s", describe(error))
    evidence = cache.get(key)
    if evidence is not None:
        state.cached = True
        state.findings.extend(evidence.findings)
        state.reports.extend(evidence.reports)
    else:
        final = True
        # Counted from here: asking for the detectors' revision, above, compiled the rules, and a
        # process's first text must not go unread because that took its time.
        deadline = time.perf_counter() + engine.config.scan_timeout_ms / 1000
        for layer in engine.layers_for(policy):
            if layer.name == JUDGE:
                continue
            reason = _skip_reason(layer, context, state.findings)
            if isinstance(reason, LayerReport):
                state.reports.append(reason)
                continue
            left = deadline - time.perf_counter()
            if left <= 0:
                state.reports.append(
                    LayerReport(layer.name, LayerStatus.TIMEOUT, reason="no time left")
                )
                continue
            outcome: LayerOutcome = yield RunLayer(layer, text, context, left)
            state.findings.extend(outcome.findings)
            state.reports.append(outcome.report)
            final &= outcome.final
        if final:
            cache.put(key, Evidence(tuple(state.findings), tuple(state.reports)))
    changed = engine.pins.look(context, text)
    if changed is not None:
        state.findings.append(changed)
    if not request.rendered.complete:
        state.reports.append(
            LayerReport(
                VALUE_LAYER, LayerStatus.ERROR, reason="too large or unreadable to scan whole"
            )
        )


def _skip_reason(
    layer: Any, context: ScanContext, findings: Sequence[Finding]
) -> LayerReport | None:
    """The report of a layer that will not run here, or None when it will."""
    try:
        reason = layer.skip_reason(context, findings)
    except Exception as error:  # noqa: BLE001 - one layer's fault must not take the others along
        return LayerReport(layer.name, LayerStatus.ERROR, reason=describe(error))
    return None if reason is None else LayerReport(layer.name, LayerStatus.SKIPPED, reason=reason)


def _remember(request: Request, state: _State) -> None:
    """Keep what the run has read, so that a later call's arguments can be traced to it."""
    sources = request.context.session.sources
    trust = _TRUST.get(request.context.surface)
    if sources is None or trust is None:
        return
    text = request.rendered.text
    telling = [
        Cut(finding, Extent.PARAGRAPH)
        for finding in state.findings
        if finding.threat in INSTRUCTION_THREATS
    ]
    sources.add(
        text,
        trust,
        tool=request.context.tool or request.context.source,
        message_id=f"{trust}:{hash(text)}",
        findings=widened(text, telling) if telling else (),
    )


_TRUST = {
    Surface.INPUT: Trust.USER,
    Surface.TOOL_RESULT: Trust.UNTRUSTED,
    Surface.DOCUMENT: Trust.UNTRUSTED,
    Surface.HANDOFF: Trust.UNTRUSTED,
}


def _profile(
    context: ScanContext, policy: CompiledPolicy, engine: Engine, arguments: Mapping[str, object]
) -> ToolProfile:
    """What the tool can do: as declared, else as its definition tells, else as its name does."""
    assert context.tool is not None
    rules = policy.for_tool(context.tool)
    if rules.declared_capabilities is not None:
        profile = declared(context.tool, rules.declared_capabilities)
    else:
        known = engine.profiles.of(context.tool)
        profile = infer(context.tool, schema=arguments) if known is None else known
    risk = context.tool_risk or rules.declared_risk
    return profile if risk is None else replace(profile, risk=Risk(risk), evidence="declared")


def _trace(request: Request, policy: CompiledPolicy, engine: Engine, state: _State) -> Activation:
    """What conditions may ask about a call."""
    context = request.context
    assert context.tool is not None
    value = request.value
    arguments = value if isinstance(value, Mapping) else {"args": value}
    state.call = call_facts(
        _profile(context, policy, engine, arguments),
        arguments,
        context.session.sources,
        context.session.counters.seen_from(context.tool),
    )
    return Activation(state.call, arguments, state.findings, context.agent_id, context.agent_tags)


def _evaluate(
    policy: CompiledPolicy, request: Request, engine: Engine, state: _State
) -> Evaluation:
    context = request.context
    tags = frozenset(context.agent_tags)
    exceeded: frozenset[str] = frozenset()
    call: Activation | None = None
    try:
        if context.surface is Surface.TOOL_CALL and context.tool is not None:
            rules = policy.for_tool(context.tool)
            if rules.calls or rules.names:
                call = _trace(request, policy, engine, state)
            limits = [
                rule for rule in rules.limits if rule.concerns(context.tool, context.agent_id, tags)
            ]
            if limits:
                state.taken = engine.rates.take(limits, context)
                exceeded = frozenset(state.taken.exceeded)
            if rules.budgets or policy.follows_calls:
                state.counted = count_call(
                    policy, context, request.rendered.plain, call, engine.accounts
                )
        facts = Facts(
            surface=context.surface,
            findings=state.findings,
            tool=context.tool,
            agent_id=context.agent_id,
            tags=tags,
            exceeded=exceeded,
            call=call,
            counted=state.counted.reasons if state.counted is not None else {},
        )
        evaluation = evaluate(policy, facts)
    except Exception as error:  # noqa: BLE001 - a fault in the policy ends as a report
        return _unevaluated(state, error)
    state.facts = facts
    return evaluation


def _unevaluated(state: _State, error: Exception) -> Evaluation:
    log_failure(_log, "policy evaluation failed", describe(error))
    state.reports.append(LayerReport(POLICY_LAYER, LayerStatus.ERROR, reason=describe(error)))
    return Evaluation()


def _judge(
    request: Request,
    engine: Engine,
    policy: CompiledPolicy,
    state: _State,
    evaluation: Evaluation,
) -> Generator[Effect, Any, Evaluation]:
    """Ask the judge where there is doubt; what it finds is held against the policies again."""
    judged = yield from consult_judge(
        request.rendered.text,
        request.context,
        state.findings,
        evaluation if state.facts is not None else None,
        policy,
        engine,
    )
    state.reports.append(judged.report)
    state.judged_later = judged.later
    if not judged.findings or state.facts is None:
        return evaluation
    state.findings.extend(judged.findings)
    try:
        # Nothing is counted twice: what was counted is among the facts.
        return evaluate(policy, state.facts)
    except Exception as error:  # noqa: BLE001 - as above
        return _unevaluated(state, error)


def _redact(
    text: str,
    findings: Sequence[Finding],
    engine: Engine,
    policy: CompiledPolicy,
    context: ScanContext,
) -> str:
    """Cut, look again, cut again: cutting can join what stood apart."""
    redactor = engine.redactor()
    for _ in range(_MAX_ROUNDS):
        text = redactor.redact(text, findings)
        left = engine.rescan(text, policy, context)
        evaluation = evaluate(
            policy,
            Facts(
                surface=context.surface,
                findings=left,
                tool=context.tool,
                agent_id=context.agent_id,
                tags=frozenset(context.agent_tags),
            ),
        )
        if not evaluation.cuts:
            return text
        findings = widened(text, evaluation.cuts)
    raise RuntimeError("cutting does not come to an end")


_MAX_ROUNDS = 8


def _restored(request: Request, content: str) -> object:
    if request.rendered.is_text:
        return None
    plain = request.rendered.plain
    if not isinstance(plain, dict | list | str):
        # A bare number that was cut is no JSON any more; the label is all that is left of it.
        return content
    return restore(request.value, plain, json.loads(content))


def _failure_match(layer: str) -> RuleMatch:
    return RuleMatch(
        rule="fail-closed",
        policy="failure",
        kind="failure",
        action=Action.BLOCK,
        severity=Severity.HIGH,
        reason=f"layer {layer} did not finish, and here that closes the way",
    )


def _crashed(request: Request, state: _State, reason: str, started: float) -> ScanResult:
    """The result of a pipeline that broke: never an exception, never clean."""
    log_failure(_log, "the pipeline failed", reason)
    context = request.context
    report = LayerReport(PIPELINE_LAYER, LayerStatus.ERROR, reason=reason)
    matches = []
    risk = state.tool_risk or context.tool_risk
    if closes(PIPELINE_LAYER, context.surface, risk, state.on_error):
        matches.append(_failure_match(PIPELINE_LAYER))
    return ScanResult(
        surface=context.surface,
        decision=decide(str(uuid7()), "", matches)
        if matches
        else Decision(str(uuid7()), explanation="Allowed, unchecked: the pipeline failed."),
        verdict=Verdict(degraded=True),
        findings=tuple(state.findings),
        reports=(*state.reports, report),
        scanned_length=len(request.rendered.text),
        scan_latency_ms=(time.perf_counter() - started) * 1000,
    )
