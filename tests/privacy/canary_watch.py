"""Plants a unique string in each position that takes content, and looks for them wherever Rune
could let something out: events, files, logs, exceptions, reprs, metrics and the network."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import inspect
import secrets
import traceback
import urllib.parse
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from rune_core import RuneError

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

LOGGERS = ("rune", "httpx", "httpcore", "tenacity")
"""Whose log records are Rune's: a framework may log its own content as it likes."""


class Watch:
    """One test's canaries, and everything that was seen to come out.

    Args:
        state: The state folder: whatever lies there at the end is searched.
        records: The log records of the test, at DEBUG.
    """

    def __init__(self, state: Path, records: Callable[[], list[logging.LogRecord]]) -> None:
        self._state = state
        self._records = records
        self._planted: dict[str, str] = {}
        self._shown: list[tuple[str, str]] = []
        self._sinks: list[Any] = []
        self._servers: list[Any] = []
        self._telemetry: list[Any] = []

    # -- going in

    def canary(self, position: str) -> str:
        """A string that exists nowhere else."""
        made = f"zq{len(self._planted)}{secrets.token_hex(6)}xk"
        self._planted[made] = position
        return made

    def text(self, position: str) -> str:
        """A text with a canary that the fake scanner finds something in."""
        return f"please evil {self.canary(position)} now, and not evil again."

    # -- coming out

    def show(self, what: str, value: object) -> None:
        """Something public: its ``repr`` and ``str`` must hold no content."""
        self._shown.append((what, repr(value)))
        self._shown.append((what, str(value)))

    def caught(self, what: str, error: BaseException) -> None:
        """An exception that came out. One of Rune's must hold no content, nor its chain."""
        for each in _flat(error):
            if isinstance(each, RuneError) or type(each).__module__.startswith("rune"):
                shown = "".join(traceback.format_exception(each))
                self._shown.append((f"exception of {what}", shown))
                # The Agents SDK hangs the whole run on the exceptions that leave it.
                own = {name: value for name, value in vars(each).items() if name != "run_data"}
                self._shown.append((f"exception of {what}", repr(each) + repr(own)))

    def attempt(self, what: str, call: Callable[[], Any], *, show: bool = True) -> Any:
        """Call it, await what it gives, and keep what comes back or is raised."""
        try:
            value = call()
            if inspect.isawaitable(value):
                value = asyncio.run(_awaited(value))
        except Exception as error:  # noqa: BLE001 - the tests make everything fail
            self.caught(what, error)
            return None
        if show:
            self.show(what, value)
        return value

    async def aattempt(self, what: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """The same on a running event loop; what comes back is not looked at."""
        try:
            return await call()
        except Exception as error:  # noqa: BLE001 - as above
            self.caught(what, error)
            return None

    def sink(self, sink: Any) -> None:
        """A sink whose ``events`` are searched."""
        self._sinks.append(sink)

    def server(self, server: Any) -> None:
        """A recording server whose ``requests`` are searched."""
        self._servers.append(server)

    def telemetry(self, telemetry: Any) -> None:
        """An OpenTelemetry set-up whose exports are searched."""
        self._telemetry.append(telemetry)

    # -- the end

    def found(self) -> list[str]:
        """Where which canary was found."""
        needles = list(self._needles())
        return sorted(
            {
                f"{self._planted[canary]}: {how} in {where}"
                for where, hay in self._hay()
                for canary, how, needle in needles
                if needle in hay
            }
        )

    def check(self, *, planted: int, events: bool = True) -> None:
        """Nothing came out, and the test was not empty."""
        if len(self._planted) < planted:
            raise AssertionError(f"only {len(self._planted)} canaries were planted")
        if events and not any(sink.events for sink in self._sinks):
            raise AssertionError("no event came out: the test looked at nothing")
        found = self.found()
        if found:
            raise AssertionError("content came out:\n" + "\n".join(found))

    def _needles(self) -> Iterator[tuple[str, str, bytes]]:
        for canary in self._planted:
            raw = canary.encode()
            yield canary, "as it is", raw
            yield canary, "a part", raw[4:-3]
            yield canary, "in base64", base64.b64encode(raw)[2:-4]
            yield canary, "in hex", raw.hex().encode()
            # Anyone who can guess the text could check the guess against a plain hash.
            for name in ("md5", "sha1", "sha256"):
                digest = hashlib.new(name, raw).hexdigest()
                yield canary, name, digest[:32].encode()
        for canary in self._planted:
            quoted = urllib.parse.quote(canary)
            if quoted != canary:
                yield canary, "URL-quoted", quoted.encode()

    def _hay(self) -> Iterator[tuple[str, bytes]]:
        for record in self._records():
            if record.name.startswith(LOGGERS):
                said = f"{record.getMessage()} {record.__dict__!r}"
                if record.exc_info:
                    said += "".join(traceback.format_exception(*record.exc_info))
                yield f"a log record of {record.name}", said.encode()
        for what, shown in self._shown:
            yield what, shown.encode("utf-8", "backslashreplace")
        for sink in self._sinks:
            yield "an event", msgspec.json.encode(list(sink.events))
        for server in self._servers:
            for request in list(server.requests):
                yield f"{request.method} {request.path}", request.raw
                yield f"{request.method} {request.path}", _unpacked(request.body)
        for telemetry in self._telemetry:
            for what, exported in telemetry.exports():
                yield what, exported
        for path in sorted(self._state.rglob("*")):
            if path.is_file():
                yield f"the file {path.relative_to(self._state)}", path.read_bytes()


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _flat(error: BaseException) -> Iterator[BaseException]:
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _flat(each)
    for other in (error.__cause__, error.__context__):
        if other is not None and other is not error:
            yield from _flat(other)


def _unpacked(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return body
