"""The whole extension API on one page.

A plug-in is a module or object with functions of these names, marked with ``hookimpl``, given to
``Shield(plugins=[…])`` or published under the entry-point group ``rune``::

    from rune_core.hookspecs import hookimpl

    @hookimpl
    def rune_scanners(config):
        return [MyScanner()]

Hooks register; Rune's own pipeline runs what they registered. Rune's own layers, redaction
styles and event sinks are registered by ``rune_core.builtin`` through these same hooks. A hook
that raises is reported in ``shield.coverage()`` and takes nothing else down with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import typer

    from rune_core.config import ShieldConfig
    from rune_core.event.schema import Event
    from rune_core.layers.base import Layer
    from rune_scanner.finding import Finding

PROJECT = "rune"
ENTRY_POINT_GROUP = "rune"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Redactor(Protocol):
    """A way to cut findings out of a text.

    ``name`` is what ``ShieldConfig(redaction_style=…)`` says.
    """

    name: str

    def redact(self, text: str, findings: Sequence[Finding]) -> str:
        """``text`` without the spans of ``findings``. JSON must stay JSON."""
        ...


class EventSink(Protocol):
    """Takes events. Called on one background thread, never on the thread of a scan.

    A sink may also have ``flush(seconds) -> bool`` (hand on what it holds; False when that takes
    longer), ``lost(losses)`` (told of events that will never come: see ``queue.loss.Loss``),
    ``forked()`` (called in the child of a fork, before anything else), and together ``here()``
    (called on the thread of a scan; must cost next to nothing) and ``write_at(events, places)``
    (called instead of ``write``, with what ``here`` said for each event).
    """

    name: str

    def write(self, events: Sequence[Event]) -> None:
        """Take a batch. An exception counts the batch as failed for this sink."""
        ...

    def close(self) -> None:
        """Release what is held. Called once."""
        ...


@hookspec
def rune_scanners(config: ShieldConfig) -> Iterable[Layer]:  # type: ignore[empty-body]
    """Scanners that look at every text, after the built-in layers. See ``layers.base.Layer``."""


@hookspec
def rune_rule_folders(config: ShieldConfig) -> Iterable[Path | str]:  # type: ignore[empty-body]
    """Folders of rules (TOML) to add to the built-in rules of layer 1."""


@hookspec
def rune_redactors(config: ShieldConfig) -> Iterable[Redactor]:  # type: ignore[empty-body]
    """Redaction styles, chosen by name."""


@hookspec
def rune_event_sinks(config: ShieldConfig) -> Iterable[EventSink]:  # type: ignore[empty-body]
    """Places that events go to. Not called when ``events_enabled`` is False."""


@hookspec
def rune_cli_commands(app: typer.Typer) -> None:
    """Add commands to the ``rune`` command line."""
