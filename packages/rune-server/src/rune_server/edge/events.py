"""``POST /v1/events``: take events in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server import metrics
from rune_server.edge.decode import decoded
from rune_server.errors import TooManyRequestsError, UnsupportedError
from rune_server.http import media_type
from rune_server.limits import Limit

if TYPE_CHECKING:
    from rune_server.edge.call import Call

BURST_SECONDS = 10
"""How much of its rate an organisation may send at once after a pause."""
_JSON = "application/json"
_LINES = frozenset(("application/x-ndjson", "application/ndjson", "application/jsonl"))


async def handle(call: Call) -> None:
    """Answer 202 once every event that is taken is durable.

    Raises:
        ProblemError: Nothing of the request was taken.
    """
    kind, charset = media_type(call.request)
    if (kind != _JSON and kind not in _LINES) or charset not in ("", "utf-8", "utf8"):
        raise UnsupportedError(
            'Content-Type: send application/json with {"events": […]}, or application/x-ndjson '
            "with an event per line, in UTF-8"
        )
    body = await call.body()
    platform, grant = call.platform, call.grant
    assert platform.ingest is not None
    received_at = platform.clock.now()
    found = decoded(
        body,
        lines=kind != _JSON,
        most=platform.settings.max_events_per_request,
        now=received_at,
        retention_days=grant.retention_days,
    )
    if found.events:
        limit = Limit(grant.events_per_second, BURST_SECONDS * grant.events_per_second)
        name = f"events:{grant.organisation_id}"
        taken = await platform.limits.take([(name, limit, len(found.events))])
        call.headers = taken.headers()
        if not taken.allowed:
            metrics.refused.labels("events").inc()
            raise TooManyRequestsError(
                "the organisation's plan takes fewer events a second",
                code="rate_limited_events",
                headers=call.headers,
            )
        accepted = await platform.ingest.accept(
            grant.organisation_id,
            grant.region,
            grant.retention_days,
            found.events,
            received_at,
            found.skewed,
        )
        metrics.events.labels("accepted").inc(accepted.accepted)
        metrics.events.labels("duplicate").inc(accepted.duplicates)
    else:
        accepted = None
    metrics.events.labels("rejected").inc(len(found.rejected))
    await call.answer(
        202,
        {
            "accepted": accepted.accepted if accepted else 0,
            "duplicates": accepted.duplicates if accepted else 0,
            "rejected": found.rejected,
        },
    )
