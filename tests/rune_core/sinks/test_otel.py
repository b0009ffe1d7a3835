"""Spans and metrics, as a real OpenTelemetry SDK exports them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.sdk", reason="needs rune-core[otel]")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rune_core import hookimpl
from rune_core.event.schema import Event
from rune_core.queue.loss import Loss
from rune_core.sinks.otel import _ATTRIBUTES, OtelSink
from rune_core.testing import FakeScanner, RecordingSink, shield_for_tests
from rune_scanner.finding import Threat

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

from local_rune_server import KEY, RuneServer

POLICY = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'


class Telemetry:
    """An application's own set-up, and Rune's sink on it."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.sink = OtelSink(self.tracers, MeterProvider([self.reader]))

    @hookimpl
    def rune_event_sinks(self):
        return [self.sink]

    @property
    def spans(self):
        return [s for s in self.exporter.get_finished_spans() if s.name.startswith("run_guard")]

    def points(self):
        data = self.reader.get_metrics_data()
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def telemetry():
    return Telemetry()


def test_an_event_is_a_span_with_the_conventions_names(telemetry):
    beside = RecordingSink()
    with shield_for_tests(telemetry, beside, policy=POLICY) as shield:
        with shield.session(agent_id="clerk") as session:
            shield.validate_action("pay", {"to": "bob"})
        shield.flush()
    [span], [event] = telemetry.spans, beside.events
    assert span.name == "run_guardrail tool_call"
    assert span.attributes["gen_ai.operation.name"] == "run_guardrail"
    assert span.attributes["gen_ai.tool.name"] == "pay"
    assert span.attributes["gen_ai.agent.id"] == "clerk"
    assert span.attributes["gen_ai.conversation.id"] == session.id
    assert span.attributes["rune.action"] == "block"
    assert span.attributes["rune.rule"] == "no-pay"
    assert span.attributes["rune.decision.id"] == event.decision_id
    assert {e.attributes["rune.layer"] for e in span.events} == {e.layer for e in event.layers}
    took = (span.end_time - span.start_time) / 1e6
    assert took == pytest.approx(event.latency_ms, abs=0.01)
    assert span.status.is_unset
    assert span.parent is None


def test_a_span_lies_in_the_span_of_the_scan(telemetry):
    tracer = telemetry.tracers.get_tracer("application")
    with shield_for_tests(telemetry) as shield:
        with tracer.start_as_current_span("agent") as agent:
            shield.scan_input("x")
        shield.scan_input("x")
        shield.flush()
    first, second = telemetry.spans
    assert first.parent.span_id == agent.get_span_context().span_id
    assert first.context.trace_id == agent.get_span_context().trace_id
    assert second.parent is None


def test_metrics_count_decisions_times_and_losses(telemetry):
    scanner = FakeScanner({"evil": Threat.PROMPT_INJECTION})
    with shield_for_tests(telemetry, scanner, policy=POLICY) as shield:
        for text in ("x", "y", "so evil"):
            shield.scan_tool_result(text)
        shield.validate_action("pay", {})
        shield.flush()
    telemetry.sink.lost([Loss("queue_full", "scan", 3)])
    points = telemetry.points()
    counts = {
        (p.attributes["rune.surface"], p.attributes["rune.action"]): p.value
        for p in points["rune.decisions"]
    }
    assert counts[("tool_call", "block")] == 1
    assert sum(counts.values()) == 4
    assert sum(p.count for p in points["rune.scan.duration"]) == 4
    layers = {p.attributes["rune.layer"] for p in points["rune.layer.duration"]}
    assert "plugin:fake" in layers
    assert "l1_rules" not in layers  # it was skipped
    [lost] = points["rune.events.lost"]
    assert (lost.value, lost.attributes["rune.reason"]) == (3, "queue_full")


def test_every_attribute_comes_from_a_field_of_the_closed_schema():
    assert set(_ATTRIBUTES) <= set(Event.__struct_fields__)


def test_the_setting_uses_the_applications_providers(monkeypatch):
    from opentelemetry import trace

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    with shield_for_tests(events_enabled=True, events_to_otel=True) as shield:
        shield.scan_input("x")
        shield.flush()
    assert [span.name for span in exporter.get_finished_spans()] == ["run_guardrail input"]


def test_without_the_package_that_is_said_and_nothing_else_breaks(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    path = tmp_path / "e.jsonl"
    with shield_for_tests(
        events_enabled=True, events_to_otel=True, events_to_file=True, events_path=path
    ) as shield:
        shield.scan_input("x")
        shield.flush()
    assert "rune-core[otel]" in caplog.text
    assert len(path.read_text().splitlines()) == 1


def test_our_own_requests_are_not_traced(tmp_path, monkeypatch):
    """Instrumentations look at one key of the context; it is set while events are sent."""
    from opentelemetry import context

    import rune_core.queue.sender as sender

    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path))
    seen = []
    real = sender.post

    def post(*args, **kwargs):
        seen.append(context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY))
        return real(*args, **kwargs)

    monkeypatch.setattr(sender, "post", post)
    with (
        RuneServer() as server,
        shield_for_tests(
            url=server.url, api_key=KEY, allow_http=True, events_enabled=True,
            policy_sync_interval_seconds=0,
        ) as shield,
    ):  # fmt: skip
        shield.scan_input("x")
        assert shield.flush(20)
    assert seen == [True]
    assert context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY) is None
