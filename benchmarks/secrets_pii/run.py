"""Print recall by kind and the false-positive rate, with Wilson intervals.

Run: ``uv run --no-sync python -m benchmarks.secrets_pii.run``
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.secrets_pii.generate import KINDS, Sample, samples
from rune_scanner import Scanner, builtin_rules
from rune_scanner.finding import Finding, Surface

AT = 0.5
"""Findings below this confidence do not count."""

_OURS = ("secret_exposure", "pii_exposure")


@dataclass
class Tally:
    """What was counted.

    Attributes:
        valid, found, exact: Valid values by kind; those wholly covered; those covered exactly.
        harmless, cried: Harmless texts by kind and reason; those with any finding.
        shown: Some texts for every miss and false cry, for a person to look at.
    """

    valid: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    exact: Counter[str] = field(default_factory=Counter)
    harmless: Counter[tuple[str, str]] = field(default_factory=Counter)
    cried: Counter[tuple[str, str]] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """The 95% Wilson interval of a share."""
    if not total:
        return 0.0, 1.0
    z, share = 1.96, hits / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def count(tally: Tally, sample: Sample, findings: list[Finding]) -> None:
    """Add one sample to the tally."""
    if not sample.threat:
        key = (sample.kind, sample.wrong)
        tally.harmless[key] += 1
        if findings:
            tally.cried[key] += 1
            rules = ", ".join(sorted({finding.rule_id for finding in findings}))
            tally.shown.append(f"cried {key} by {rules}: {sample.text!r}")
        return
    tally.valid[sample.kind] += 1
    ours = [finding for finding in findings if finding.threat == sample.threat]
    spans = [tuple(finding.span) for finding in ours]
    if any(start <= sample.start and end >= sample.end for start, end in spans):
        tally.found[sample.kind] += 1
    else:
        near = ", ".join(f"{f.rule_id}{tuple(f.span)}" for f in findings)
        tally.shown.append(
            f"missed {sample.kind} at {(sample.start, sample.end)} [{near}]: {sample.text!r}"
        )
    tally.exact[sample.kind] += (sample.start, sample.end) in spans


def main() -> int:
    """Scan all samples, print the figures, and say by the exit code whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20_260)
    parser.add_argument("--per-kind", type=int, default=25)
    parser.add_argument("--engine", choices=("re2", "re"))
    parser.add_argument("--show", type=int, default=0, help="print N misses and false cries")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    rules = builtin_rules()
    ids = [rule.id for rule in rules if rule.threat in _OURS]
    scanner = Scanner(rules.only(ids), engine=arguments.engine)
    tally = Tally()
    everything = list(samples(arguments.seed, arguments.per_kind))
    for sample in track(everything, description=f"{len(ids)} rules, {len(everything)} texts"):
        scan = scanner.scan(sample.text, Surface.TOOL_RESULT)
        count(tally, sample, [finding for finding in scan.findings if finding.confidence >= AT])
    console = Console()
    _print_kinds(console, tally)
    _print_cries(console, tally)
    for line in tally.shown[: arguments.show]:
        console.print(line, markup=False, soft_wrap=True)
    figures = _figures(tally)
    console.print_json(json.dumps(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if figures["recall"] >= 0.95 and figures["false_positives"] <= 0.01 else 1


def _figures(tally: Tally) -> dict[str, float]:
    valid, found = tally.valid.total(), tally.found.total()
    harmless, cried = tally.harmless.total(), tally.cried.total()
    low, high = wilson(found, valid)
    cried_low, cried_high = wilson(cried, harmless)
    return {
        "valid": valid,
        "recall": round(found / valid, 4),
        "recall_low": round(low, 4),
        "recall_high": round(high, 4),
        "exact": round(tally.exact.total() / valid, 4),
        "harmless": harmless,
        "false_positives": round(cried / harmless, 4),
        "false_positives_low": round(cried_low, 4),
        "false_positives_high": round(cried_high, 4),
    }


def _print_kinds(console: Console, tally: Tally) -> None:
    table = Table("kind", "threat", "n", "recall", "95%", "exact span", title="Valid values")
    for kind in KINDS:
        total, found = tally.valid[kind.name], tally.found[kind.name]
        low, high = wilson(found, total)
        table.add_row(
            kind.name, kind.threat.partition("_")[0], str(total), f"{found / total:.1%}",
            f"{low:.0%}–{high:.0%}", f"{tally.exact[kind.name] / total:.0%}",
            style="red" if found / total < 0.95 else None,
        )  # fmt: skip
    console.print(table)


def _print_cries(console: Console, tally: Tally) -> None:
    table = Table("harmless text", "why harmless", "n", "found", "95%", title="False positives")
    for (kind, why), total in sorted(tally.harmless.items()):
        cried = tally.cried[kind, why]
        if cried:
            low, high = wilson(cried, total)
            row = (kind, why, str(total), f"{cried / total:.1%}", f"{low:.1%}–{high:.1%}")
            table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
