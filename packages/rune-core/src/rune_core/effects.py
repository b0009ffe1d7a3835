"""Effects of the pipeline, and the two drivers that carry them out.

The pipeline is a generator. It never calls a layer, a thread or a person: it yields what it
wants done and is sent the answer. ``drive`` does that synchronously, ``adrive`` on an event loop.
They differ in nothing but how they wait.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from rune_core.failure import describe, log_failure
from rune_core.layers.base import Found, LayerOutcome, LayerReport, LayerStatus, RegisteredLayer
from rune_core.layers.judge.client import Send
from rune_scanner.finding import Finding, Severity, Threat

if TYPE_CHECKING:
    from rune_core.context import ScanContext
    from rune_core.policy.decision import Decision
    from rune_core.result import ScanResult

_T = TypeVar("_T")
_THREATS = frozenset(Threat)
_SEVERITIES = frozenset(Severity)
_log = logging.getLogger("rune_core.pipeline")
HEAVY_TEXT = 100_000
"""Characters from which even the rules take milliseconds, too long for an event loop."""


@dataclass(frozen=True, slots=True)
class RunLayer:
    """Let a layer look at a text. Answered with a LayerOutcome.

    Attributes:
        layer: The layer.
        text: The text.
        context: Where it came from.
        seconds: Time left for it.
    """

    layer: RegisteredLayer
    text: str = field(repr=False)
    context: ScanContext
    seconds: float


@dataclass(frozen=True, slots=True)
class Compute:
    """Run a function of no arguments. Answered with what it returns; its exceptions are thrown in.

    Attributes:
        function: What to run.
        heavy: True to keep it off the event loop.
    """

    function: Callable[[], Any]
    heavy: bool


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What a person is asked to approve. Stays in the process.

    Attributes:
        tool: The tool to be called; None when the question is about a text.
        content: The arguments, or the text. Not part of ``repr``.
        explanation: Why it is asked.
        decision: The decision.
        result: The whole result.
    """

    tool: str | None
    content: object = field(repr=False)
    explanation: str
    decision: Decision
    result: ScanResult


ApprovalHandler: TypeAlias = Callable[[ApprovalRequest], "bool | Awaitable[bool]"]


TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask a person. Answered with ``approved``, ``denied``, ``unavailable`` or :data:`TIMED_OUT`.

    Attributes:
        handler: Who is asked.
        request: What.
        seconds: How long to wait; None for as long as it takes.
    """

    handler: ApprovalHandler
    request: ApprovalRequest
    seconds: float | None = None


Effect: TypeAlias = RunLayer | Compute | AskApproval | Send


def drive(pipeline: Generator[Effect, Any, _T]) -> _T:
    """Carry a pipeline's effects out on this thread."""
    try:
        effect = next(pipeline)
        while True:
            try:
                answer = _perform(effect)
            except Exception as error:  # noqa: BLE001 - the pipeline decides what it means
                effect = pipeline.throw(error)
            else:
                effect = pipeline.send(answer)
    except StopIteration as done:
        return cast("_T", done.value)


async def adrive(pipeline: Generator[Effect, Any, _T]) -> _T:
    """Carry a pipeline's effects out on the running event loop, without stalling it."""
    try:
        effect = next(pipeline)
        while True:
            try:
                answer = await _aperform(effect)
            except Exception as error:  # noqa: BLE001 - the pipeline decides what it means
                effect = pipeline.throw(error)
            else:
                effect = pipeline.send(answer)
    except StopIteration as done:
        return cast("_T", done.value)


def _perform(effect: Effect) -> Any:
    if isinstance(effect, RunLayer):
        return _run_layer(effect)
    if isinstance(effect, Compute):
        return effect.function()
    if isinstance(effect, Send):
        return effect.client.send(effect.body, effect.seconds)
    answer = effect.handler(effect.request) if effect.seconds is None else _waited(effect)
    if answer is _NO_ANSWER:
        return TIMED_OUT
    if inspect.isawaitable(answer):
        _discard(answer)
        _log.error("the approval handler is asynchronous; use the a-prefixed methods")
        return "unavailable"
    return "approved" if answer is True else "denied"


_NO_ANSWER: Any = object()


def _waited(effect: AskApproval) -> Any:
    """What the handler answers in time. It goes on in a thread of its own; nobody can stop it."""
    answers: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()
    context = contextvars.copy_context()

    def ask() -> None:
        try:
            answers.put((context.run(effect.handler, effect.request), None))
        except Exception as error:  # noqa: BLE001 - handed to who waits
            answers.put((None, error))

    # A daemon: a person who never answers must not keep the process from ending.
    threading.Thread(target=ask, name="rune-approval", daemon=True).start()
    try:
        answer, error = answers.get(timeout=effect.seconds)
    except Empty:
        return _NO_ANSWER
    if error is not None:
        raise error
    return answer


async def _aperform(effect: Effect) -> Any:
    if isinstance(effect, RunLayer):
        return await _arun_layer(effect)
    if isinstance(effect, Compute):
        return await asyncio.to_thread(effect.function) if effect.heavy else effect.function()
    if isinstance(effect, Send):
        return await effect.client.asend(effect.body, effect.seconds)
    limit = asyncio.timeout(effect.seconds)
    try:
        async with limit:
            answer = await _aanswer(effect)
    except TimeoutError:
        if not limit.expired():
            raise
        return TIMED_OUT
    return "approved" if answer is True else "denied"


