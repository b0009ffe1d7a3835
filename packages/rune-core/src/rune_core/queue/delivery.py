"""One request with events: how it is put together, and what the server's answer means."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rune_core.errors import ServerAnswerError
from rune_core.ids import MASKED_NAME, safe_name
from rune_core.queue.rows import Verdict
from rune_core.server_fault import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rune_core.connection import Connection
    from rune_core.queue.rows import Held
    from rune_core.server_answer import Answer

PATH = "/v1/events"
MAX_BODY = 900_000
"""Bytes of JSON in one request."""
MAX_ANSWER = 1_000_000
LATER_CODES = frozenset(("rate_limited", "unavailable"))
"""Codes of rejected events that may pass later; every other is for good."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the events of one request.

    Attributes:
        taken: The server has them, from this request or an earlier one.
        later: They may be sent again.
        refused: They will never be taken.
        headers: The answer's, names in lower case.
    """

    taken: Sequence[Held]
    later: Sequence[Held]
    refused: Sequence[Verdict]
    headers: Mapping[str, str]


def post(connection: Connection, batch: Sequence[Held], *, compress: bool = True) -> Outcome:
    """Send events.

    Args:
        connection: The server.
        batch: The events.
        compress: Whether to use gzip.

    Raises:
        ServerError: The server did not say that it has them. It may have them all the same; sent
            again, it takes them for what they are: the same events.
    """
    body = b'{"events":[' + b",".join(held.body for held in batch) + b"]}"
    headers = {"Content-Type": "application/json"}
    if compress:
        body = gzip.compress(body, 6, mtime=0)
        headers["Content-Encoding"] = "gzip"
    answer = connection.request("POST", PATH, content=body, headers=headers, max_bytes=MAX_ANSWER)
    return read(answer, batch, connection.url)


def read(answer: Answer, batch: Sequence[Held], url: str) -> Outcome:
    """What an answer means.

    Raises:
        ServerAnswerError: It is none of the protocol's, so nothing in it can be relied on.
    """
    if answer.status != 202:
        raise ServerAnswerError(f"{url}{PATH} answers {answer.status}, not 202")
    told = answer.json()
    counts: list[Any] = (
        [told.get(name) for name in ("accepted", "duplicates")] if isinstance(told, dict) else []
    )
    rejected = told.get("rejected", []) if isinstance(told, dict) else None
    if (
        not isinstance(rejected, list)
        or not counts
        or not all(type(count) is int and count >= 0 for count in counts)
        or sum(counts) + len(rejected) != len(batch)
    ):
        raise ServerAnswerError(f"{url}{PATH}: the answer does not account for every event")
    later: list[Held] = []
    refused: list[Verdict] = []
    named: set[str] = set()
    for entry in rejected:
        event = _named(entry, batch)
        if event is None or event.event_id in named:
            raise ServerAnswerError(f"{url}{PATH}: the answer rejects what was not sent")
        named.add(event.event_id)
        code = _code(entry.get("code"))
        if code in LATER_CODES:
            later.append(event)
        else:
            refused.append(Verdict(event, code, clean(entry.get("reason"))))
    taken = [event for event in batch if event.event_id not in named]
    return Outcome(taken, later, refused, answer.headers)


def _named(entry: Any, batch: Sequence[Held]) -> Held | None:
    """The event that an entry is about: by index, which the id must agree with if it is there."""
    if not isinstance(entry, dict):
        return None
    index, event_id = entry.get("index"), entry.get("event_id")
    if type(index) is not int or not 0 <= index < len(batch):
        return None
    event = batch[index]
    return event if event_id in (None, "", event.event_id) else None


def _code(code: object) -> str:
    return (safe_name(code) or MASKED_NAME) if isinstance(code, str) and code else "rejected"
