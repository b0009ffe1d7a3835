"""The demo's results as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rune_langchain.demo.run import Outcome, Report


_WIDE = 100
"""Columns from which there is room for the rule that found something."""


def print_report(report: Report, console: Console | None = None) -> None:
    """Print one row per scenario, then the totals."""
    console = console or Console()
    console.print(_table(report, detailed=console.width >= _WIDE))
    attacks, honest = report.of("attack"), report.of("honest")
    console.print(
        Text.assemble(
            "Attacks that did harm: ",
            (f"{sum(o.plain.harmed for o in attacks)} of {len(attacks)}", "bold red"),
            " without Rune, ",
            (f"{sum(o.guarded.harmed for o in attacks)} of {len(attacks)}", "bold green"),
            " with it. Honest tasks disturbed: ",
            (f"{sum(bool(o.fault) for o in honest)} of {len(honest)}", "bold green"),
            ".",
        )
    )
    console.print(
        f"An honest task took {report.added_ms:.1f} ms longer with Rune (median); "
        f"the demo took {report.seconds:.1f} s. Nothing left this process."
    )
    if report.absent_layers:
        absent = ", ".join(report.absent_layers)
        console.print(Text(f"Decided by rules alone; not installed here: {absent}.", "dim"))
    for outcome in report.faults:
        console.print(Text(f"FAILED {outcome.scenario.id}: {outcome.fault}", "bold red"))


def _table(report: Report, *, detailed: bool) -> Table:
    table = Table(
        title="One agent, twice: what became of its world",
        title_justify="left",
        box=SIMPLE,
        expand=True,
    )
    table.add_column("Scenario", ratio=8)
    table.add_column("Without Rune", ratio=7)
    table.add_column("With Rune", ratio=5)
    table.add_column("Decided by", ratio=9, overflow="fold")
    table.add_column("Added", justify="right", no_wrap=True)
    for kind, heading in (("attack", "Attacks"), ("honest", "Honest tasks")):
        table.add_section()
        table.add_row(Text(heading, "bold"))
        for outcome in report.of(kind):
            table.add_row(
                outcome.scenario.title,
                _without(outcome),
                _with(outcome),
                _why(outcome, detailed=detailed),
                f"{outcome.shield_ms:.0f} ms",
            )
    return table


def _without(outcome: Outcome) -> Text:
    if outcome.scenario.kind == "honest":
        return Text("done" if outcome.plain.done else "failed")
    if outcome.plain.harmed:
        return Text(outcome.scenario.damage, "bold red")
    return Text("no harm done", "yellow")


def _with(outcome: Outcome) -> Text:
    if outcome.fault:
        return Text(outcome.fault, "bold red")
    if outcome.scenario.kind == "honest":
        return Text("untouched", "green")
    if outcome.guarded.stopped:
        return Text("safe, refused", "green")
    return Text("safe, task done" if outcome.guarded.done else "safe, not done", "green")


def _why(outcome: Outcome, *, detailed: bool) -> Text:
    result = outcome.decided
    if result is None:
        return Text("nothing found", "dim")
    rule = result.decision.rule
    where = result.surface.value.replace("_", " ")
    why = Text.assemble((result.action.value, "bold"), f" {where}: {rule}")
    match = next((m for m in result.decision.matches if m.rule == rule), None)
    if detailed and match and match.detectors:
        why.append(f" ({match.detectors[0]})", "dim")
    return why
