"""An application's OpenTelemetry, with Rune's sink on it, whose exports can be searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rune_core import hookimpl
from rune_core.sinks.otel import OtelSink

if TYPE_CHECKING:
    from collections.abc import Iterator


class Telemetry:
    """Registers the sink as a plug-in would."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self._sink = OtelSink(tracers, MeterProvider([self._reader]))

    @hookimpl
    def rune_event_sinks(self) -> Any:
        return [self._sink]

    def exports(self) -> Iterator[tuple[str, bytes]]:
        """Every span and every metric, as they are exported."""
        for span in self._exporter.get_finished_spans():
            yield "a span", span.to_json().encode()
        data = self._reader.get_metrics_data()
        if data is not None:
            yield "the metrics", data.to_json().encode()
