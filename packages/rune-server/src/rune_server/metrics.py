"""What a process counts, for Prometheus. Labels are closed sets: no organisation, key or agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

if TYPE_CHECKING:
    from rune_server.ingest import Ingest
    from rune_server.platform import Platform

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

requests = Counter("rune_requests_total", "Requests to the edge", ("route", "status"))
request_seconds = Histogram(
    "rune_request_seconds", "Time until the answer", ("route",), buckets=_SECONDS
)
events = Counter("rune_events_total", "Events by what became of them", ("result",))
events_written = Counter("rune_events_written_total", "Events in the store", ("region",))
write_seconds = Histogram(
    "rune_write_seconds", "Time to write a batch", ("region",), buckets=_SECONDS
)
write_failures = Counter(
    "rune_write_failures_total", "Batches that have to be tried again", ("region",)
)
events_quarantined = Counter(
    "rune_events_quarantined_total", "Events that were set aside", ("region",)
)
refused = Counter("rune_requests_refused_total", "Requests over a limit", ("limit",))

spool_bytes = Gauge("rune_spool_bytes", "Accepted, not known to be in the store")
spool_segments = Gauge("rune_spool_segments", "Segments that wait for the store")
spool_failing = Gauge("rune_spool_failing", "1 while the disk refuses")
analytics_up = Gauge("rune_analytics_up", "1 while ClickHouse answers")
limits_shared = Gauge("rune_limits_shared", "1 while limits are counted in Redis")

_watched: set[Ingest] = set()


def watch(ingest: Ingest) -> None:
    """Read the spool's figures off this when metrics are asked for."""
    _watched.add(ingest)


def unwatch(ingest: Ingest) -> None:
    """No longer."""
    _watched.discard(ingest)


def exposition(platform: Platform) -> bytes:
    """Everything, in Prometheus's text format."""
    spool_bytes.set(sum(ingest.spool.size for ingest in _watched))
    spool_segments.set(sum(ingest.backlog for ingest in _watched))
    failing = any(ingest.spool.failing_since is not None for ingest in _watched)
    spool_failing.set(failing)
    analytics_up.set(platform.analytics.is_reachable)
    limits_shared.set(platform.limits.is_shared is True)
    return generate_latest(REGISTRY)
