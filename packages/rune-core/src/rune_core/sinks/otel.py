"""Events as OpenTelemetry spans and metrics, through the providers that the application has set up.

Names follow the GenAI semantic conventions where these have one (``gen_ai.*``; ``run_guardrail`` is
that of the conventions' draft for guardrails); the rest is under ``rune.*``. Metadata only: nothing
is here that is not in the event.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rune_core.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from rune_core.event.schema import Event
    from rune_core.queue.loss import Loss

SCOPE = "rune_core"
OPERATION = "run_guardrail"
_ATTRIBUTES = {
    "event_id": "rune.event.id",
    "event_type": "rune.event.type",
    "surface": "rune.surface",
    "action": "rune.action",
    "monitored_action": "rune.monitored_action",
    "risk_score": "rune.risk_score",
    "threat_type": "rune.threat_type",
    "threats": "rune.threats",
    "severity": "rune.severity",
    "detectors": "rune.detectors",
    "decision_id": "rune.decision.id",
    "parent_id": "rune.parent.id",
    "policy": "rune.policy",
    "policy_revision": "rune.policy.revision",
    "rule": "rune.rule",
    "degraded": "rune.degraded",
    "cached": "rune.cached",
    "redacted": "rune.redacted",
    "approval": "rune.approval",
    "tool_risk": "rune.tool.risk",
    "size": "rune.size",
    "framework": "rune.framework",
    "adapter": "rune.adapter",
    "session_id": "gen_ai.conversation.id",
    "agent_id": "gen_ai.agent.id",
    "tool": "gen_ai.tool.name",
}
"""Fields of an event and the attributes that they become."""


class OtelSink:
    """One span for each event, under the span in which the scan took place, and four instruments.

    Args:
        tracer_provider: By default the application's.
        meter_provider: By default the application's.

    Raises:
        ImportError: ``rune-core[otel]`` is not installed.
    """

    name = "opentelemetry"

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        from opentelemetry import metrics, trace

        self._trace = trace
        self._tracer = trace.get_tracer(SCOPE, VERSION, tracer_provider)
        meter = metrics.get_meter(SCOPE, VERSION, meter_provider)
        self._decisions = meter.create_counter(
            "rune.decisions", "{decision}", "Texts and calls that were decided about"
        )
        self._scans = meter.create_histogram(
            "rune.scan.duration", "s", "Time that a scan took, all layers and the policy"
        )
        self._layers = meter.create_histogram(
            "rune.layer.duration", "s", "Time that one layer of a scan took"
        )
        self._lost = meter.create_counter("rune.events.lost", "{event}", "Events that were lost")

    def here(self) -> object:
        """Where the scan takes place: the current span's context. Called on the scan's thread."""
        context = self._trace.get_current_span().get_span_context()
        return context if context.is_valid else None

    def write(self, events: Sequence[Event]) -> None:
        """Spans without a parent."""
        self.write_at(events, [None] * len(events))

    def write_at(self, events: Sequence[Event], places: Sequence[object]) -> None:
        """Spans and measurements, each span where its scan took place."""
        for event, place in zip(events, places, strict=True):
            self._span(event, place)
            if event.event_type != "alert":
                self._measure(event)

    def lost(self, losses: Sequence[Loss]) -> None:
        """Count losses."""
        for loss in losses:
            attributes = {"rune.reason": loss.reason, "rune.event.type": loss.category}
            self._lost.add(loss.count, attributes)

    def close(self) -> None:
        """The providers are the application's."""

    def _span(self, event: Event, place: object) -> None:
        trace = self._trace
        context = None
        if isinstance(place, trace.SpanContext):
            context = trace.set_span_in_context(trace.NonRecordingSpan(place))
        end = _nanoseconds(event.timestamp)
        span = self._tracer.start_span(
            f"{OPERATION} {event.surface}",
            context=context,
            kind=trace.SpanKind.INTERNAL,
            start_time=end - int(event.latency_ms * 1_000_000),
            attributes=attributes_of(event),
        )
        for layer in event.layers:
            attributes: dict[str, Any] = {
                "rune.layer": layer.layer,
                "rune.status": layer.status,
                "rune.duration_ms": layer.latency_ms,
            }
            if layer.score is not None:
                attributes["rune.score"] = layer.score
            span.add_event("rune.layer", attributes, timestamp=end)
        span.end(end_time=end)

    def _measure(self, event: Event) -> None:
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": OPERATION,
            "rune.surface": event.surface,
            "rune.action": event.action,
        }
        if event.agent_id is not None:
            attributes["gen_ai.agent.id"] = event.agent_id
        if event.threat_type is not None:
            attributes["rune.threat_type"] = event.threat_type
        self._decisions.add(1, attributes)
        self._scans.record(
            event.latency_ms / 1000,
            {"rune.surface": event.surface, "rune.cached": event.cached},
        )
        for layer in event.layers:
            if layer.status != "skipped":
                self._layers.record(
                    layer.latency_ms / 1000,
                    {"rune.layer": layer.layer, "rune.status": layer.status},
                )


def attributes_of(event: Event) -> dict[str, Any]:
    """The attributes of an event's span."""
    found: dict[str, Any] = {"gen_ai.operation.name": OPERATION}
    for field, name in _ATTRIBUTES.items():
        value = getattr(event, field)
        if value is not None and value not in ("", ()):
            found[name] = value
    return found


def _nanoseconds(timestamp: str) -> int:
    moment = datetime.fromisoformat(timestamp)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
