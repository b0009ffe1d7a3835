"""How ``rune scan`` tells what it found: for people, as JSON, as JSON Lines. No content in any."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol

from rune_core.action import Action
from rune_core.cli.exits import ExitCode
from rune_core.cli.scanning import not_run
from rune_core.cli.sources import NotScanned
from rune_core.cli.text import columns, plural, printable
from rune_core.version import VERSION

if TYPE_CHECKING:
    from rich.console import Console

    from rune_core.cli.scanning import Located, Scanned
    from rune_core.cli.sources import Source

SCHEMA = "rune-scan/1"
_LISTED = 5
_STYLES = {
    Action.BLOCK: "bold red",
    Action.ASK: "bold magenta",
    Action.REDACT: "yellow",
    Action.FLAG: "cyan",
    Action.ALLOW: "dim",
}


@dataclass(slots=True)
class Summary:
    """What a run comes to.

    Attributes:
        least: The action from which findings fail the run.
        texts: Texts scanned.
        actions: How many texts ended with which action.
        findings: Findings that the policy acts on.
        incomplete: Texts in which a layer did not finish.
        failed: Things that could not be scanned.
        left_out: Binary and irregular files met in folders.
        not_run: Layers that never ran, and why.
        milliseconds: Time spent scanning.
        policy_revision: The policies in force.
        rules: How many rules were in force.
        rules_revision: Which.
        engine: What matched them.
    """

    least: Action
    policy_revision: str
    rules: int
    rules_revision: str
    engine: str
    texts: int = 0
    actions: Counter[Action] = field(default_factory=Counter)
    findings: int = 0
    incomplete: int = 0
    failed: int = 0
    left_out: int = 0
    not_run: dict[str, str] = field(default_factory=dict)
    milliseconds: float = 0.0

    def add(self, item: Scanned | NotScanned) -> None:
        """Count one outcome."""
        if isinstance(item, NotScanned):
            if item.fails:
                self.failed += 1
            else:
                self.left_out += 1
            return
        self.texts += 1
        self.actions[item.action] += 1
        self.findings += sum(found.action is not Action.ALLOW for found in item.findings)
        self.incomplete += bool(item.incomplete)
        self.not_run.update(not_run(item.reports))
        self.milliseconds += item.milliseconds

    @property
    def exit_code(self) -> ExitCode:
        """What the command exits with. What was found counts for more than what was missed."""
        if any(action.rank >= self.least.rank for action in self.actions):
            return ExitCode.FINDINGS
        if self.failed or self.incomplete or not self.texts:
            return ExitCode.NOT_SCANNED
        return ExitCode.OK

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "exit_code": int(self.exit_code),
            "min_action": self.least,
            "texts": self.texts,
            "findings": self.findings,
            "actions": {action: self.actions[action] for action in Action},
            "incomplete": self.incomplete,
            "not_scanned": self.failed,
            "left_out": self.left_out,
            "layers_not_run": self.not_run,
            "milliseconds": round(self.milliseconds, 3),
            "rune_core": VERSION,
            "policy_revision": self.policy_revision,
            "rules": self.rules,
            "rules_revision": self.rules_revision,
            "engine": self.engine,
        }


class Writer(Protocol):
    """Writes one format."""

    def add(self, item: Scanned | NotScanned) -> None:
        """Take one outcome, in the order of scanning."""
        ...

    def finish(self, summary: Summary) -> None:
        """Write what is left to write."""
        ...


def result_dict(item: Scanned, *, everything: bool) -> dict[str, Any]:
    """One scanned text, ready for JSON."""
    return {
        "source": source_dict(item.source),
        "surface": item.surface,
        "action": item.action,
        "risk_score": round(item.risk_score, 4),
        "threat_type": item.threat,
        "explanation": item.explanation,
        "length": item.length,
        "milliseconds": round(item.milliseconds, 3),
        "findings": [finding_dict(found) for found in shown(item, everything=everything)],
        "layers": [
            {"layer": report.layer, "status": report.status, "reason": report.reason}
            for report in item.reports
        ],
        "complete": not item.incomplete,
    }


def source_dict(source: Source) -> dict[str, Any]:
    """Where a text is from, ready for JSON."""
    named: dict[str, Any] = {"name": source.name}
    if source.row:
        named |= {"row": source.row, "field": source.key}
    return named


def finding_dict(found: Located) -> dict[str, Any]:
    """One finding, ready for JSON."""
    finding = found.finding
    told: dict[str, Any] = {
        "rule": finding.rule_id,
        "title": found.title,
        "threat": finding.threat,
        "severity": finding.severity,
        "confidence": round(finding.confidence, 4),
        "action": found.action,
        "policy_rule": found.policy_rule or None,
        "layer": finding.layer,
        "view": finding.view,
        "line": found.start.line,
        "column": found.start.column,
        "end_line": found.end.line,
        "end_column": found.end.column,
        "start": finding.span.start,
        "end": finding.span.end,
    }
    if found.excerpt is not None:
        told["excerpt"] = found.excerpt
    return told


def not_scanned_dict(item: NotScanned) -> dict[str, Any]:
    """Something that was not scanned, ready for JSON."""
    named: dict[str, Any] = {"name": item.name}
    if item.row:
        named["row"] = item.row
    return {"source": named, "reason": item.reason, "binary": item.binary, "fails": item.fails}


def shown(item: Scanned, *, everything: bool) -> tuple[Located, ...]:
    """The findings to tell of: those the policy acts on, or all."""
    if everything:
        return item.findings
    return tuple(found for found in item.findings if found.action is not Action.ALLOW)


class JsonWriter:
    """One JSON document."""

    def __init__(self, out: IO[str], *, everything: bool) -> None:
        self._out = out
        self._everything = everything
        self._results: list[dict[str, Any]] = []
        self._missed: list[dict[str, Any]] = []

    def add(self, item: Scanned | NotScanned) -> None:
        if isinstance(item, NotScanned):
            self._missed.append(not_scanned_dict(item))
        else:
            self._results.append(result_dict(item, everything=self._everything))

    def finish(self, summary: Summary) -> None:
        document = {
            "schema": SCHEMA,
            "summary": summary.as_dict(),
            "results": self._results,
            "not_scanned": self._missed,
        }
        self._out.write(json.dumps(document, indent=2) + "\n")


class JsonLinesWriter:
    """One JSON object a line, each written as soon as it is known; the summary comes last."""

    def __init__(self, out: IO[str], *, everything: bool) -> None:
        self._out = out
        self._everything = everything

    def add(self, item: Scanned | NotScanned) -> None:
        if isinstance(item, NotScanned):
            self._write({"type": "not_scanned", **not_scanned_dict(item)})
        else:
            self._write({"type": "result", **result_dict(item, everything=self._everything)})

    def finish(self, summary: Summary) -> None:
        self._write({"type": "summary", "schema": SCHEMA, **summary.as_dict()})

    def _write(self, row: dict[str, Any]) -> None:
        self._out.write(json.dumps(row) + "\n")
        self._out.flush()


class HumanWriter:
    """For people: what was found by source, then what it comes to."""

    def __init__(self, console: Console, *, everything: bool) -> None:
        self._console = console
        self._everything = everything
        self._with_findings: list[Scanned] = []
        self._incomplete: list[Scanned] = []
        self._failed: list[NotScanned] = []
        self._left_out: list[NotScanned] = []

    def add(self, item: Scanned | NotScanned) -> None:
        if isinstance(item, NotScanned):
            (self._failed if item.fails else self._left_out).append(item)
            return
        if shown(item, everything=self._everything) or item.action is not Action.ALLOW:
            self._with_findings.append(item)
        if item.incomplete:
            self._incomplete.append(item)

    def finish(self, summary: Summary) -> None:
        for item in self._with_findings:
            self._result(item)
        for missed in self._failed:
            self._line(f"not scanned  {_named(missed)}: {missed.reason}", "bold red")
        for item in self._incomplete:
            why = "; ".join(f"{r.layer}: {r.reason or r.status}" for r in item.incomplete)
            self._line(f"incomplete   {_label(item.source)}: {why}", "bold red")
        for missed in self._left_out[:_LISTED]:
            self._line(f"left out     {_named(missed)}: {missed.reason}", "dim")
        if len(self._left_out) > _LISTED:
            more = len(self._left_out) - _LISTED
            self._line(f"left out     {more} more; --format json names them all", "dim")
        self._totals(summary)

    def _result(self, item: Scanned) -> None:
        from rich.text import Text

        self._console.print(
            Text(printable(_label(item.source)), style="bold"),
            Text(str(item.action), style=_STYLES[item.action]),
            f"(as {item.surface}, risk {item.risk_score:.2f})",
        )
        found = shown(item, everything=self._everything)
        cells = [
            (
                f"  {one.start.line}:{one.start.column}",
                str(one.action),
                one.finding.rule_id,
                f"{one.finding.confidence:.2f} {one.finding.severity}",
                printable(one.title)
                + (f" [{one.finding.view}]" if one.finding.view not in ("raw", "folded") else ""),
            )
            for one in found
        ]
        for one, line in zip(found, columns(cells), strict=True):
            text = Text(line)
            text.highlight_words([f" {one.action} "], _STYLES[one.action])
            self._console.print(text)
            if one.excerpt is not None:
                self._console.print(Text(f"      | {one.excerpt}", style="dim"))
        self._console.print(f"  {printable(item.explanation)}")
        self._console.print()

    def _totals(self, summary: Summary) -> None:
        acted = [
            f"{summary.actions[action]} {action}"
            for action in reversed(Action)
            if action is not Action.ALLOW and summary.actions[action]
        ]
        what = ", ".join(acted) if acted else "nothing found"
        parts = [f"{plural(summary.texts, 'text')} scanned: {what}"]
        if summary.findings:
            parts.append(plural(summary.findings, "finding"))
        if summary.failed:
            parts.append(f"{summary.failed} not scanned")
        if summary.incomplete:
            parts.append(f"{summary.incomplete} incomplete")
        if summary.left_out:
            parts.append(f"{summary.left_out} left out")
        self._console.print("; ".join(parts) + ".")
        self._console.print(
            f"{plural(summary.rules, 'rule')} ({summary.engine}), "
            f"{summary.milliseconds:,.0f} ms, policy {summary.policy_revision}"
        )
        for layer, why in summary.not_run.items():
            self._line(f"layer {layer} did not run: {why}", "dim")

    def _line(self, line: str, style: str) -> None:
        from rich.text import Text

        self._console.print(Text(printable(line), style=style))


def _label(source: Source) -> str:
    return f"{source.name}:{source.row} ({source.key})" if source.row else source.name


def _named(item: NotScanned) -> str:
    return f"{item.name}:{item.row}" if item.row else item.name
