"""Analytics: what agents did, over ClickHouse, embedded or as a server.

::

    ingest ──lines──> events ──views──> events_by_minute ──> events_by_hour
                        │         └─────> latency_by_hour, missed_by_hour, seen, usage_by_day
                        │                   │
    api, dashboard, alerts <── Analytics ───┘   one handle per thread, readers can only read
"""

from rune_server.analytics.analytics import DEFAULT_REGION, Analytics, open_analytics
from rune_server.analytics.connect import Target
from rune_server.analytics.model import (
    EVERYTHING,
    AgentRow,
    CountRow,
    CoverageRow,
    Dimension,
    EventFilter,
    EventRow,
    LatencyRow,
    Page,
    SeenKind,
    SeenRow,
    Series,
    SessionRow,
    ToolRow,
    TopRow,
    Totals,
    UsageRow,
    Window,
)

__all__ = [
    "DEFAULT_REGION",
    "EVERYTHING",
    "AgentRow",
    "Analytics",
    "CountRow",
    "CoverageRow",
    "Dimension",
    "EventFilter",
    "EventRow",
    "LatencyRow",
    "Page",
    "SeenKind",
    "SeenRow",
    "Series",
    "SessionRow",
    "Target",
    "ToolRow",
    "TopRow",
    "Totals",
    "UsageRow",
    "Window",
    "open_analytics",
]
