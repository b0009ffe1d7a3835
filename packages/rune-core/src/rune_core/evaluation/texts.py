"""Reads labelled texts: any JSON lines with a text and a label, gzipped or not."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SURFACES = {"input": "input", "document": "document", "tool_result": "tool_result",
            "tool_args": "tool_call", "tool_call": "tool_call", "output": "output",
            "tool_definition": "tool_definition", "handoff": "handoff"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text to score.

    Attributes:
        text: The text.
        attack: Whether it is an attack.
        kind: Its kind, such as ``indirect_injection``.
        surface: Where it was met.
        source: The set it is from.
        weak: An attack by construction without any sign in the text; reported apart.
        key: Stable name of the text: the same text on the same surface has the same.
        line: Its line in the file.
    """

    text: str
    attack: bool
    kind: str
    surface: str
    source: str
    weak: bool
    key: str
    line: int = 0


def read(
    path: Path, surface: str = "input", *, field: str = "text", label: str | None = None
) -> Iterator[LabelledText]:
    """Yield the texts of a file.

    Args:
        path: `.jsonl` or `.jsonl.gz`. Each line has `text` and `label` (`attack`, `benign`, 1 or
            0), and may have `kind`, `channel` or `surface`, and `meta.weak`.
        surface: For lines that name none.
        field: The key of the text.
        label: For lines that have none; None to refuse them.

    Raises:
        ValueError: A line has no text or label; the message names file and line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    source = path.name.split(".")[0]
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                raw = json.loads(line)
                text, said = raw[field], raw["label"] if label is None else raw.get("label", label)
                attack = {"attack": True, "benign": False, 1: True, 0: False}[said]
                digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=10)
                met = raw.get("surface") or raw.get("channel") or surface
                found = SURFACES[met]
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ValueError(
                    f"{path}, line {number}: needs {field}, label (attack or benign) and a known "
                    "channel or surface"
                ) from None
            digest.update(found.encode())
            yield LabelledText(
                text=text,
                attack=attack,
                kind=str(raw.get("kind") or said),
                surface=found,
                source=source,
                weak=bool((raw.get("meta") or {}).get("weak")),
                key=digest.hexdigest(),
                line=number,
            )
