"""What ``rune doctor`` says about events on their way to a server."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from rune_core.cli import spools
from rune_core.cli.check import Check
from rune_core.cli.exits import CliError
from rune_core.cli.text import plural
from rune_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.config import ShieldConfig
    from rune_core.queue.rows import Figures

AREA = "events"
OLD_SECONDS = 3600.0
NEARLY_FULL = 0.8


def spool(config: ShieldConfig) -> Iterator[Check]:
    """The spool of the server and key that the settings name, and what others left behind."""
    if not config.events_enabled:
        return
    try:
        own = spools.own_name(config)
    except ConfigError:
        return  # said under server
    if own is not None and not config.events_to_server:
        todo = "unset RUNE_EVENTS_TO_SERVER to send them"
        yield Check(AREA, "delivery", "warn", "events stay here, by configuration", todo)
    if config.events_to_otel and find_spec("opentelemetry") is None:
        detail = "events_to_otel is set, but OpenTelemetry is not installed"
        yield Check(AREA, "opentelemetry", "warn", detail, "pip install 'rune-core[otel]'")
    names = spools.names()
    if own is not None and own not in names:
        yield Check(AREA, "spool", "ok", "none yet (made with the first event for the server)")
    for name in names:
        if name == own:
            yield from _own(name, config)
        else:
            yield from _other(name, config)
    damaged = sorted(spools.folder().glob("*.damaged-*"))
    if damaged:
        todo = "look at the disk, then remove them: what could be read of them was taken over"
        yield Check(
            AREA,
            "damaged spools",
            "warn",
            f"{plural(len(damaged), 'file')} in {spools.folder()}",
            todo,
        )


def _own(name: str, config: ShieldConfig) -> Iterator[Check]:
    try:
        with spools.opened(name, config) as opened:
            figures, path = opened.figures(), opened.path
    except CliError as error:
        todo = "make it writable, with room on the disk; until then events wait in memory"
        yield Check(AREA, "spool", "fail", str(error), todo)
        return
    yield Check(AREA, "spool", "ok", f"{path} ({path.stat().st_size:,} bytes)")
    yield _depth(figures, config)
    if figures.dead_letters:
        detail = f"the server refused {plural(figures.dead_letters, 'event')}"
        yield Check(AREA, "dead letters", "warn", detail, "see rune events dead")
    if figures.losses:
        lost = ", ".join(f"{reason} {count:,}" for reason, count in figures.losses.items())
        todo = "docs/events.md says what each reason means"
        yield Check(AREA, "lost so far", "warn", lost, todo)


def _depth(figures: Figures, config: ShieldConfig) -> Check:
    name = "queue depth"
    if not figures.depth:
        return Check(AREA, name, "ok", "nothing waits")
    detail = (
        f"{plural(figures.depth, 'event')} of {config.spool_max_events:,} at most, "
        f"the oldest for {figures.oldest_seconds:,.0f} s"
    )
    full = max(
        figures.depth / max(1, config.spool_max_events),
        figures.bytes / max(1, config.spool_max_bytes),
    )
    if full >= NEARLY_FULL:
        todo = "mend what server says below, or raise RUNE_SPOOL_MAX_EVENTS: the oldest will go"
        return Check(AREA, name, "warn", detail, todo)
    if figures.oldest_seconds > OLD_SECONDS:
        todo = "rune events flush sends them, or says what is in the way"
        return Check(AREA, name, "warn", detail, todo)
    return Check(AREA, name, "ok", detail)


def _other(name: str, config: ShieldConfig) -> Iterator[Check]:
    try:
        with spools.opened(name, config) as opened:
            depth = opened.figures().depth
    except CliError:
        return  # nobody here needs it
    if depth:
        detail = f"{plural(depth, 'event')} for another server or key"
        todo = f"if the key was replaced: rune events flush --from {name[:12]}"
        yield Check(AREA, f"spool {name[:12]}", "warn", detail, todo)
