"""Say what this process runs: ``POST /v1/status``. Best effort, never kept for later."""

from __future__ import annotations

import logging
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

import msgspec

from rune_core.bundle.status import (
    MAX_LISTED,
    AdapterEntry,
    CoverageEntry,
    PoliciesEntry,
    QueueEntry,
    ReasonName,
    RefusedEntry,
    Status,
    ToolEntry,
    encode,
)
from rune_core.errors import ServerError
from rune_core.forks import unforked
from rune_core.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_core.bundle.sync import SyncState
    from rune_core.connection import Connection
    from rune_core.engine import Engine

_log = logging.getLogger("rune_core.bundle")
PATH = "/v1/status"
LEAST_SECONDS = 10.0
"""A change is told at most this often."""
REPEAT_SECONDS = 900.0
"""Without a change it is told again after this time."""
ADAPTERS: Final = {
    "rune-langchain": ("rune_langchain", "langchain", "langchain-core"),
    "rune-llamaindex": ("rune_llamaindex", "llama-index", "llama-index-core"),
    "rune-openai": ("rune_openai", "openai", "openai"),
}
"""Adapters: what they are imported as, the framework's name and its distribution."""


class StatusReporter:
    """Sends the status when it is due. Used by one thread.

    Args:
        connection: The server.
        build: Takes the picture.
    """

    def __init__(self, connection: Connection, build: Callable[[], Status]) -> None:
        self._connection = connection
        self._build = build
        self._told: bytes | None = None
        self._told_at = float("-inf")

    def due_in(self) -> float:
        """Seconds until the status is sent again without a change."""
        return max(0.0, self._told_at + REPEAT_SECONDS - time.monotonic())

    def send_if_due(self) -> float | None:
        """Send the status if it changed or is due. Never raises.

        Returns:
            Seconds after which to call again, when a change has to wait; else None.
        """
        try:
            with unforked():
                # Parts of the Shield are imported when they are looked at.
                status = self._build()
            # How full the queue is changes all the time and is no news.
            gist = msgspec.json.encode(msgspec.structs.replace(status, queue=QueueEntry()))
            since = time.monotonic() - self._told_at
            if gist == self._told and since < REPEAT_SECONDS:
                return None
            if since < LEAST_SECONDS:
                return LEAST_SECONDS - since
            self._told, self._told_at = gist, time.monotonic()
            headers = {"Content-Type": "application/json"}
            self._connection.request("POST", PATH, content=encode(status), headers=headers)
        except ServerError as error:
            self._told = None  # not told: the next look at it is another try
            _log.debug("the status was not taken: %s", error)
        except Exception as error:  # noqa: BLE001 - telling about the guard must not stop it
            from rune_core.failure import describe

            _log.debug("the status could not be sent: %s", describe(error))
        return None


def status_of(engine: Engine, state: SyncState) -> Status:
    """Take the picture of one Shield.

    Args:
        engine: The Shield's parts.
        state: Where policy sync stands.
    """
    assert engine.connection is not None
    return Status(
        instance=engine.connection.instance,
        sdk_version=VERSION,
        adapters=tuple(_adapters()),
        policies=PoliciesEntry(
            fetched=state.fetched,
            activated=state.activated,
            refused=tuple(
                RefusedEntry(
                    name=refusal.name,
                    revision=refusal.revision,
                    line=refusal.line,
                    key=refusal.key,
                    code=refusal.code,
                )
                for refusal in state.refused
            ),
        ),
        coverage=tuple(_not_guarded(engine))[:MAX_LISTED],
        agents=engine.agents.listed(),
        tools=tuple(
            ToolEntry(
                agent_id=tool.agent_id,
                name=tool.name,
                risk=tool.risk,  # type: ignore[arg-type]
                definition_hash=tool.definition_hash,
            )
            for tool in engine.tools.listed()
        ),
        queue=_queue(engine),
    )


def _adapters() -> list[AdapterEntry]:
    found: list[AdapterEntry] = []
    for name, (module, framework, distribution) in ADAPTERS.items():
        if module in sys.modules:
            found.append(
                AdapterEntry(
                    name=name,
                    version=_version(name),
                    framework=framework,
                    framework_version=_version(distribution),
                )
            )
    return found


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _not_guarded(engine: Engine) -> list[CoverageEntry]:
    """Layers that do not look where they could, on the surfaces that were met."""
    stats = engine.tally.snapshot()
    met = [surface for surface, scans in sorted(stats.scans_by_surface.items()) if scans]
    reasons = {
        layer: reason
        for layer, text in sorted(engine.tally.skip_reasons().items())
        if (reason := _reason(text)) is not None
    }
    reasons |= {layer: "failing" for layer, times in stats.layer_failures.items() if times}
    if engine.policies.current().defaults_off:
        reasons["policy"] = "defaults_off"
    return [
        CoverageEntry(surface=surface, what=what, guarded=False, reason=reason)  # type: ignore[arg-type]
        for surface in met
        for what, reason in reasons.items()
    ]


def _reason(text: str) -> ReasonName | None:
    """The reason's name: its words may be a plug-in's, and stay here."""
    if text.startswith("not for this"):
        return None
    for start, name in _REASONS:
        if text.startswith(start):
            return name
    return "unavailable"


_REASONS: Final[tuple[tuple[str, ReasonName], ...]] = (
    ("disabled", "disabled"),
    ("not configured", "not_configured"),
    ("not installed", "not_installed"),
)


def _queue(engine: Engine) -> QueueEntry:
    dropped = dict(engine.tally.snapshot().losses)
    sink = engine.server_sink
    figures = None if sink is None else sink.figures()
    if figures is None:
        return QueueEntry(dropped=dropped)
    return QueueEntry(
        depth=figures.depth,
        oldest_seconds=round(figures.oldest_seconds, 1),
        dropped=dropped,
        dead_letters=figures.dead_letters,
    )
