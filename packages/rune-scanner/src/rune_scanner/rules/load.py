"""Load rules from folders of TOML files; every fault is reported at once, with file and line."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rune_scanner.errors import RuleError, RuleLoadError
from rune_scanner.finding import Severity, Surface, Threat
from rune_scanner.rules import patterns
from rune_scanner.rules.schema import Form, Rule
from rune_scanner.validators import VALIDATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from enum import StrEnum

_E = TypeVar("_E", bound="StrEnum")

_KEYS: Final = frozenset(
    (
        *("id", "title", "threat", "severity", "confidence", "confidence_on", "surfaces"),
        *("text", "pattern", "label", "validators", "exclude"),
        *("near", "unless_near", "near_chars", "tags", "references", "description"),
    )
)
_REQUIRED: Final = (
    "id",
    "title",
    "threat",
    "severity",
    "confidence",
    "surfaces",
    "text",
    "pattern",
)
_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LABEL: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_ALL_SURFACES: Final = frozenset(Surface)
_DEFAULT_LABELS: Final = {
    Threat.PROMPT_INJECTION: "INJECTION",
    Threat.JAILBREAK: "JAILBREAK",
    Threat.DATA_EXFILTRATION: "EXFILTRATION",
    Threat.SECRET_EXPOSURE: "SECRET",
    Threat.PII_EXPOSURE: "PII",
    Threat.SYSTEM_PROMPT_LEAK: "PROMPT_LEAK",
    Threat.TOOL_MANIPULATION: "TOOL_MANIPULATION",
    Threat.COMMAND_INJECTION: "COMMAND",
    Threat.PRIVILEGE_ESCALATION: "PRIVILEGE",
    Threat.POLICY_VIOLATION: "POLICY",
}


@dataclass(frozen=True)
class RuleSet:
    """A set of rules with unique ids, ready for a :class:`~rune_scanner.Scanner`.

    Attributes:
        rules: The rules, ordered by id.
    """

    rules: tuple[Rule, ...]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def __getitem__(self, rule_id: str) -> Rule:
        return self._by_id[rule_id]

    def __contains__(self, rule_id: object) -> bool:
        return rule_id in self._by_id

    @cached_property
    def _by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def revision(self) -> str:
        """Twelve hex digits that change whenever a rule changes what it finds."""
        digest = hashlib.sha256()
        for rule in self.rules:
            fields = {
                name: value
                for name, value in rule.__dict__.items()
                if name in _KEYS or name == "form"
            }
            fields["surfaces"] = sorted(rule.surfaces)
            fields["confidence_on"] = sorted(rule.confidence_on.items())
            digest.update(repr(sorted(fields.items())).encode("utf-8", "backslashreplace"))
        return digest.hexdigest()[:12]

    def only(self, rule_ids: Iterable[str]) -> RuleSet:
        """The rules with these ids.

        Raises:
            KeyError: An id is not in the set.
        """
        return RuleSet(tuple(sorted((self[rule_id] for rule_id in rule_ids), key=lambda r: r.id)))


@cache
def builtin_rules() -> RuleSet:
    """The rules that come with the package, loaded once a process.

    They are linted by this package's own tests, so loading skips the lint.
    """
    folder = resources.files("rune_scanner") / "rules"
    with resources.as_file(folder) as path:
        return load_rules(path, builtin=False, lint=False)


def load_rules(*folders: str | Path, builtin: bool = True, lint: bool = True) -> RuleSet:
    """Load every rule under ``folders``.

    Args:
        folders: Folders (searched deeply for ``*.toml``) or single rule files. Files named
            ``*.cases.toml`` and ``tags.toml`` are not rules.
        builtin: Add the rules that come with the package. A rule of yours with the id of a
            built-in rule takes its place.
        lint: Check the pattern dialect too. Leave it on for rules you did not write.

    Raises:
        RuleLoadError: A folder is missing or holds no rule, or any file has a fault.
    """
    errors: list[RuleError] = []
    found: dict[str, Rule] = {}
    for folder in map(Path, folders):
        files = sorted(_rule_files(folder))
        if not files:
            why = "holds no rule files (*.toml)" if folder.exists() else "does not exist"
            errors.append(RuleError(str(folder), why, hint="an empty rule set would find nothing"))
        for file in files:
            rule = _load_file(file, errors, lint=lint)
            if rule is None:
                continue
            if rule.id in found:
                errors.append(
                    RuleError(
                        str(file),
                        f"{rule.id!r} is already defined in {found[rule.id].path}",
                        key="id",
                    )
                )
            found[rule.id] = rule
    if errors:
        raise RuleLoadError(errors)
    merged = {rule.id: rule for rule in builtin_rules()} if builtin else {}
    merged.update(found)
    return RuleSet(tuple(merged[rule_id] for rule_id in sorted(merged)))


def _rule_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for file in path.rglob("*.toml"):
        if not file.name.endswith(".cases.toml") and file.name != "tags.toml":
            yield file


def _load_file(file: Path, errors: list[RuleError], *, lint: bool) -> Rule | None:
    path = str(file)
    try:
        source = file.read_text(encoding="utf-8")
        data = tomllib.loads(source)
    except UnicodeDecodeError as error:
        errors.append(RuleError(path, f"is not UTF-8: {error.reason} at byte {error.start}"))
        return None
    except OSError as error:
        errors.append(RuleError(path, f"cannot be read: {error.strerror}"))
        return None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        errors.append(
            RuleError(path, f"is not valid TOML: {error}", line=int(line[1]) if line else 0)
        )
        return None
    reader = _Reader(path, source, data, errors)
    return reader.rule(lint=lint)


class _Reader:
    """Turns one parsed file into a rule, collecting faults instead of stopping at the first."""

    def __init__(
        self, path: str, source: str, data: dict[str, Any], errors: list[RuleError]
    ) -> None:
        self._path = path
        self._source = source
        self._data = data
        self._errors = errors
        self._faults = 0

    def rule(self, *, lint: bool) -> Rule | None:
        for key in self._data.keys() - _KEYS:
            self._fault(
                key, "is not a key of a rule", hint=f"known keys: {', '.join(sorted(_KEYS))}"
            )
        for key in _REQUIRED:
            if key not in self._data:
                self._fault(key, "is missing")
        rule_id = self._text("id")
        if rule_id and not _ID.fullmatch(rule_id):
            self._fault("id", f"{rule_id!r} is not kebab-case", hint="lower case, digits, dashes")
        stem = Path(self._path).stem
        if rule_id and rule_id != stem:
            self._fault("id", f"{rule_id!r} differs from the file's name {stem!r}")
        threat = self._choice("threat", Threat)
        if threat is None and not self._faults:
            return None
        confidence = self._probability("confidence", self._data.get("confidence", 0.0))
        rule = Rule(
            id=rule_id,
            title=self._text("title"),
            threat=threat or Threat.POLICY_VIOLATION,
            severity=self._choice("severity", Severity) or Severity.LOW,
            confidence=confidence,
            surfaces=self._surfaces(),
            form=self._choice("text", Form) or Form.RAW,
            pattern=self._pattern(),
            confidence_on=self._confidence_on(),
            label=self._label(threat),
            validators=self._names("validators", VALIDATORS, "validator"),
            exclude=self._texts("exclude"),
            near=self._texts("near"),
            unless_near=self._texts("unless_near"),
            near_chars=self._near_chars(),
            tags=self._names("tags", _tags(), "tag"),
            references=self._texts("references"),
            description=self._text("description"),
            path=self._path,
        )
        if lint and rule.pattern:
            self._lint(rule)
        return None if self._faults else rule

    def _lint(self, rule: Rule) -> None:
        for problem in rule.lint().problems:
            self._fault("pattern", problem)
        if rule.form is Form.FOLDED and rule.pattern != rule.pattern.lower():
            upper = re.sub(r"\\.|\(\?P<", "", rule.pattern)
            if upper != upper.lower():
                self._fault(
                    "pattern", "has capital letters, but folded text has none", hint="lower-case it"
                )
        for index, pattern in enumerate(rule.exclude):
            for problem in patterns.analyse(f"(?:{pattern})").problems:
                self._fault(f"exclude[{index}]", problem)
        for key in ("near", "unless_near"):
            for word in getattr(rule, key):
                if word != word.lower() or not word:
                    self._fault(key, f"{word!r} must be lower case and not empty")

    def _fault(self, key: str, message: str, *, hint: str = "") -> None:
        self._faults += 1
        self._errors.append(
            RuleError(self._path, message, line=self._line(key), key=key, hint=hint)
        )

    def _line(self, key: str) -> int:
        name = re.escape(re.split(r"[\[.]", key, maxsplit=1)[0])
        found = re.search(rf"^\s*\[?\s*{name}\s*[\]=.]", self._source, re.MULTILINE)
        return self._source.count("\n", 0, found.start()) + 1 if found else 0

    def _text(self, key: str) -> str:
        value = self._data.get(key, "")
        if not isinstance(value, str):
            self._fault(key, f"must be text, not {type(value).__name__}")
            return ""
        if key in _REQUIRED and key in self._data and not value.strip():
            self._fault(key, "is empty")
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._fault(key, "must be a list of texts")
            return ()
        return tuple(value)

    def _pattern(self) -> str:
        value = self._data.get("pattern", "")
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            # A list lets a long pattern be broken over lines, as RE2 has no verbose mode.
            return "".join(value)
        if not isinstance(value, str):
            self._fault("pattern", "must be text, or a list of texts that are joined")
            return ""
        return value

    def _choice(self, key: str, kind: type[_E]) -> _E | None:
        value = self._data.get(key)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            self._fault(key, f"{value!r} is unknown", hint=f"one of {', '.join(kind)}")
            return None

    def _surfaces(self) -> frozenset[Surface]:
        value = self._data.get("surfaces", [])
        if value == "all":
            return _ALL_SURFACES
        if not isinstance(value, list) or not value:
            if "surfaces" in self._data:
                self._fault("surfaces", 'must be "all" or a list of surfaces')
            return frozenset()
        surfaces = set()
        for item in value:
            try:
                surfaces.add(Surface(item))
            except ValueError:
                self._fault("surfaces", f"{item!r} is unknown", hint=f"one of {', '.join(Surface)}")
        return frozenset(surfaces)

    def _confidence_on(self) -> MappingProxyType[Surface, float]:
        value = self._data.get("confidence_on", {})
        if not isinstance(value, dict):
            self._fault("confidence_on", "must be a table of surface = confidence")
            return MappingProxyType({})
        levels: dict[Surface, float] = {}
        for key, level in value.items():
            try:
                surface = Surface(key)
            except ValueError:
                self._fault(
                    "confidence_on", f"{key!r} is unknown", hint=f"one of {', '.join(Surface)}"
                )
                continue
            levels[surface] = self._probability("confidence_on", level)
        return MappingProxyType(levels)

    def _probability(self, key: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self._fault(key, f"{value!r} is not a number from 0 to 1")
            return 0.0
        return float(value)

    def _label(self, threat: Threat | None) -> str:
        default = _DEFAULT_LABELS[threat] if threat else "REDACTED"
        value = self._data.get("label", default)
        if not isinstance(value, str) or not _LABEL.fullmatch(value):
            self._fault("label", f"{value!r} is not a label", hint="capitals, digits and _")
            return default
        return value

    def _names(self, key: str, known: Iterable[str], noun: str) -> tuple[str, ...]:
        names = self._texts(key)
        for name in names:
            if name not in known:
                self._fault(
                    key, f"{name!r} is not a {noun}", hint=f"one of {', '.join(sorted(known))}"
                )
        return names

    def _near_chars(self) -> int:
        value = self._data.get("near_chars", 60)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 500:
            self._fault("near_chars", f"{value!r} is not a whole number from 1 to 500")
            return 60
        return value


@cache
def _tags() -> frozenset[str]:
    text = (resources.files("rune_scanner") / "rules" / "tags.toml").read_text(encoding="utf-8")
    return frozenset(
        f"{family}:{name}" for family, names in tomllib.loads(text).items() for name in names
    )
