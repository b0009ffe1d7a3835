"""SARIF 2.1.0, the format in which code hosts and editors take findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from rune_core.cli.reports import shown
from rune_core.cli.sources import NotScanned
from rune_core.version import VERSION
from rune_scanner.finding import Severity

if TYPE_CHECKING:
    from rune_core.cli.reports import Summary
    from rune_core.cli.scanning import Located, Scanned
    from rune_core.cli.sources import Source
    from rune_scanner import RuleSet

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
}
_SECURITY_SEVERITY = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
}
"""CVSS-like numbers by which code hosts sort into critical, high, medium and low."""


class SarifWriter:
    """One SARIF log with one run."""

    def __init__(self, out: IO[str], rules: RuleSet, *, everything: bool) -> None:
        self._out = out
        self._rules = rules
        self._everything = everything
        self._rule_index: dict[str, int] = {}
        self._descriptors: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []
        self._notices: list[dict[str, Any]] = []

    def add(self, item: Scanned | NotScanned) -> None:
        if isinstance(item, NotScanned):
            self._notices.append(
                _notice(
                    "error" if item.fails else "note",
                    f"Not scanned: {item.reason}",
                    _artifact_of(item.name),
                    item.row,
                )
            )
            return
        self._results += (
            self._result(item, found) for found in shown(item, everything=self._everything)
        )
        self._notices += (
            _notice(
                "error",
                f"Layer {report.layer} did not finish: {report.reason or report.status}",
                _artifact(item.source),
                item.source.row,
            )
            for report in item.incomplete
        )

    def finish(self, summary: Summary) -> None:
        self._notices += (
            _notice("note", f"Layer {layer} did not run: {why}", None, 0)
            for layer, why in summary.not_run.items()
        )
        log = {
            "$schema": SCHEMA_URI,
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {
                        "driver": {
                            "name": "rune",
                            "version": VERSION,
                            "rules": self._descriptors,
                        }
                    },
                    "invocations": [
                        {
                            "executionSuccessful": not (summary.failed or summary.incomplete),
                            "exitCode": int(summary.exit_code),
                            "toolExecutionNotifications": self._notices,
                        }
                    ],
                    # Columns count characters, as the findings' spans do.
                    "columnKind": "unicodeCodePoints",
                    "results": self._results,
                    "properties": summary.as_dict(),
                }
            ],
        }
        self._out.write(json.dumps(log, indent=2) + "\n")

    def _result(self, item: Scanned, found: Located) -> dict[str, Any]:
        finding = found.finding
        by = f" by rule '{found.policy_rule}'" if found.policy_rule else ""
        return {
            "ruleId": finding.rule_id,
            "ruleIndex": self._index(found),
            "level": _LEVELS[finding.severity],
            "message": {
                "text": f"{found.title}. Confidence {finding.confidence:.2f}; "
                f"action {found.action}{by}."
            },
            "locations": [{"physicalLocation": _location(item.source, found)}],
            "properties": {
                "threat": finding.threat,
                "severity": finding.severity,
                "confidence": round(finding.confidence, 4),
                "action": found.action,
                "surface": item.surface,
                "layer": finding.layer,
                "view": finding.view,
            },
        }

    def _index(self, found: Located) -> int:
        rule_id = found.finding.rule_id
        if rule_id not in self._rule_index:
            self._rule_index[rule_id] = len(self._descriptors)
            self._descriptors.append(self._descriptor(found))
        return self._rule_index[rule_id]

    def _descriptor(self, found: Located) -> dict[str, Any]:
        finding = found.finding
        described: dict[str, Any] = {
            "id": finding.rule_id,
            "shortDescription": {"text": found.title},
            "defaultConfiguration": {"level": _LEVELS[finding.severity]},
            "properties": {
                "tags": ["security", str(finding.threat)],
                "security-severity": _SECURITY_SEVERITY[finding.severity],
            },
        }
        if finding.rule_id in self._rules:
            rule = self._rules[finding.rule_id]
            described["fullDescription"] = {"text": rule.description or rule.title}
            described["properties"]["tags"] += rule.tags
            described["properties"]["precision"] = _precision(rule.confidence)
            link = next((ref for ref in rule.references if ref.startswith("https://")), None)
            if link is not None:
                described["helpUri"] = link
        return described


def _precision(confidence: float) -> str:
    if confidence >= 0.9:
        return "very-high"
    if confidence >= 0.75:
        return "high"
    return "medium" if confidence >= 0.5 else "low"


def _location(source: Source, found: Located) -> dict[str, Any]:
    if source.row:
        # The text is one field of a row: only the row has a place in the file.
        region: dict[str, Any] = {"startLine": source.row}
    else:
        region = {
            "startLine": found.start.line,
            "startColumn": found.start.column,
            "endLine": found.end.line,
            "endColumn": found.end.column,
            "charOffset": found.finding.span.start,
            "charLength": found.finding.span.end - found.finding.span.start,
        }
    if found.excerpt is not None:
        region["snippet"] = {"text": found.excerpt}
    return {"artifactLocation": _artifact(source), "region": region}


def _artifact(source: Source) -> dict[str, Any]:
    return _artifact_of(source.name)


def _artifact_of(name: str) -> dict[str, Any]:
    if name.startswith("<"):
        return {"uri": name.strip("<>")}
    path = Path(name)
    if path.is_absolute():
        try:
            path = path.relative_to(Path.cwd())
        except ValueError:
            return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix(), errors="surrogateescape"), "uriBaseId": "%SRCROOT%"}


def _notice(level: str, message: str, artifact: dict[str, Any] | None, row: int) -> dict[str, Any]:
    notice: dict[str, Any] = {"level": level, "message": {"text": message}}
    if artifact is not None:
        place: dict[str, Any] = {"artifactLocation": artifact}
        if row:
            place["region"] = {"startLine": row}
        notice["locations"] = [{"physicalLocation": place}]
    return notice
