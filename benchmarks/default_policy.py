"""What the built-in policy does to labelled texts: stopped or cut, flagged, let pass, per source.

    uv run python -m benchmarks.default_policy FOLDER [--layers l1|l1+l2] [--markdown PAGE]
        [--by-rule]

``FOLDER`` holds JSON lines, gzipped or not, with ``text``, ``label`` (attack, benign), ``kind``,
``channel`` and, optionally, ``meta``. Rows marked ``weak`` (attacks without any sign in the text)
are left out. Every text is looked at in a session of its own. ``--by-rule`` also counts the rules
that found something in the benign texts that were stopped: what to look at first where your own
texts are disturbed.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import track

from rune_core import Shield, ShieldConfig
from rune_core.evaluation.stats import wilson
from rune_scanner import builtin_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

SURFACE = {
    "input": "input",
    "document": "document",
    "tool_result": "tool_result",
    "tool_args": "tool_call",
    "output": "output",
}
STOPPING = ("redact", "ask", "block")
SUSPICIOUS = 0.5


def rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of one file, without the weak ones."""
    data = file.read_bytes()
    text = gzip.decompress(data) if file.suffix == ".gz" else data
    for line in text.splitlines():
        row = json.loads(line)
        if not (row.get("meta") or {}).get("weak"):
            yield row


def measure(
    folder: Path, *, layer_two: bool
) -> tuple[dict[tuple[str, ...], Counter[str]], Counter[tuple[str, str]]]:
    """Count actions per label, source, kind and channel, and rules in benign texts stopped."""
    shield = Shield(config=ShieldConfig(events_enabled=False, l2_enabled=layer_two))
    counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    disturbing: Counter[tuple[str, str]] = Counter()
    files = sorted(path for path in folder.iterdir() if ".jsonl" in path.suffixes)
    for file in track(files, description="files"):
        for row in rows(file):
            surface = SURFACE[row["channel"]]
            session = shield.open_session()
            if surface == "tool_call":
                result = shield.validate_action("tool", {"args": row["text"]}, session=session)
            else:
                result = shield.scan(surface, row["text"], session=session)
            key = (row["label"], file.name.split(".")[0], row["kind"], row["channel"])
            counts[key].update(("all", str(result.action)))
            counts[key]["degraded"] += result.degraded
            if row["label"] == "benign" and result.action in STOPPING:
                found = {f.rule_id for f in result.findings if f.confidence >= SUSPICIOUS}
                disturbing.update((file.name.split(".")[0], rule) for rule in found)
    return counts, disturbing


def table(counts: dict[tuple[str, ...], Counter[str]]) -> str:
    """The counts as Markdown."""
    lines = [
        "| | source | kind | channel | texts | stopped or cut | Wilson 95% | flagged or more |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key in sorted(counts):
        seen = counts[key]
        total = seen["all"]
        stopped = sum(seen[action] for action in STOPPING)
        interval = wilson(stopped, total)
        between = f"{interval.low:.1%} to {interval.high:.1%}"
        flagged = f"{(total - seen['allow']) / total:.1%}"
        lines.append(
            f"| {' | '.join(key)} | {total} | {interval.share:.1%} | {between} | {flagged} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", choices=("l1", "l1+l2"), default="l1")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--by-rule", action="store_true")
    given = parser.parse_args()
    counts, disturbing = measure(given.folder, layer_two=given.layers == "l1+l2")
    text = table(counts)
    print(text)
    if given.by_rule:
        for (source, rule), seen in disturbing.most_common():
            print(f"{source}: {rule} in {seen} of the benign texts that were stopped or cut")
    if given.markdown:
        rules = builtin_rules()
        given.markdown.write_text(
            "# What the built-in policy does, source by source\n\n"
            f"Measured {datetime.now(UTC).date()} with layers {given.layers}: {len(rules)} rules, "
            f"revision {rules.revision}. Written by `python -m benchmarks.default_policy`.\n"
            "Rules were tuned on other data. Some general changes came after a look at this\n"
            "table's totals, and what was stopped in two sources was read once after a\n"
            "freeze; the changes were tuned on generated texts and on what packages hold, and\n"
            "checked on training data alone: a match is doubted where a text that talks about\n"
            "attacks quotes, lists or names it, and in a call where nothing would run it;\n"
            "words beside an attack switch no rule off; rules for calls look at what is sent,\n"
            "opened or deleted; wording in a call's arguments only flags; what a text forbids\n"
            "is no order; a command is read as a shell reads it. Why one benign source misses\n"
            "its bar, and what the policy does to honest texts that nobody labelled, is in\n"
            "[honest-material.md](honest-material.md).\n\n"
            "*Stopped or cut* is `redact`, `ask` or `block`; attacks that are only flagged are not "
            "counted as caught.\n\n" + text + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
