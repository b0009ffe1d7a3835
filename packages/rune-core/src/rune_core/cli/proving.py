"""Prove rules by their lint and their cases, one rule after the other."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rune_core.cli.exits import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of one rule file.

    Attributes:
        path: The file.
        cases: Cases run, on one engine.
        faults: Lint errors and cases that do not hold, one line each; empty for a sound rule.
    """

    path: str
    cases: int
    faults: tuple[str, ...]


def engines_for(choice: str) -> tuple[list[str], str]:
    """The engines to prove on, and the name of the one of ``both`` that is not installed.

    Raises:
        CliError: The engine asked for by name is not installed.
    """
    installed = find_spec("re2") is not None
    if choice == "both":
        return (["re2", "re"], "") if installed else (["re"], "re2")
    if choice == "re2" and not installed:
        raise CliError("engine re2 is not installed; pip install google-re2, or use --engine re")
    return [choice], ""


def files_for(targets: Sequence[str]) -> list[Path]:
    """The rule files that ``targets`` name: paths, or globs over the ids of built-in rules.

    Raises:
        CliError: A target names nothing, or names built-in rules whose cases are not installed.
    """
    files: dict[Path, None] = {}
    for target in targets or ["*"]:
        path = Path(target)
        if targets and path.exists():
            found = sorted(path.rglob("*.toml")) if path.is_dir() else [path]
            found = [
                file
                for file in found
                if not file.name.endswith(".cases.toml") and file.name != "tags.toml"
            ]
            if not found:
                raise CliError(f"{target} holds no rule files (*.toml)")
        elif path.suffix or len(path.parts) > 1:
            raise CliError(f"no such file or folder: {target}")
        else:
            found = _builtin(target)
        files.update(dict.fromkeys(found))
    return list(files)


def _builtin(glob: str) -> list[Path]:
    from rune_scanner import builtin_rules
    from rune_scanner.rules.cases import cases_path

    rules = [rule for rule in builtin_rules() if fnmatchcase(rule.id, glob)]
    if not rules:
        raise CliError(f"no folder, file or built-in rule is named {glob!r}; see rune rules list")
    if not any(cases_path(rule).exists() for rule in rules):
        raise CliError(
            "the cases of the built-in rules are left out of the installed package; clone the "
            "repository and run `uv run rune rules test` there, or name a folder of your own rules"
        )
    return [Path(rule.path) for rule in rules]


def prove(files: Sequence[Path], engines: Sequence[str]) -> Iterator[Proof]:
    """Lint and prove each file by itself, so that one fault hides no other."""
    seen: dict[str, Path] = {}
    for file in files:
        faults, cases, rule_id = _prove_one(file, engines)
        if rule_id in seen:
            faults.append(f"{file}: {rule_id!r} is already defined in {seen[rule_id]}")
        elif rule_id:
            seen[rule_id] = file
        yield Proof(str(file), cases, tuple(faults))


def _prove_one(file: Path, engines: Sequence[str]) -> tuple[list[str], int, str]:
    from rune_scanner import RuleLoadError, load_rules
    from rune_scanner.rules.cases import check_rule, load_cases

    try:
        (rule,) = load_rules(file, builtin=False)
    except RuleLoadError as error:
        return [str(fault) for fault in error.errors], 0, ""
    try:
        cases = len(load_cases(rule))
        failed: dict[str, list[str]] = {}
        for engine in engines:
            for failure in check_rule(rule, engine):
                failed.setdefault(f"{failure.case.name} {failure.reason}", []).append(engine)
    except RuleLoadError as error:
        return [str(fault) for fault in error.errors], 0, rule.id
    except Exception as error:  # noqa: BLE001 - engines raise errors of their own kinds
        return [f"{rule.path}: an engine refuses the pattern: {error}"], 0, rule.id
    faults = [
        f"{rule.id} ({', '.join(names) if len(names) < len(engines) else 'every engine'}): {what}"
        for what, names in failed.items()
    ]
    return faults, cases, rule.id
