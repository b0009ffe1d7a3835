"""Server-sent events: bytes to events and back. Events that were not changed keep their bytes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

_BLANK: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE: Final = re.compile(r"\r\n|\n|\r")
_MAX_EVENT: Final = 64 << 20


class EventTooLargeError(ValueError):
    """One event of a stream is larger than anything a model says."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        name: Its ``event`` field; empty without one.
        data: Its ``data`` lines, joined.
        raw: Its bytes, the blank line at its end included.
    """

    name: str
    data: str = field(repr=False)
    raw: bytes = field(repr=False)

    def json(self) -> Any:
        """The data as JSON; None when it is none."""
        if not self.data or self.data.startswith("[DONE]"):
            return None
        try:
            return json.loads(self.data)
        except ValueError:
            return None

    @property
    def ends(self) -> bool:
        """True for the mark that nothing more comes."""
        return self.data.startswith("[DONE]")


class EventReader:
    """Cuts a stream of bytes into events."""

    def __init__(self) -> None:
        self._held = b""
        self._seen = 0

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; return the events that are complete.

        Raises:
            EventTooLargeError: An event has more than 64 MiB.
        """
        self._held += data
        events: list[Event] = []
        start = 0
        # The blank line may have begun in the bytes before.
        for blank in _BLANK.finditer(self._held, max(0, self._seen - 3)):
            events.append(_event(self._held[start : blank.end()]))
            start = blank.end()
        self._held = self._held[start:]
        self._seen = len(self._held)
        if self._seen > _MAX_EVENT:
            raise EventTooLargeError("an event of the stream has more than 64 MiB")
        return events

    def finish(self) -> list[Event]:
        """Say that the stream has ended; return what was not ended by a blank line."""
        left, self._held, self._seen = self._held, b"", 0
        return [_event(left)] if left.strip() else []


def written(name: str, data: Any) -> bytes:
    """An event as bytes."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode("utf-8", "surrogatepass")


def _event(raw: bytes) -> Event:
    name = ""
    data: list[str] = []
    for line in _LINE.split(raw.decode("utf-8", "replace")):
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "data":
            data.append(value)
        elif key == "event":
            name = value
    return Event(name, "\n".join(data), raw)
