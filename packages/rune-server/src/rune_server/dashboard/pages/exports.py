"""Events to take away: CSV for a spreadsheet, JSON for a program; and all of an organisation."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import StreamingResponse

from rune_server import audit, rights
from rune_server.actor import Permission
from rune_server.dashboard import choice
from rune_server.dashboard.view import Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response

    from rune_server.analytics import EventFilter, EventRow
    from rune_server.dashboard.view import View

MAX_ROWS = 100_000
_BATCH = 1000
COLUMNS = (
    "timestamp",
    "event_id",
    "event_type",
    "surface",
    "action",
    "monitored_action",
    "agent_id",
    "agent_tags",
    "session_id",
    "sequence",
    "risk_score",
    "threat_type",
    "severity",
    "detectors",
    "decision_id",
    "policy",
    "policy_revision",
    "rule",
    "latency_ms",
    "degraded",
    "redacted",
    "approval",
    "tool",
    "tool_risk",
    "size",
    "framework",
    "sdk_version",
)


async def as_csv(view: View) -> Response:
    """What the list shows, as CSV."""
    chosen = await _chosen(view, "csv")
    return _download(_csv(view, chosen), "text/csv; charset=utf-8", "csv", view)


async def as_json(view: View) -> Response:
    """What the list shows, as one JSON document per line."""
    chosen = await _chosen(view, "json")
    return _download(_json(view, chosen), "application/x-ndjson", "json", view)


async def _chosen(view: View, kind: str) -> EventFilter:
    chosen = choice.read(view.request.query_params, view.now)
    # Whoever takes metadata away is written down, with the filters and not with what they found.
    async with view.platform.state.begin() as session:
        await audit.record(
            session,
            view.actor,
            action="events.exported",
            details={"format": kind, "filters": [list(pair) for pair in chosen.all_pairs]},
        )
    return chosen.filter()


async def _rows(view: View, chosen: EventFilter) -> AsyncIterator[EventRow]:
    cursor, left = None, MAX_ROWS
    while left > 0:
        page = await view.analytics.events(
            view.actor.organisation_id, chosen, cursor, min(_BATCH, left)
        )
        for row in page.items:
            yield row
        left -= len(page.items)
        cursor = page.cursor
        if cursor is None:
            return


async def _csv(view: View, chosen: EventFilter) -> AsyncIterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    async for row in _rows(view, chosen):
        writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])
        if buffer.tell() > 65_536:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: Any) -> str:
    """A value for a spreadsheet, which must not take a name for a formula."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        value = " ".join(map(str, value))
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


async def _json(view: View, chosen: EventFilter) -> AsyncIterator[bytes]:
    encoder = msgspec.json.Encoder()
    batch: list[bytes] = []
    async for row in _rows(view, chosen):
        batch.append(encoder.encode(row))
        if len(batch) >= _BATCH:
            yield b"\n".join(batch) + b"\n"
            batch.clear()
    if batch:
        yield b"\n".join(batch) + b"\n"


async def everything(view: View) -> Response:
    """All that is kept about the organisation, or about one agent of it."""
    agent_id = view.parameter("agent") or None
    lines = await rights.export(view.platform, view.actor, agent_id=agent_id)
    kind = "rune-agent" if agent_id else "rune-organisation"
    return StreamingResponse(
        _blocks(lines),
        media_type="application/x-ndjson",
        headers={"content-disposition": f'attachment; filename="{kind}-{view.now:%Y-%m-%d}.jsonl"'},
    )


async def _blocks(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held: list[bytes] = []
    async for line in lines:
        held.append(line)
        if len(held) >= _BATCH:
            yield b"".join(held)
            held.clear()
    yield b"".join(held)


def _download(body: AsyncIterator[bytes], media_type: str, suffix: str, view: View) -> Response:
    name = f"rune-events-{view.now:%Y-%m-%d}.{suffix}"
    return StreamingResponse(
        body,
        media_type=media_type,
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


PAGES = (
    Page("/events/export.csv", as_csv, needs=Permission.EVENTS_READ, section="events"),
    Page("/settings/export", everything, needs=Permission.DATA_EXPORT, section="settings"),
    Page("/events/export.json", as_json, needs=Permission.EVENTS_READ, section="events"),
)
