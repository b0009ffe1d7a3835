"""What Rune registers through its own hooks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rune_core.hookspecs import EventSink, Redactor, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rune_core.config import ShieldConfig
    from rune_core.connection import Connection
    from rune_core.layers.base import Layer
    from rune_scanner.finding import Finding

_log = logging.getLogger("rune_core.events")


class StyleRedactor:
    """One of rune-scanner's redaction styles."""

    def __init__(self, name: str) -> None:
        self.name = name

    def redact(self, text: str, findings: Sequence[Finding]) -> str:
        from rune_scanner import redact

        return redact(text, findings, self.name).text


class BuiltinPlugin:
    """The built-in layers, styles and event sinks.

    Args:
        layers: The layers.
        connection: The server that events go to, if any.
    """

    def __init__(self, layers: Sequence[Layer], connection: Connection | None = None) -> None:
        self._layers = tuple(layers)
        self._connection = connection

    @hookimpl
    def rune_scanners(self) -> Iterable[Layer]:
        return self._layers

    @hookimpl
    def rune_redactors(self) -> Iterable[Redactor]:
        from rune_scanner import RedactionStyle

        return [StyleRedactor(style.value) for style in RedactionStyle]

    @hookimpl
    def rune_event_sinks(self, config: ShieldConfig) -> Iterable[EventSink]:
        if config.events_to_file:
            from rune_core.sinks.jsonl import JsonlSink

            yield JsonlSink(
                config.events_file, max_bytes=config.events_max_bytes, keep=config.events_keep
            )
        if config.events_to_stdout:
            from rune_core.sinks.stdout import StdoutSink

            yield StdoutSink()
        if config.events_to_server and self._connection is not None:
            from rune_core.config import state_folder
            from rune_core.sinks.server import ServerSink

            yield ServerSink(
                self._connection,
                state_folder(),
                max_rows=config.spool_max_events,
                max_bytes=config.spool_max_bytes,
                batch=config.event_batch_size,
                interval=config.event_flush_interval_seconds,
            )
        if config.events_to_otel:
            from importlib.util import find_spec

            if find_spec("opentelemetry") is None:
                _log.error("events_to_otel is set, but not installed: rune-core[otel]")
                return
            from rune_core.sinks.otel import OtelSink

            yield OtelSink()
