"""Labelled texts, read from JSON lines and split so that near-duplicates never straddle a split."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BENIGN, INJECTION, JAILBREAK, HARMFUL = 0, 1, 2, 3
CLASSES = ("benign", "injection", "jailbreak", "harmful_request")

_KIND_TO_CLASS = {
    "indirect_injection": INJECTION,
    "direct_injection": INJECTION,
    "tool_call": INJECTION,
    "jailbreak": JAILBREAK,
    "harmful_request": HARMFUL,
}
_CHANNEL_TO_SURFACE = {
    "input": "input",
    "output": "output",
    "tool_args": "tool_call",
    "document": "document",
    "tool_result": "tool_result",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text.

    `group` names its near-duplicate family; rows of one group are always in the same split.
    """

    text: str
    label: int
    kind: str
    surface: str
    source: str
    group: str
    id: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def attack(self) -> bool:
        """Whether the text attacks the system (a harmful request does not)."""
        return self.label in (INJECTION, JAILBREAK)


def _group(raw: dict[str, Any], meta: dict[str, Any]) -> str:
    if meta.get("group"):
        return str(meta["group"])
    # Without a family, the first characters stand for it: templated rows share their beginning.
    head = " ".join(str(raw["text"]).lower().split())[:48]
    return f"{raw['source']}:{head}"


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of one `.jsonl` or `.jsonl.gz` file.

    Raises:
        ValueError: A line is not an object with the expected keys; the message names the line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                raw = json.loads(line)
                meta = raw.get("meta") or {}
                label = BENIGN if raw["label"] == "benign" else _KIND_TO_CLASS[raw["kind"]]
                yield Row(
                    text=raw["text"],
                    label=label,
                    kind=raw["kind"],
                    surface=_CHANNEL_TO_SURFACE[raw["channel"]],
                    source=path.name.split(".")[0],
                    group=_group(raw, meta),
                    id=str(raw.get("id", f"{path.name}:{number}")),
                    meta=meta,
                )
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}, line {number}: not a labelled text ({error!r})"
                ) from error


def usable(row: Row) -> bool:
    """Whether a row may train the shipped weights.

    Left out: attacks without any sign in the text (`weak`), doubtful labels, and everything
    derived from Alpaca, whose licence forbids commercial use.
    """
    meta = row.meta
    if meta.get("weak") or meta.get("suspect"):
        return False
    return "alpaca" not in str(meta.get("upstream", "")).lower()


def load_folder(folder: Path, *, leave_out: Sequence[str] = ()) -> list[Row]:
    """Read every usable row of a folder, files in name order, without the `leave_out` sources."""
    rows: list[Row] = []
    for path in sorted(folder.glob("*.jsonl*")):
        rows.extend(r for r in read_rows(path) if usable(r) and r.source not in leave_out)
    return rows


def bucket(group: str, buckets: int = 100) -> int:
    """A stable number below `buckets` for a group, the same on every machine."""
    digest = hashlib.blake2b(group.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % buckets


def split(rows: Sequence[Row], held_out: int = 12) -> tuple[list[Row], list[Row]]:
    """Split by group into training rows and about `held_out` percent held-out rows."""
    training, held = [], []
    for row in rows:
        (held if bucket(row.group) < held_out else training).append(row)
    return training, held


def some(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows of each source and kind, by a hash of their ids, in their order."""
    taken: dict[tuple[str, str], int] = {}
    chosen: set[str] = set()
    for row in sorted(rows, key=lambda r: hashlib.sha256(r.id.encode()).digest()):
        key = (row.source, row.kind)
        if taken.get(key, 0) < most:
            taken[key] = taken.get(key, 0) + 1
            chosen.add(row.id)
    return [row for row in rows if row.id in chosen]
