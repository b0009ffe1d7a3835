"""Read the local events file, the rotated ones before it, and what waits in a spool."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from rune_core.cli.exits import CliError
from rune_core.event.decode import decode_lenient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rune_core.event.schema import Event

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are asked for. None asks for any.

    Attributes:
        action: Their action.
        surface: Their surface.
        tool: Their tool.
        agent: Their agent's id.
        since: RFC 3339; events at that time and later.
    """

    action: str | None = None
    surface: str | None = None
    tool: str | None = None
    agent: str | None = None
    since: str | None = None

    def takes(self, event: Event) -> bool:
        """Whether an event is one of them."""
        return (
            self.action in (None, event.action)
            and self.surface in (None, event.surface)
            and self.tool in (None, event.tool)
            and self.agent in (None, event.agent_id)
            and (self.since is None or event.timestamp >= self.since)
        )


def moment(text: str | None) -> str | None:
    """A moment as events have it: from ``2h`` (ago), ``7d``, or an RFC 3339 date or time.

    Raises:
        CliError: It is none of these.
    """
    if text is None:
        return None
    try:
        if text[-1:] in _UNITS and text[:-1].isdigit():
            found = datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        else:
            found = datetime.fromisoformat(text)
            found = found.astimezone() if found.tzinfo is None else found
    except (ValueError, OverflowError):
        message = f"--since {text}: neither a time ago such as 2h or 7d, nor a date and time"
        raise CliError(message) from None
    return f"{found.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{found.microsecond // 1000:03d}Z"


def logged(path: Path) -> Iterator[Event]:
    """The events of the events file and of those rotated before it, the oldest first."""
    number = 1
    while path.with_name(f"{path.name}.{number}").exists():
        number += 1
    for older in range(number - 1, 0, -1):
        yield from _events(path.with_name(f"{path.name}.{older}"))
    yield from _events(path)


def decoded(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events in lines of JSON. One that is none, such as a line cut short, is passed over."""
    for line in lines:
        try:
            yield decode_lenient(line)
        except msgspec.MsgspecError:
            continue


def follow(path: Path) -> Iterator[Event]:
    """Events that are appended from now on, for ever; also after the file was rotated."""
    handle = None
    rest = b""
    try:
        if path.exists():
            handle = path.open("rb")
            handle.seek(0, os.SEEK_END)
        while True:
            text = b"" if handle is None else handle.read()
            if text:
                *lines, rest = (rest + text).split(b"\n")
                yield from decoded(lines)
                continue
            if path.exists() and (
                handle is None or not os.path.samestat(os.fstat(handle.fileno()), path.stat())
            ):
                if handle is not None:
                    handle.close()
                handle, rest = path.open("rb"), b""
                continue
            time.sleep(_POLL_SECONDS)
    finally:
        if handle is not None:
            handle.close()


def _events(path: Path) -> Iterator[Event]:
    try:
        with path.open("rb") as file:
            yield from decoded(file)
    except FileNotFoundError:
        return
