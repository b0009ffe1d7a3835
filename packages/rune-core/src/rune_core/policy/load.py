"""Turn policy files into the model, collecting every fault instead of stopping at the first."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rune_core.context import TOOL_RISKS
from rune_core.errors import PolicyError, PolicyLoadError
from rune_core.policy.model import (
    ALL_SURFACES,
    TOOL_SURFACES,
    Audience,
    Exemption,
    FailRule,
    Mode,
    PolicyFile,
)
from rune_core.policy.rules import RuleReader
from rune_core.policy.source import Listing, Node, Scalar, Table, read_yaml
from rune_core.tool_risk import Capability

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = "1.0"
BUILTIN_NAME = "default"
INLINE_NAME = "inline"
_SUFFIXES = (".yaml", ".yml")

TOP_KEYS = frozenset(
    (
        "version",
        "name",
        "description",
        "mode",
        "agents",
        "tags",
        "defaults",
        "rules",
        "exceptions",
        "tool_risk",
        "tool_capabilities",
        "on_error",
    )
)
EXEMPTION_KEYS = frozenset(
    (
        "rule",
        "reason",
        "detector",
        "detectors",
        "tool",
        "tools",
        "surface",
        "surfaces",
        "agents",
        "when",
        "until",
        "decision",
    )
)
# What holds in the whole process: no single call has it from one agent.
_FOR_EVERYBODY = ("defaults", "tool_risk", "tool_capabilities", "on_error")
FAIL_KEYS = frozenset(("layer", "surface", "surfaces", "tool_risk", "then"))


def load_default() -> PolicyFile:
    """The built-in policy, from the package."""
    text = (resources.files("rune_core.policy") / "default.yaml").read_text(encoding="utf-8")
    return load_text(text, path="rune_core/policy/default.yaml", name=BUILTIN_NAME)


def load_text(text: str, *, path: str = "<policy>", name: str | None = None) -> PolicyFile:
    """Load one policy from a string.

    Raises:
        PolicyLoadError: With every fault in it.
    """
    errors: list[PolicyError] = []
    loaded = _load_one(text, path, name or Path(path).stem, errors, {})
    if errors or loaded is None:
        raise PolicyLoadError(errors)
    return loaded


def policy_paths(location: Path) -> list[Path]:
    """The policy files at ``location``: itself, or the YAML files under it in order of path.

    Files of cases (``*.cases.yaml``) stand beside policies and are none.
    """
    if location.is_file():
        return [location]
    return sorted(
        path
        for path in location.rglob("*")
        if path.suffix in _SUFFIXES and not path.stem.endswith(".cases") and path.is_file()
    )


def load_files(location: Path) -> tuple[PolicyFile, ...]:
    """Load a policy file, or every ``*.yaml`` and ``*.yml`` under a folder.

    Raises:
        PolicyLoadError: The location is missing or holds no policy, or any file has a fault.
    """
    return compose(location, None)


def compose(location: Path | None, text: str | None) -> tuple[PolicyFile, ...]:
    """Load the policies at ``location`` and the one in ``text``; either may be None.

    Raises:
        PolicyLoadError: With every fault of all of them.
    """
    errors: list[PolicyError] = []
    sources = [] if location is None else list(_read(location, errors))
    if text is not None:
        sources.append((f"<{INLINE_NAME}>", INLINE_NAME, text))
    named: dict[str, tuple[str, int]] = {}
    loaded = [_load_one(body, path, name, errors, named) for path, name, body in sources]
    files = tuple(file for file in loaded if file is not None)
    if errors:
        raise PolicyLoadError(errors)
    return files


def _read(location: Path, errors: list[PolicyError]) -> Iterator[tuple[str, str, str]]:
    """Path, name and text of each policy file."""
    paths = policy_paths(location)
    if not paths:
        why = "holds no policy files (*.yaml)" if location.is_dir() else "does not exist"
        errors.append(PolicyError(str(location), why, hint="an empty policy would decide nothing"))
    for path in paths:
        try:
            yield str(path), path.stem, path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            errors.append(
                PolicyError(str(path), f"is not UTF-8: {error.reason} at byte {error.start}")
            )
        except OSError as error:
            errors.append(PolicyError(str(path), f"cannot be read: {error.strerror}"))


def _load_one(
    text: str,
    path: str,
    name: str,
    errors: list[PolicyError],
    named: dict[str, tuple[str, int]],
) -> PolicyFile | None:
    """Load one file.

    Args:
        text: What is in it.
        path: The file, for errors.
        name: What it is called unless it says otherwise.
        errors: Faults are added here.
        named: File and line of each rule by name, of the files before; this file's are added.
    """
    before = len(errors)
    table = read_yaml(text, path, errors)
    if table is None:
        return None
    loaded = _FileReader(path, name, errors, named).file(table, text)
    return None if len(errors) > before else loaded


class _FileReader(RuleReader):
    """Reads one file."""

    def __init__(
        self,
        path: str,
        name: str,
        errors: list[PolicyError],
        named: dict[str, tuple[str, int]],
    ) -> None:
        super().__init__(path, name, errors)
        self._named = named

    def file(self, table: Table, text: str) -> PolicyFile:
        self._unknown_keys(table, "", TOP_KEYS)
        version = table.items.get("version")
        if not isinstance(version, Scalar) or str(version.value) != VERSION:
            self._fault(
                table.key_lines.get("version", table.line),
                "version",
                "is missing" if version is None else "is not a version this release reads",
                f'write: version: "{VERSION}"',
            )
        self._name = self._text(table, "", "name") or self._name
        self._mode = self._choice(table, "", "mode", Mode) or Mode.ENFORCE
        self._within = self._audience(table)
        listed = self._list(table, "", "rules")
        rules = [
            rule
            for index, node in enumerate(listed)
            if (rule := self._rule(node, f"rules[{index}]")) is not None
        ]
        self._unique_names(listed)
        exemptions = [
            exemption
            for index, node in enumerate(self._list(table, "", "exceptions"))
            if (exemption := self._exemption(node, f"exceptions[{index}]")) is not None
        ]
        return PolicyFile(
            name=self._name,
            path=self._path,
            rules=tuple(rules),
            exemptions=tuple(exemptions),
            tool_risk=self._tool_risk(table),
            tool_capabilities=self._tool_capabilities(table),
            on_error=self._on_error(table),
            defaults=self._defaults(table),
            audience=self._within,
            digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        )

    def _audience(self, table: Table) -> Audience:
        audience = Audience(self._texts(table, "", "agents"), self._texts(table, "", "tags"))
        for narrowing in ("agents", "tags"):
            if narrowing in table.items and not getattr(audience, narrowing):
                # To say "for nobody" by mistake would switch the file off in silence.
                self._fault(
                    table.key_lines[narrowing], narrowing, "is empty", "drop it, or name some"
                )
        if audience:
            for key in _FOR_EVERYBODY:
                if key in table.items:
                    self._fault(
                        table.key_lines[key],
                        key,
                        "cannot stand in a file that is for some agents only",
                        "it is for the whole process: put it into a file without agents and tags",
                    )
        return audience

    def _exemption(self, node: Node, key: str) -> Exemption | None:
        if not isinstance(node, Table):
            self._fault(node.line, key, "must be a mapping", "{rule: …, reason: …}")
            return None
        self._unknown_keys(node, key, EXEMPTION_KEYS, of="an exception")
        rule, reason = self._text(node, key, "rule"), self._text(node, key, "reason")
        for name, value in (("rule", rule), ("reason", reason)):
            if not value:
                self._fault(node.line, f"{key}.{name}", "is missing")
        surfaces = self._surfaces(node, key) or ALL_SURFACES
        when = self._condition(node, key) if "when" in node.items else None
        if when is not None:
            if not surfaces & TOOL_SURFACES:
                self._fault(
                    node.key_lines["when"], f"{key}.when", "is about a tool_call", "drop surface"
                )
            surfaces = TOOL_SURFACES
        return Exemption(
            rule=rule,
            reason=reason,
            detectors=self._either(node, key, "detector", "detectors"),
            tools=self._either(node, key, "tool", "tools"),
            surfaces=surfaces,
            agents=self._texts(node, key, "agents"),
            within=self._within,
            when=when,
            until=self._day(node, key),
            decision=self._text(node, key, "decision"),
            policy=self._name,
            path=self._path,
            line=node.line,
        )

    def _day(self, node: Table, key: str) -> date | None:
        until = node.items.get("until")
        if until is None:
            return None
        value: Any = until.value if isinstance(until, Scalar) else None
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        self._fault(until.line, f"{key}.until", "must be a date", "2027-01-31")
        return None

    def _tool_risk(self, table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
        node = table.items.get("tool_risk")
        if node is None:
            return ()
        if not isinstance(node, Table):
            self._fault(node.line, "tool_risk", "must be a mapping", 'high: ["payments.*"]')
            return ()
        self._unknown_keys(node, "tool_risk", frozenset(TOOL_RISKS))
        return tuple(
            (risk, self._texts(node, "tool_risk", risk))
            for risk in reversed(TOOL_RISKS)
            if risk in node.items
        )

    def _tool_capabilities(self, table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
        node = table.items.get("tool_capabilities")
        if node is None:
            return ()
        if not isinstance(node, Table):
            self._fault(node.line, "tool_capabilities", "must be a mapping", 'send: ["notify_*"]')
            return ()
        self._unknown_keys(node, "tool_capabilities", frozenset(Capability))
        return tuple(
            (capability.value, self._texts(node, "tool_capabilities", capability))
            for capability in Capability
            if capability in node.items
        )

    def _on_error(self, table: Table) -> tuple[FailRule, ...]:
        node = table.items.get("on_error")
        if node is None:
            return ()
        if isinstance(node, Scalar):
            closed = self._open_or_closed(node, "on_error")
            return () if closed is None else (FailRule(closed),)
        if not isinstance(node, Listing):
            self._fault(node.line, "on_error", "must be open, closed or a list")
            return ()
        rules: list[FailRule] = []
        for index, item in enumerate(node.items):
            key = f"on_error[{index}]"
            if not isinstance(item, Table):
                self._fault(item.line, key, "must be a mapping", "{layer: …, then: closed}")
                continue
            self._unknown_keys(item, key, FAIL_KEYS)
            then = item.items.get("then", Scalar(None, item.line))
            closed = self._open_or_closed(then, f"{key}.then")
            risks = self._texts(item, key, "tool_risk")
            for risk in risks:
                if risk not in TOOL_RISKS:
                    self._fault(
                        item.line, f"{key}.tool_risk", f"{risk!r} is unknown", ", ".join(TOOL_RISKS)
                    )
            if closed is not None:
                rules.append(
                    FailRule(
                        closed,
                        layer=self._text(item, key, "layer") or "*",
                        surfaces=self._surfaces(item, key) or ALL_SURFACES,
                        tool_risk=risks,
                    )
                )
        return tuple(rules)

    def _open_or_closed(self, node: Node, key: str) -> bool | None:
        value = node.value if isinstance(node, Scalar) else None
        if value in ("open", "closed"):
            return bool(value == "closed")
        self._fault(node.line, key, "must be open or closed")
        return None

    def _defaults(self, table: Table) -> bool:
        node = table.items.get("defaults")
        if node is None:
            return True
        value = node.value if isinstance(node, Scalar) else None
        # YAML 1.1 reads a bare off as false.
        if isinstance(value, bool) or value in ("on", "off"):
            return value is True or value == "on"
        self._fault(node.line, "defaults", "must be on or off")
        return True

    def _unique_names(self, rules: Iterable[Node]) -> None:
        # By what is written: a rule with another fault has its name all the same.
        for index, node in enumerate(rules):
            named = node.items.get("name") if isinstance(node, Table) else None
            name = named.value if isinstance(named, Scalar) else None
            if not isinstance(name, str) or not name:
                continue
            if name not in self._named:
                self._named[name] = (self._path, node.line)
                continue
            path, line = self._named[name]
            key = f"rules[{index}].name"
            if path == self._path:
                self._fault(
                    node.line, key, f"two rules are named {name!r}", f"first on line {line}"
                )
            else:
                self._fault(
                    node.line,
                    key,
                    f"a rule named {name!r} already stands in {path}:{line}",
                    "names are unique among your files; all matches count, so order is no "
                    "precedence",
                )