async def _aanswer(effect: AskApproval) -> Any:
    handler: Any = effect.handler
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - inspected, not asked whether callable
    ):
        return await handler(effect.request)
    # A handler that waits for a person must not keep the loop waiting. A thread of its own, not
    # one of the loop's pool: a person who never answers would keep it from being shut down.
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def ask() -> None:
        try:
            answer, error = context.run(handler, effect.request), None
        except Exception as failure:  # noqa: BLE001 - handed to who waits
            answer, error = None, failure
        # The loop may be gone by then, and with it whoever waited.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, done, answer, error)

    threading.Thread(target=ask, name="rune-approval", daemon=True).start()
    answer = await done
    return await answer if inspect.isawaitable(answer) else answer


def _settle(done: asyncio.Future[Any], answer: Any, error: Exception | None) -> None:
    if done.done():  # given up
        if inspect.isawaitable(answer):
            _discard(answer)
    elif error is not None:
        done.set_exception(error)
    else:
        done.set_result(answer)


def _run_layer(effect: RunLayer) -> LayerOutcome:
    started = time.perf_counter()
    try:
        answer = effect.layer.layer.scan(effect.text, effect.context)
        if inspect.isawaitable(answer):
            _discard(answer)
            report = LayerReport(
                effect.layer.name,
                LayerStatus.SKIPPED,
                reason="asynchronous scanner: runs only under the a-prefixed methods",
            )
            return LayerOutcome(report, final=False)
        return _outcome(effect, answer, started)
    except Exception as error:  # noqa: BLE001 - one layer's fault must not take the others along
        return _failed(effect, error, started)


async def _arun_layer(effect: RunLayer) -> LayerOutcome:
    started = time.perf_counter()
    scan = effect.layer.layer.scan
    slow = effect.layer.heavy or len(effect.text) > HEAVY_TEXT
    limit: asyncio.Timeout | None = None
    answer: Any
    try:
        if slow and not inspect.iscoroutinefunction(scan):
            answer = asyncio.to_thread(scan, effect.text, effect.context)
        else:
            answer = scan(effect.text, effect.context)
        if inspect.isawaitable(answer):
            async with asyncio.timeout(effect.seconds) as limit:
                answer = await answer
                # What ran in a thread may turn out to be asynchronous only now.
                if inspect.isawaitable(answer):
                    answer = await answer
        return _outcome(effect, answer, started)
    except TimeoutError as error:
        if limit is None or not limit.expired():
            return _failed(effect, error, started)
        reason = f"took longer than {effect.seconds:.2g} s"
        return LayerOutcome(LayerReport(effect.layer.name, LayerStatus.TIMEOUT, reason=reason))
    except Exception as error:  # noqa: BLE001 - one layer's fault must not take the others along
        return _failed(effect, error, started)


def _outcome(effect: RunLayer, answer: Any, started: float) -> LayerOutcome:
    found = answer if isinstance(answer, Found) else Found(tuple(answer or ()))
    kept: list[Finding] = []
    problem = ""
    for finding in found.findings:
        fault = "" if effect.layer.builtin else _finding_problem(finding, len(effect.text))
        if fault:
            problem = problem or fault
            continue
        # A plug-in cannot pass its findings off as another layer's.
        kept.append(
            finding
            if finding.layer == effect.layer.name
            else replace(finding, layer=effect.layer.name)
        )
    score = found.score
    if score is None:
        score = max((finding.confidence for finding in kept), default=0.0)
    return LayerOutcome(
        LayerReport(
            layer=effect.layer.name,
            status=LayerStatus.ERROR if problem else LayerStatus.RAN,
            score=None if problem else score,
            latency_ms=(time.perf_counter() - started) * 1000,
            reason=problem or found.note,
            complete=not found.incomplete,
        ),
        tuple(kept),
    )


def _finding_problem(finding: Any, length: int) -> str:
    """Why what a plug-in returned is not a finding; empty when it is."""
    if not isinstance(finding, Finding):
        return f"returned {type(finding).__name__}, not Finding"
    # What a stranger's code built need not hold what its types say.
    start, end, confidence = cast("Any", (*finding.span, finding.confidence))
    if not 0 <= start <= end <= length:
        return "returned a span outside the text"
    if not 0 <= confidence <= 1:
        return "returned a confidence outside 0 to 1"
    if finding.threat not in _THREATS or finding.severity not in _SEVERITIES:
        return "returned an unknown threat or severity"
    return ""


def _failed(effect: RunLayer, error: Exception, started: float) -> LayerOutcome:
    reason = describe(error)
    log_failure(_log, f"layer {effect.layer.name} failed", reason)
    report = LayerReport(
        effect.layer.name,
        LayerStatus.ERROR,
        latency_ms=(time.perf_counter() - started) * 1000,
        reason=reason,
    )
    return LayerOutcome(report)


def _discard(awaitable: Any) -> None:
    """Drop an awaitable that will not be awaited, without the interpreter's warning about it."""
    close = getattr(awaitable, "close", None) or getattr(awaitable, "cancel", None)
    if close is not None:
        close()
