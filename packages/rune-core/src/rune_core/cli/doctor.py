"""``rune doctor``: say what works here, what does not, and what to do about it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from rune_core.cli.exits import ExitCode
from rune_core.cli.text import console, plural, printable

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this installation: packages, engine, layers, rules, policies, folders, plug-ins.

    Each line is ok, warn or fail, with the way out. Values of environment variables are never
    printed. Exits 1 when any check fails.

    \b
    Examples:
      rune doctor
      rune doctor --json
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.cli.checks import all_checks

    checks = all_checks()
    failed = sum(check.status == "fail" for check in checks)
    if as_json:
        rows = [
            {
                "area": check.area,
                "name": check.name,
                "status": check.status,
                "detail": check.detail,
                "todo": check.todo,
            }
            for check in checks
        ]
        typer.echo(json.dumps({"ok": not failed, "checks": rows}, indent=2))
    else:
        from rich.text import Text

        out = console()
        area = ""
        width = max(len(check.name) for check in checks)
        for check in checks:
            if check.area != area:
                area = check.area
                out.print(Text(area, style="bold"))
            line = Text("  ")
            line.append(check.status.ljust(4), style=_STYLES[check.status])
            line.append(f"  {check.name.ljust(width)}  {printable(check.detail)}".rstrip())
            out.print(line)
            for todo in filter(None, check.todo.split("\n")):
                out.print(Text(f"        {' ' * width}  -> {printable(todo)}"))
        warned = sum(check.status == "warn" for check in checks)
        out.print(
            f"\n{plural(len(checks), 'check')}: {failed} failed, {plural(warned, 'warning')}."
        )
    if failed:
        raise typer.Exit(ExitCode.FINDINGS)
