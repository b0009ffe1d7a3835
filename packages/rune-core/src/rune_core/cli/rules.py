"""``rune rules``: look at the rules and prove them."""

from __future__ import annotations

import json
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rune_core.cli.exits import CliError, ExitCode, say
from rune_core.cli.text import columns, console, joined, plural, printable
from rune_scanner.finding import Severity, Surface, Threat

if TYPE_CHECKING:
    from rune_core.cli.proving import Proof
    from rune_scanner.rules import Rule, RuleSet

app = typer.Typer(
    help="Look at the rules of layer 1, and prove them by their cases.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_WIDE = 160
_MIDDLING = 110


class ListFormat(StrEnum):
    """How ``rules list`` prints."""

    TABLE = "table"
    JSON = "json"
    IDS = "ids"


class TextFormat(StrEnum):
    """How other commands print."""

    HUMAN = "human"
    JSON = "json"


class EngineChoice(StrEnum):
    """Which engines prove the rules."""

    BOTH = "both"
    RE2 = "re2"
    RE = "re"


OwnRules = Annotated[
    list[Path] | None,
    typer.Option(
        "--rules", "-r", metavar="PATH", help="Rules of your own to add: a folder or file."
    ),
]


@app.command("list")
def list_rules(
    query: Annotated[
        str, typer.Argument(help="Words that id, title or description must contain.")
    ] = "",
    threat: Annotated[list[Threat] | None, typer.Option(help="Only these threats.")] = None,
    surface: Annotated[
        list[Surface] | None, typer.Option(help="Only rules that apply to one of these.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="Only rules with a tag such as LLM01 or owasp-llm:LLM01."),
    ] = None,
    severity: Annotated[list[Severity] | None, typer.Option(help="Only these severities.")] = None,
    rules: OwnRules = None,
    output: Annotated[
        ListFormat, typer.Option("--format", help="How to print.")
    ] = ListFormat.TABLE,
) -> None:
    """List rules. Without a terminal, one rule a line with tabs between the columns.

    \b
    Examples:
      rune rules list
      rune rules list ignore --threat prompt_injection
      rune rules list --surface tool_call --severity critical --format ids
      rune rules list --tag ASI01 --format json
    """  # noqa: D301 - \b keeps the lines below it apart
    loaded = load(rules)
    words = query.casefold().split()
    chosen = [
        rule
        for rule in loaded
        if (not threat or rule.threat in threat)
        and (not surface or not rule.surfaces.isdisjoint(surface))
        and (not severity or rule.severity in severity)
        and (not tag or all(_tagged(rule, wanted) for wanted in tag))
        and _mentions(rule, words)
    ]
    if not chosen:
        say(f"none of {plural(len(loaded), 'rule')} fits")
    if output is ListFormat.JSON:
        rows = [as_dict(rule) for rule in chosen]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif output is ListFormat.IDS:
        for rule in chosen:
            typer.echo(rule.id)
    else:
        _print_table(chosen, len(loaded))


@app.command()
def show(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="The rule's id.")],
    rules: OwnRules = None,
    output: Annotated[
        TextFormat, typer.Option("--format", help="How to print.")
    ] = TextFormat.HUMAN,
) -> None:
    """Show everything about one rule, with what its pattern's shape says.

    \b
    Examples:
      rune rules show injection-ignore-previous-en
      rune rules show injection-ignore-previous-en --format json
    """  # noqa: D301 - \b keeps the lines below it apart
    loaded = load(rules)
    if rule_id not in loaded:
        raise CliError(f"there is no rule {rule_id!r}{_guess(rule_id, loaded)}")
    rule = loaded[rule_id]
    if output is TextFormat.JSON:
        typer.echo(json.dumps(as_dict(rule), indent=2, ensure_ascii=False))
        return
    rows = [(key, _shown(value)) for key, value in as_dict(rule).items() if value not in ("", [])]
    for line in columns(rows):
        typer.echo(line)


