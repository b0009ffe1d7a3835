"""The checks behind ``rune doctor``. Each says what it saw; none changes anything for good."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rune_core.cli.check import Check
from rune_core.failure import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rune_core.config import ShieldConfig

MIN_PYTHON = (3, 11)
ADAPTERS = {
    "rune-langchain": ("langchain", "langchain-core", "langgraph"),
    "rune-llamaindex": ("llama-index-core",),
    "rune-openai": ("openai", "openai-agents"),
}
"""Adapters and the distributions of the frameworks that they guard."""
FRAMEWORKS = (
    "anthropic",
    "autogen-core",
    "crewai",
    "google-genai",
    "pydantic-ai",
    "smolagents",
)
"""Frameworks that no adapter of this version guards."""


def all_checks() -> list[Check]:
    """Run every check. One that breaks is itself a failed check."""
    checks: list[Check] = []
    config: ShieldConfig | None = None
    groups: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("installation", _installation),
        ("installation", _engine),
        ("configuration", _environment),
    ]
    checks += _run(groups)
    try:
        from rune_core.config import ShieldConfig

        config = ShieldConfig()
    except Exception as error:  # noqa: BLE001 - said in a line of its own
        from rune_core.errors import ConfigError

        why = str(error) if isinstance(error, ConfigError) else describe(error)
        checks.append(
            Check("configuration", "settings", "fail", why, "mend it; nothing below was checked")
        )
        return checks
    checks.append(Check("configuration", "settings", "ok", "can be used"))
    made = config
    from rune_core.cli.journal_checks import journal
    from rune_core.cli.layer_checks import layers
    from rune_core.cli.server_checks import server
    from rune_core.cli.spool_checks import spool
    from rune_core.cli.tool_checks import tools

    checks += _run(
        [
            ("layers", lambda: layers(made)),
            ("rules", lambda: _rules(made)),
            ("policies", lambda: _policies(made)),
            ("server", lambda: server(made)),
            ("events", lambda: _events(made)),
            ("events", lambda: spool(made)),
            ("tools", lambda: tools(made)),
            ("journal", lambda: journal(made)),
            ("plug-ins", lambda: _plugins(made)),
            ("frameworks", _frameworks),
        ]
    )
    return checks


def _run(groups: list[tuple[str, Callable[[], Iterator[Check]]]]) -> list[Check]:
    checks: list[Check] = []
    for area, group in groups:
        try:
            checks.extend(group())
        except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
            todo = "this is a fault in Rune; please report it"
            checks.append(Check(area, "check", "fail", describe(error), todo))
    return checks


def _installation() -> Iterator[Check]:
    area = "installation"
    name = f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}"
    if sys.version_info >= MIN_PYTHON:
        yield Check(area, "python", "ok", name)
    else:
        yield Check(area, "python", "fail", name, "Rune needs Python 3.11 or newer")
    for distribution in ("rune-core", "rune-scanner"):
        installed = _version(distribution)
        if installed is None:
            todo = f"pip install {distribution}"
            yield Check(area, distribution, "fail", "no installed distribution", todo)
        else:
            yield Check(area, distribution, "ok", installed)
    core, scanner = _version("rune-core"), _version("rune-scanner")
    if core and scanner and core.split(".")[:2] != scanner.split(".")[:2]:
        todo = "upgrade both: pip install -U rune-core rune-scanner"
        yield Check(area, "versions", "fail", "rune-core and rune-scanner do not match", todo)


def _engine() -> Iterator[Check]:
    area = "installation"
    if find_spec("re2") is None:
        yield Check(
            area,
            "engine",
            "warn",
            "re (standard library): same findings, ten times slower or more",
            "pip install google-re2",
        )
        return
    try:
        from rune_scanner import Scanner, builtin_rules

        rule = next(iter(builtin_rules()))
        Scanner(builtin_rules().only([rule.id]), engine="re2").compile()
    except Exception as error:  # noqa: BLE001 - whatever the foreign library raises
        todo = "pip install --force-reinstall google-re2, or set RUNE_ENGINE=re"
        yield Check(area, "engine", "fail", f"google-re2 does not work: {describe(error)}", todo)
        return
    yield Check(area, "engine", "ok", f"re2 (google-re2 {_version('google-re2') or 'unknown'})")


def _environment() -> Iterator[Check]:
    from rune_core.config import CONFIG_FILE_VARIABLE, ShieldConfig, variable_for

    known = {
        CONFIG_FILE_VARIABLE,
        "RUNE_STATE_DIR",
        *(variable_for(item.name) for item in fields(ShieldConfig)),
    }
    seen = sorted(name for name in os.environ if name.startswith("RUNE_"))
    area, what = "configuration", "environment"
    unknown = [name for name in seen if name not in known]
    used = [name for name in seen if name in known]
    yield Check(area, what, "ok", f"set: {', '.join(used)}" if used else "no RUNE_ variable is set")
    for name in unknown:
        from difflib import get_close_matches

        near = get_close_matches(name, sorted(known), n=1)
        todo = f"did you mean {near[0]}?" if near else "remove it, if Rune was meant"
        yield Check(area, name, "warn", "is set, but Rune knows no such variable", todo)


def _rules(config: ShieldConfig) -> Iterator[Check]:
    from rune_core.builtin import BuiltinPlugin
    from rune_core.plugins import Plugins
    from rune_scanner import RuleLoadError, builtin_rules, load_rules

    area = "rules"
    try:
        builtin = builtin_rules()
    except RuleLoadError as error:
        todo = "pip install --force-reinstall rune-scanner"
        for fault in error.errors:
            yield Check(area, "built-in", "fail", str(fault), todo)
        return
    yield Check(
        area, "built-in", "ok", f"{plural_rules(len(builtin))}, revision {builtin.revision}"
    )
    folders = Plugins(config, BuiltinPlugin(()), ()).rule_folders()
    for folder in folders:
        try:
            own = load_rules(folder, builtin=False)
        except RuleLoadError as error:
            for fault in error.errors:
                todo = f"rune rules test {folder}"
                yield Check(area, str(folder), "fail", str(fault), todo)
        else:
            replaced = sum(rule.id in builtin for rule in own)
            more = f", {replaced} in place of built-in ones" if replaced else ""
            yield Check(area, str(folder), "ok", f"{plural_rules(len(own))}{more}")


def plural_rules(count: int) -> str:
    """``1 rule``, ``300 rules``."""
    return f"{count} rule{'' if count == 1 else 's'}"


def _policies(config: ShieldConfig) -> Iterator[Check]:
    from rune_core.errors import PolicyLoadError
    from rune_core.policy.load import load_default
    from rune_core.policy.store import PolicyStore

    area = "policies"
    yield Check(area, "built-in", "ok", plural_rules(len(load_default().rules)))
    try:
        policy = PolicyStore(config.local_policies_path).current()
    except PolicyLoadError as error:
        for fault in error.errors:
            yield Check(area, "own", "fail", str(fault), "a Shield refuses to start with this")
        return
    if config.local_policies_path is not None:
        own = [file for file in policy.files if file.name != "default"]
        count = sum(len(file.rules) for file in own)
        yield Check(
            area, str(config.local_policies_path), "ok", f"{len(own)} files, {plural_rules(count)}"
        )
    yield Check(area, "revision", "ok", policy.revision)
    if policy.defaults_off:
        yield Check(area, "defaults", "warn", "the built-in policy is off (defaults: off)")
    for name in policy.replaced:
        yield Check(area, name, "warn", "a built-in policy rule is replaced by yours")
    monitored = [rule.name for rule in policy.rules if rule.mode == "monitor"]
    if monitored:
        yield Check(area, "monitor", "warn", f"only recorded, not acted on: {', '.join(monitored)}")
    from rune_core.cli.policy_names import names_without_detector

    for line in names_without_detector(config):
        yield Check(area, "names", "warn", line, "such a rule finds nothing: mend the name")


def _events(config: ShieldConfig) -> Iterator[Check]:
    from rune_core.config import state_folder

    area = "events"
    yield _writable(area, "state folder", state_folder())
    if not config.events_enabled:
        yield Check(area, "events", "warn", "switched off by configuration")
        return
    file = config.events_file
    if file.exists():
        if os.access(file, os.W_OK):
            yield Check(area, "events file", "ok", f"{file} ({file.stat().st_size:,} bytes)")
        else:
            todo = "make it writable, or set RUNE_EVENTS_PATH"
            yield Check(area, "events file", "fail", f"{file} cannot be written", todo)
    else:
        yield _writable(area, "events file", file.parent, f"{file} (made with the first event)")


def _writable(area: str, name: str, folder: Path, detail: str = "") -> Check:
    """Whether files can be made in ``folder``, or in the nearest parent that is there already."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        why = f"{folder} cannot be written: {error.strerror}"
        return Check(area, name, "fail", why, "make it writable, or set RUNE_STATE_DIR")
    note = "" if folder.exists() else " (made when needed)"
    return Check(area, name, "ok", detail or f"{folder}{note}")


