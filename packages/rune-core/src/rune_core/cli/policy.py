"""``rune policy``: check, test, explain and try out policies before anything depends on them."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rune_core.cli.exits import CliError, ExitCode
from rune_core.cli.policy_backtest import backtest
from rune_core.cli.policy_except import except_decision
from rune_core.cli.policy_explain import explain
from rune_core.cli.policy_test import run_cases
from rune_core.cli.text import joined, plural, printable

if TYPE_CHECKING:
    from rune_core.errors import PolicyError
    from rune_core.policy.model import PolicyFile

app = typer.Typer(
    help="Check, test, explain and try out policies.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _policy() -> None:
    """Check, test, explain and try out policies."""


@app.command()
def check(
    paths: Annotated[
        list[Path], typer.Argument(help="Policy files, or folders of *.yaml.", metavar="PATH")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Load policy files and report every fault with file, line, key and the way out.

    Warns of names that no detector has: such a rule finds nothing.

    Exits 0 when all load, 1 when any has a fault, 2 when a path does not exist.

    \b
    Examples:
      rune policy check ./policies
      rune policy check billing.yaml --json
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.errors import PolicyLoadError
    from rune_core.policy.load import load_files

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise CliError(f"no such file or folder: {joined(missing)}")
    files: list[PolicyFile] = []
    faults: list[PolicyError] = []
    warnings: list[str] = []
    for path in paths:
        try:
            files += load_files(path)
            warnings += _warnings(path)
        except PolicyLoadError as error:
            faults += error.errors
    if as_json:
        report = {**_as_dict(files, faults), "warnings": warnings}
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for file in files:
            typer.echo(printable(f"ok    {file.path}: {_described(file)}"))
        for warning in warnings:
            typer.echo(printable(f"warn  {warning}"))
        for fault in faults:
            typer.echo(printable(f"fail  {fault}"))
        counted = f"{plural(len(faults), 'fault')} in policy files" if faults else "no faults"
        typer.echo(f"{plural(len(files), 'policy file')} in order, {counted}.")
    if faults:
        raise typer.Exit(ExitCode.FINDINGS)


def _warnings(path: Path) -> list[str]:
    """Names in policies that no detector has, built-in or of one's own."""
    from rune_core.cli.policy_names import names_without_detector
    from rune_core.config import ShieldConfig
    from rune_core.errors import ConfigError

    try:
        config = ShieldConfig(local_policies_path=path)
    except ConfigError:  # of another setting: rune doctor tells
        return []
    return names_without_detector(config)


def _described(file: PolicyFile) -> str:
    parts = [plural(len(file.rules), "rule")]
    if file.exemptions:
        parts.append(plural(len(file.exemptions), "exception"))
    monitored = sum(rule.mode == "monitor" for rule in file.rules)
    if monitored:
        parts.append(f"{monitored} in monitor mode")
    if not file.defaults:
        parts.append("the built-in policy is off")
    return ", ".join(parts)


def _as_dict(files: list[PolicyFile], faults: list[PolicyError]) -> dict[str, Any]:
    return {
        "ok": not faults,
        "files": [
            {
                "path": file.path,
                "name": file.name,
                "rules": [rule.name for rule in file.rules],
                "exceptions": len(file.exemptions),
                "defaults": file.defaults,
            }
            for file in files
        ],
        "faults": [
            {
                "path": fault.path,
                "line": fault.line,
                "key": fault.key,
                "message": fault.message,
                "hint": fault.hint,
            }
            for fault in faults
        ],
    }


app.command("test")(run_cases)
app.command("explain")(explain)
app.command("backtest")(backtest)
app.command("except")(except_decision)