@app.command("test")
def prove_rules(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH|ID",
            help="Rule folders or files, or globs over ids of built-in rules. All built-in rules "
            "without one.",
        ),
    ] = None,
    engine: Annotated[
        EngineChoice, typer.Option(help="Which engines must agree with the cases.")
    ] = EngineChoice.BOTH,
    output: Annotated[
        TextFormat, typer.Option("--format", help="How to print.")
    ] = TextFormat.HUMAN,
) -> None:
    """Lint rules and run the cases beside them: every hit must be found, no miss may be.

    Exits 0 when every rule holds, 1 when any does not, 2 when there is nothing to test.

    \b
    Examples:
      rune rules test ./my-rules
      rune rules test 'secret-*' --engine re
      rune rules test
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.cli.proving import engines_for, files_for, prove

    engines, missing = engines_for(engine)
    files = files_for(targets or [])
    proofs: list[Proof] = []
    for proof in _with_progress(prove(files, engines), len(files)):
        proofs.append(proof)
        if output is TextFormat.HUMAN:
            for fault in proof.faults:
                typer.echo(f"FAIL  {printable(fault)}")
    failed = sum(bool(proof.faults) for proof in proofs)
    cases = sum(proof.cases for proof in proofs)
    if output is TextFormat.JSON:
        report = {
            "ok": not failed,
            "engines": engines,
            "rules": len(proofs),
            "cases": cases,
            "failed": [{"path": p.path, "faults": p.faults} for p in proofs if p.faults],
        }
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        verdict = f"{failed} failed" if failed else "all hold"
        typer.echo(
            f"{plural(len(proofs), 'rule')}, {plural(cases, 'case')}, "
            f"engines {joined(engines)}: {verdict}."
        )
        if missing:
            typer.echo(f"Engine {missing} is not installed, so it was not tried: see rune doctor.")
    if failed:
        raise typer.Exit(ExitCode.FINDINGS)


@app.command()
def validators() -> None:
    """List the checks that rules may name under `validators`."""
    from rune_scanner.validators import VALIDATORS

    rows = [
        (name, (check.__doc__ or "").strip().split("\n", maxsplit=1)[0])
        for name, check in sorted(VALIDATORS.items())
    ]
    for line in columns(rows):
        typer.echo(line)


def load(own: list[Path] | None) -> RuleSet:
    """The built-in rules with those of plug-ins, of ``RUNE_RULE_FOLDERS`` and of ``--rules``."""
    from rune_core.cli.app import plugins
    from rune_scanner import builtin_rules, load_rules

    folders = [*plugins().rule_folders(), *(own or [])]
    return load_rules(*folders) if folders else builtin_rules()


def as_dict(rule: Rule) -> dict[str, Any]:
    """Everything about a rule, ready for JSON."""
    surfaces = "all" if len(rule.surfaces) == len(Surface) else sorted(rule.surfaces)
    return {
        "id": rule.id,
        "title": rule.title,
        "threat": rule.threat,
        "severity": rule.severity,
        "confidence": rule.confidence,
        "confidence_on": {str(key): value for key, value in sorted(rule.confidence_on.items())},
        "surfaces": surfaces,
        "text": rule.form,
        "pattern": rule.pattern,
        "label": rule.label,
        "validators": list(rule.validators),
        "exclude": list(rule.exclude),
        "near": list(rule.near),
        "unless_near": list(rule.unless_near),
        "near_chars": rule.near_chars,
        "tags": list(rule.tags),
        "references": list(rule.references),
        "description": rule.description,
        "path": rule.path,
        "min_span": rule.facts.min_width,
        "max_span": rule.max_span,
        "keywords": list(rule.facts.keywords),
        "backtracking_paths": rule.lint().paths,
        "compiled": rule.compiled_source,
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return joined(f"{key} {item}" for key, item in value.items())
    return printable(joined(value) if isinstance(value, list) else str(value))


def _tagged(rule: Rule, wanted: str) -> bool:
    return any(wanted in (tag, tag.partition(":")[2], tag.partition(":")[0]) for tag in rule.tags)


def _mentions(rule: Rule, words: list[str]) -> bool:
    text = f"{rule.id} {rule.title} {rule.description}".casefold()
    return all(word in text for word in words)


def _guess(rule_id: str, rules: RuleSet) -> str:
    from difflib import get_close_matches

    ids = [rule.id for rule in rules]
    near = [name for name in ids if fnmatchcase(name, f"*{rule_id}*")][:3]
    near = near or get_close_matches(rule_id, ids, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else "; see rune rules list"


def _print_table(rules: list[Rule], total: int) -> None:
    rows = [
        (
            rule.id,
            str(rule.threat),
            str(rule.severity),
            f"{rule.confidence:.2f}",
            "all" if len(rule.surfaces) == len(Surface) else ",".join(sorted(rule.surfaces)),
            printable(rule.title),
        )
        for rule in rules
    ]
    out = console()
    if not out.is_terminal:
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich.box import SIMPLE
    from rich.table import Table

    names = ("id", "threat", "severity", "confidence", "surfaces", "title")
    # Columns for which a narrow terminal has no room are left out: rules show has them all.
    dropped = {"confidence", "surfaces"} if out.width < _WIDE else set()
    dropped |= {"threat"} if out.width < _MIDDLING else set()
    kept = [index for index, name in enumerate(names) if name not in dropped]
    table = Table(box=SIMPLE, pad_edge=False)
    for index in kept:
        table.add_column(names[index], no_wrap=names[index] == "id")
    for row in rows:
        table.add_row(*(row[index] for index in kept))
    out.print(table, soft_wrap=False)
    of = "" if len(rules) == total else f" of {total}"
    out.print(f"{len(rules)}{of} rules")


def _with_progress(proofs: Any, total: int) -> Any:
    """``proofs``, with a bar on stderr while it runs on a terminal."""
    from rune_core.cli.progress import tracked

    return tracked(proofs, total, "rules")
