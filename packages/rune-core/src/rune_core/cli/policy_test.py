"""``rune policy test``: run the cases written beside policies."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rune_core.cli.exits import CliError, ExitCode
from rune_core.cli.text import joined, plural, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rune_core.errors import PolicyError
    from rune_core.policy.cases import Case


def run_cases(
    paths: Annotated[
        list[Path], typer.Argument(help="Policy files, or folders of *.yaml.", metavar="PATH")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run the cases beside policies: mail.cases.yaml beside mail.yaml.

    Each case starts afresh, under its policy and the built-in one, with the rules of layer 1 and
    nothing else, so that it ends the same everywhere. Exits 0 when all hold, 1 when one does not,
    2 when a policy or its cases do not load or there are none.

    \b
    Examples:
      rune policy test ./policies
      rune policy test mail.yaml --json
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.errors import PolicyLoadError

    policies = _policies(paths)
    rows: list[dict[str, Any]] = []
    bare: list[str] = []
    faults: list[PolicyError] = []
    for policy in policies:
        try:
            found = list(_run(policy))
        except PolicyLoadError as error:
            faults += error.errors
            continue
        rows += found
        bare += [] if found else [str(policy)]
    if faults:
        raise PolicyLoadError(faults)
    if not rows:
        raise CliError(
            f"no cases beside {joined(map(str, policies))}; write {policies[0].stem}.cases.yaml"
        )
    failed = [row for row in rows if row["fault"]]
    if as_json:
        report = {"ok": not failed, "cases": rows, "without_cases": bare}
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            mark = "fail" if row["fault"] else "ok  "
            tail = f": {row['fault']}" if row["fault"] else ""
            typer.echo(printable(f"{mark}  {row['path']}:{row['line']} {row['name']}{tail}"))
        for path in bare:
            typer.echo(printable(f"none  {path}: no cases beside it"))
        held = f"{len(failed)} did not hold" if failed else "all hold"
        typer.echo(
            f"{plural(len(rows), 'case')} of {plural(len(policies), 'policy', 'policies')}, {held}."
        )
    if failed:
        raise typer.Exit(ExitCode.FINDINGS)


def _policies(paths: Iterable[Path]) -> list[Path]:
    from rune_core.policy.load import policy_paths

    found: dict[Path, None] = {}
    for given in paths:
        path = given
        if not path.exists():
            raise CliError(f"no such file or folder: {path}")
        if path.stem.endswith(".cases"):
            # Naming the cases is as good as naming the policy they stand beside.
            path = path.with_name(path.stem.removesuffix(".cases") + path.suffix)
            if not path.exists():
                raise CliError(f"there is no policy {path} beside its cases")
        inside = policy_paths(path)
        if not inside:
            raise CliError(f"{path} holds no policy files (*.yaml)")
        found.update(dict.fromkeys(inside))
    return list(found)


def _run(policy: Path) -> Iterator[dict[str, Any]]:
    from rune_core.policy.cases import cases_path, load_cases, run_case, shield_for_cases

    beside = cases_path(policy)
    if not beside.exists():
        # The policy itself must load all the same.
        shield_for_cases(policy).close()
        return
    cases: tuple[Case, ...] = load_cases(beside)
    for case in cases:
        with shield_for_cases(policy) as shield:
            result = run_case(case, shield)
        yield {
            "path": str(beside),
            "line": case.line,
            "name": case.name,
            "action": str(result.action),
            "rule": result.decision.rule,
            "fault": case.fault(result),
        }
