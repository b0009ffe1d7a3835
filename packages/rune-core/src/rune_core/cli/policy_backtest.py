"""``rune policy backtest``: what other policies would decide about what has happened."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rune_core.cli.exits import CliError, ExitCode
from rune_core.cli.progress import bar
from rune_core.cli.text import columns, plural, printable

if TYPE_CHECKING:
    from rune_core.policy.backtest import Change, Outcome, Report
    from rune_core.policy.traces import Run

RECORDED = "recorded"
_SHOWN = 160
_MAX_CHANGES = 200


def backtest(
    policies: Annotated[
        Path, typer.Argument(help="The policy file or folder to try.", metavar="PATH")
    ],
    trace: Annotated[
        list[str] | None,
        typer.Option(
            "--trace",
            "-t",
            metavar="FILE|-",
            help="Runs as chat messages, JSON lines. May be repeated. Default: the local journal.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|recorded",
            help="What to compare with: other policies, or `recorded` for what the journal says "
            "was decided. Default: the policies of $RUNE_POLICIES, else the built-in one.",
        ),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Only runs of these agents.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0.0, help="Only what the journal kept in the last days.")
    ] = None,
    layer_two: Annotated[
        bool, typer.Option("--layer-2", help="Let layer 2 look too, where it is installed.")
    ] = False,
    show_content: Annotated[
        bool, typer.Option("--show-content", help="Show texts and arguments of what changes.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 when something would change.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay past runs under a policy and show what would be decided otherwise.

    Rules of layer 1 and the policies decide, on both sides; counters run on the time of the runs.
    What was stopped in the replay is followed by what came after it all the same.

    \b
    Examples:
      rune policy backtest ./policies
      rune policy backtest new.yaml --baseline old.yaml --trace runs.jsonl
      rune policy backtest ./policies --baseline recorded --days 7 --json
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.policy.backtest import backtest as replay
    from rune_core.policy.cases import shield_for_cases

    runs = _runs(trace, days, agent)
    if baseline == RECORDED:
        if trace:
            raise CliError("only the journal knows what was decided; name policies with --baseline")
        against = None
    else:
        path = Path(baseline) if baseline else _configured()
        against = shield_for_cases(_existing(path), layer_two=layer_two)
    tried = shield_for_cases(_existing(policies), layer_two=layer_two)
    try:
        with bar(sum(len(run.steps) for run in runs), "steps") as advance:
            report = replay(runs, tried, against, lambda: advance(1))
    finally:
        tried.close()
        if against is not None:
            against.close()
    if as_json:
        typer.echo(json.dumps(_as_dict(report, show_content), indent=2, ensure_ascii=False))
    else:
        for line in _lines(report, show_content):
            typer.echo(printable(line))
    if exit_code and report.changes:
        raise typer.Exit(ExitCode.FINDINGS)


def _runs(trace: list[str] | None, days: float | None, agent: str | None) -> list[Run]:
    from rune_core.policy.globs import globs
    from rune_core.policy.traces import runs_of_file, runs_of_text

    runs: list[Run] = []
    for name in trace or ():
        if name == "-":
            runs += runs_of_text(sys.stdin.read(), "<stdin>")
        else:
            runs += runs_of_file(Path(name))
    if not trace:
        runs = _from_journal(days)
    elif days is not None:
        raise CliError("--days is for the journal")
    if agent is not None:
        wanted = globs((agent,))
        runs = [run for run in runs if run.agent is not None and wanted(run.agent)]
    if not runs:
        raise CliError("no run is left to replay")
    return runs


def _from_journal(days: float | None) -> list[Run]:
    import time

    from rune_core.cli.journal import open_journal
    from rune_core.policy.traces import runs_of_journal

    since = 0 if days is None else time.time_ns() - int(days * 86_400e9)
    return runs_of_journal(entry for entry in open_journal() if entry.at >= since)


def _configured() -> Path | None:
    from rune_core.config import ShieldConfig

    return ShieldConfig().local_policies_path


def _existing(path: Path | None) -> Path | None:
    if path is not None and not path.exists():
        raise CliError(f"no such file or folder: {path}")
    return path


def _lines(report: Report, show_content: bool) -> list[str]:
    seen = (plural(report.runs, "run"), plural(report.texts, "text"), plural(report.calls, "call"))
    lines = [f"{', '.join(seen)}: {plural(len(report.changes), 'decision')} would change."]
    if report.unknown:
        lines.append(f"{report.unknown:,} more have no recorded decision.")
    if report.moved:
        rows = [("what", "before", "after", "count")]
        rows += [
            (kind, old.value, new.value, f"{count:,}")
            for (kind, old, new), count in sorted(report.moved.items(), key=lambda item: -item[1])
        ]
        lines += ["", *columns(rows)]
    told = {rule: sides for rule, sides in report.rules.items() if sides[0] != sides[1]}
    if told:
        counts = [("rule", "decided before", "after")]
        counts += [(rule, f"{old:,}", f"{new:,}") for rule, (old, new) in told.items()]
        lines += ["", *columns(counts)]
    for change in report.changes[:_MAX_CHANGES]:
        lines += ["", *_diff(change, show_content)]
    if len(report.changes) > _MAX_CHANGES:
        lines += ["", f"{len(report.changes) - _MAX_CHANGES:,} more; --json shows all"]
    return lines


def _diff(change: Change, show_content: bool) -> list[str]:
    step = change.step
    what = f"call of {step.tool}" if step.kind == "tool_call" else step.kind
    if step.tool and step.kind != "tool_call":
        what += f" of {step.tool}"
    lines = [f"@@ {change.run}, step {change.number}: {what}"]
    if step.decision:
        lines[0] += f" (decision {step.decision})"
    if show_content:
        lines.append(f"  {_excerpt(step.content)}")
    return [*lines, f"- {_said(change.before)}", f"+ {_said(change.after)}"]


def _said(outcome: Outcome) -> str:
    if outcome.rule is None:
        return outcome.action.value
    by = f"{outcome.action} by {outcome.rule}"
    return f"{by}: {outcome.why}" if outcome.why else by


def _excerpt(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _as_dict(report: Report, show_content: bool) -> dict[str, Any]:
    return {
        "runs": report.runs,
        "texts": report.texts,
        "calls": report.calls,
        "without_recorded_decision": report.unknown,
        "moved": [
            {"what": kind, "before": old, "after": new, "count": count}
            for (kind, old, new), count in report.moved.items()
        ],
        "rules": [
            {"rule": rule, "before": old, "after": new} for rule, (old, new) in report.rules.items()
        ],
        "changes": [
            {
                "run": change.run,
                "step": change.number,
                "what": change.step.kind,
                "tool": change.step.tool,
                "decision": change.step.decision or None,
                "before": _outcome(change.before),
                "after": _outcome(change.after),
                **({"content": change.step.content} if show_content else {}),
            }
            for change in report.changes
        ],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "action": outcome.action,
        "rule": outcome.rule,
        "policy": outcome.policy or None,
        "explanation": outcome.why or None,
    }
