"""Collect what plug-ins register, one plug-in at a time, so that a broken one stands alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from rune_core import hookspecs
from rune_core.failure import describe
from rune_core.layers.base import RegisteredLayer
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rune_core.config import ShieldConfig
    from rune_core.hookspecs import EventSink, Redactor
    from rune_core.layers.base import Layer

_log = logging.getLogger("rune_core.plugins")
BUILTIN = "rune-core"


@dataclass(frozen=True, slots=True)
class PluginFault:
    """Something a plug-in did wrong. Shown by ``coverage()``.

    Attributes:
        plugin: The plug-in's name.
        hook: The hook, or ``load``.
        reason: What happened, without content.
    """

    plugin: str
    hook: str
    reason: str


class Plugins:
    """The plug-ins of one Shield.

    Args:
        config: Handed to the hooks.
        builtin: Rune's own plug-in.
        extra: Plug-ins given by the user.
    """

    def __init__(self, config: ShieldConfig, builtin: object, extra: Iterable[object]) -> None:
        self._config = config
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.faults: list[PluginFault] = []
        self._register(builtin, BUILTIN)
        if config.plugins_enabled:
            self._load_entry_points()
        for plugin in extra:
            self._register(plugin, None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plug-ins, Rune's own first."""
        return tuple(name for name, plugin in self._manager.list_name_plugin() if plugin)

    def layers(self) -> tuple[RegisteredLayer, ...]:
        """Every layer, the built-in ones first, under unique names."""
        layers: list[RegisteredLayer] = []
        taken: set[str] = set()
        for plugin, layer in self._collect("rune_scanners", config=self._config):
            problem = _layer_problem(layer)
            if problem:
                self._fault(plugin, "rune_scanners", problem)
                continue
            name = layer.name if plugin == BUILTIN else f"plugin:{layer.name}"
            # Two scanners of one name both count; neither may hide behind the other.
            unique, number = name, 1
            while unique in taken:
                number += 1
                unique = f"{name}.{number}"
            taken.add(unique)
            layers.append(_registered(layer, unique, builtin=plugin == BUILTIN))
        return tuple(layers)

    def rule_folders(self) -> tuple[Path, ...]:
        """The user's rule folders, then those of plug-ins."""
        from_plugins = self._collect("rune_rule_folders", config=self._config)
        return (
            *self._config.rule_folders,
            *(Path(folder) for _, folder in from_plugins),
        )

    def redactor(self) -> Redactor:
        """The redactor that the configuration names.

        Raises:
            rune_core.errors.ConfigError: No plug-in registered one of that name.
        """
        from rune_core.errors import ConfigError

        known: dict[str, Redactor] = {}
        for _, redactor in self._collect("rune_redactors", config=self._config):
            known.setdefault(redactor.name, redactor)
        try:
            return known[self._config.redaction_style]
        except KeyError:
            raise ConfigError(
                f"redaction_style {self._config.redaction_style!r} is unknown; "
                f"one of {', '.join(known)}"
            ) from None

    def event_sinks(self) -> tuple[EventSink, ...]:
        """Every event sink."""
        return tuple(sink for _, sink in self._collect("rune_event_sinks", config=self._config))

    def add_cli_commands(self, app: object) -> None:
        """Let plug-ins add commands to the command line."""
        for _ in self._collect("rune_cli_commands", app=app):
            pass

    def _collect(self, hook: str, **arguments: object) -> list[tuple[str, Any]]:
        """Call one hook of every plug-in. pluggy's own call would stop at the first that raises."""
        found: list[tuple[str, Any]] = []
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            function: Callable[..., Any] = impl.function
            try:
                answer = function(*(arguments[name] for name in impl.argnames))
                found.extend((impl.plugin_name, item) for item in answer or ())
            except Exception as error:  # noqa: BLE001 - a plug-in's fault is recorded, not spread
                self._fault(impl.plugin_name, hook, describe(error))
        return found

    def _register(self, plugin: object, name: str | None) -> None:
        try:
            known = self._manager.register(plugin, name)
            for caller in self._manager.get_hookcallers(plugin) or ():
                if not caller.has_spec():
                    self._fault(known or "", caller.name, "is not a hook: it is never called")
        except Exception as error:  # noqa: BLE001 - as above
            self._fault(name or type(plugin).__name__, "load", describe(error))

    def _load_entry_points(self) -> None:
        for entry in entry_points(group=hookspecs.ENTRY_POINT_GROUP):
            if self._manager.has_plugin(entry.name):
                continue
            try:
                plugin = entry.load()
            except Exception as error:  # noqa: BLE001 - as above
                self._fault(entry.name, "load", describe(error))
                continue
            self._register(plugin, entry.name)

    def _fault(self, plugin: str, hook: str, reason: str) -> None:
        fault = PluginFault(plugin, hook, reason)
        if fault not in self.faults:
            self.faults.append(fault)
            _log.error("plug-in %s, %s: %s", plugin, hook, reason)


def _layer_problem(layer: Any) -> str:
    name = getattr(layer, "name", None)
    if not isinstance(name, str) or not name:
        return f"a scanner of type {type(layer).__name__} has no name"
    if not callable(getattr(layer, "scan", None)):
        return f"scanner {name!r} has no scan(text, context)"
    return ""


def _registered(layer: Layer, name: str, *, builtin: bool) -> RegisteredLayer:
    surfaces: Sequence[str] | None = getattr(layer, "surfaces", None)
    return RegisteredLayer(
        layer=layer,
        name=name,
        surfaces=None if surfaces is None else frozenset(Surface(s) for s in surfaces),
        heavy=bool(getattr(layer, "heavy", False)),
        builtin=builtin,
    )