def _plugins(config: ShieldConfig) -> Iterator[Check]:
    from importlib.metadata import entry_points

    from typer import Typer

    from rune_core.builtin import BuiltinPlugin
    from rune_core.hookspecs import ENTRY_POINT_GROUP
    from rune_core.plugins import BUILTIN, Plugins

    area = "plug-ins"
    if not config.plugins_enabled:
        names = sorted(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))
        found = f"; installed: {', '.join(names)}" if names else ""
        yield Check(area, "entry points", "warn", f"switched off by configuration{found}")
        return
    loaded = Plugins(config, BuiltinPlugin(()), ())
    # Asking is what shows whether the hooks work.
    loaded.layers()
    loaded.rule_folders()
    loaded.add_cli_commands(Typer())
    broken = {fault.plugin for fault in loaded.faults}
    found_names = [name for name in loaded.names if name != BUILTIN]
    for name in found_names:
        if name not in broken:
            yield Check(area, name, "ok", "loaded")
    for fault in loaded.faults:
        todo = f"upgrade it, or switch plug-ins off: RUNE_PLUGINS_ENABLED=0 ({fault.hook})"
        yield Check(area, fault.plugin, "fail", fault.reason, todo)
    if not found_names and not broken:
        yield Check(area, "entry points", "ok", "none installed")


def _frameworks() -> Iterator[Check]:
    area = "frameworks"
    any_found = False
    for adapter, distributions in ADAPTERS.items():
        installed = _version(adapter)
        present = {name: found for name in distributions if (found := _version(name))}
        named = ", ".join(f"{name} {found}" for name, found in present.items())
        if installed is not None:
            any_found = True
            yield Check(area, adapter, "ok", f"{installed}, with {named or 'no framework'}")
        elif present:
            any_found = True
            yield Check(area, named, "warn", "no adapter installed", f"pip install {adapter}")
    for name in FRAMEWORKS:
        found = _version(name)
        if found:
            any_found = True
            yield Check(
                area,
                f"{name} {found}",
                "ok",
                "this version has no adapter for it; call a Shield yourself where you use it",
            )
    if not any_found:
        yield Check(area, "frameworks", "ok", "none found; a Shield can be called from any code")


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
