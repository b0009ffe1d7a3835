"""The cases that prove a rule: texts it must find and texts it must leave alone."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rune_scanner.errors import RuleError, RuleLoadError
from rune_scanner.finding import Surface
from rune_scanner.rules.load import RuleSet
from rune_scanner.scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rune_scanner.rules.schema import Rule

MIN_HITS: Final = 2
MIN_MISSES: Final = 2
_KEYS: Final = frozenset(("text", "surface", "match", "view", "why"))


@dataclass(frozen=True, slots=True)
class Case:
    """One text that a rule must find, or must leave alone.

    Attributes:
        rule_id: The rule it proves.
        hit: Whether the rule must find something.
        text: The text.
        surface: Where it is met.
        match: For a hit: exactly what the finding's span must cover; None when it may be any.
        view: For a hit: the view it must be found in; None when it may be any.
        name: ``hit[0]``, ``miss[2]``, … as in the file.
    """

    rule_id: str
    hit: bool
    text: str
    surface: Surface
    match: str | None
    view: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that did not hold, and why."""

    case: Case
    reason: str


def cases_path(rule: Rule) -> Path:
    """Where the cases of ``rule`` lie: beside it."""
    return Path(rule.path).with_suffix(".cases.toml")


def load_cases(rule: Rule) -> tuple[Case, ...]:
    """The cases beside ``rule``.

    Raises:
        RuleLoadError: The file is missing or malformed, or holds too few cases.
    """
    path = cases_path(rule)
    errors: list[RuleError] = []
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RuleLoadError(
            [RuleError(str(path), "is missing", hint="every rule proves two hits and two misses")]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise RuleLoadError([RuleError(str(path), f"is not valid TOML: {error}")]) from None
    cases: list[Case] = []
    for kind, least in (("hit", MIN_HITS), ("miss", MIN_MISSES)):
        rows = data.pop(kind, [])
        if not isinstance(rows, list) or len(rows) < least:
            errors.append(
                RuleError(str(path), f"needs at least {least} [[{kind}]] cases", key=kind)
            )
            continue
        cases.extend(_read(rule, kind, index, row, path, errors) for index, row in enumerate(rows))
    errors.extend(
        RuleError(str(path), "is not a key of a cases file", key=key, hint="[[hit]] and [[miss]]")
        for key in data
    )
    if errors:
        raise RuleLoadError(errors)
    return tuple(cases)


def _read(rule: Rule, kind: str, index: int, row: Any, path: Path, errors: list[RuleError]) -> Case:
    name = f"{kind}[{index}]"
    if not isinstance(row, dict):
        errors.append(RuleError(str(path), "must be a table", key=name))
        row = {}
    errors.extend(
        RuleError(str(path), "is not a key of a case", key=f"{name}.{key}")
        for key in row.keys() - _KEYS
    )
    surface = row.get("surface", min(rule.surfaces, key=list(Surface).index))
    if surface not in rule.surfaces:
        errors.append(
            RuleError(str(path), f"{surface!r} is not a surface of the rule", key=f"{name}.surface")
        )
        surface = min(rule.surfaces)
    text = _joined(row.get("text"))
    if not text:
        errors.append(
            RuleError(
                str(path), "must be text, or a list of texts that are joined", key=f"{name}.text"
            )
        )
    return Case(
        rule_id=rule.id,
        hit=kind == "hit",
        text=text,
        surface=Surface(surface),
        match=_joined(row["match"]) if "match" in row else None,
        view=row.get("view"),
        name=name,
    )


def _joined(value: Any) -> str:
    # A list keeps whole samples of secrets out of the file, where secret scanners would see them.
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(value)
    return value if isinstance(value, str) else ""


def check_rule(rule: Rule, engine: str | None = None) -> Iterator[Failure]:
    """Run the cases of one rule, that rule alone, and yield those that do not hold.

    Raises:
        RuleLoadError: The cases cannot be loaded.
    """
    scanner = Scanner(RuleSet((rule,)), engine=engine)
    for case in load_cases(rule):
        reason = _check(scanner, case)
        if reason:
            yield Failure(case, reason)


def check_rules(rules: Iterable[Rule], engine: str | None = None) -> Iterator[Failure]:
    """Run the cases of all ``rules``."""
    for rule in rules:
        yield from check_rule(rule, engine)


def _check(scanner: Scanner, case: Case) -> str:
    findings = scanner.scan(case.text, case.surface).findings
    if not case.hit:
        if findings:
            start, end = findings[0].span
            return f"found {case.text[start:end]!r} (view {findings[0].view}), but must not"
        return ""
    if not findings:
        return "found nothing, but must"
    if case.view is not None and all(finding.view != case.view for finding in findings):
        return f"found in views {sorted({f.view for f in findings})}, not in {case.view!r}"
    if case.match is not None:
        covered = [case.text[finding.span.start : finding.span.end] for finding in findings]
        if case.match not in covered:
            return f"covers {covered!r}, not {case.match!r}"
    return ""
