"""Reads labelled texts: any JSON lines with a text and a label, gzipped or not."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SURFACES = {"input": "input", "document": "document", "tool_result": "tool_result",
            "tool_args": "tool_call", "tool_call": "tool_call", "output": "output",
            "tool_definition": "tool_definition", "handoff": "handoff"}  # fmt: skip
_LABELS = {"attack": True, "benign": False, 1: True, 0: False}


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
        ValueError: A line is no JSON object, or has no text, label or known surface; the message
            names file, line and key.
    """
    source = path.name.split(".")[0]
    for number, line in _lines(path):
        if not line.strip():
            continue
        raw = _row(line, f"{path}, line {number}")
        text, said = raw.get(field), raw.get("label", label)
        attack = _LABELS.get(said) if isinstance(said, str | int | float) else None
        met = raw.get("surface") or raw.get("channel") or surface
        found = SURFACES.get(met) if isinstance(met, str) else None
        if not isinstance(text, str):
            why = f"{field!r} is {'not text' if field in raw else 'missing'}"
        elif attack is None:
            given = "is not attack, benign, 1 or 0" if "label" in raw else "is missing"
            why = f"'label' {given} (attack or benign)"
        elif found is None:
            key = "surface" if raw.get("surface") else "channel"
            why = f"{key!r} is none of {', '.join(SURFACES)}"
        else:
            digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=10)
            digest.update(found.encode())
            meta = raw.get("meta")
            yield LabelledText(
                text=text,
                attack=attack,
                kind=str(raw.get("kind") or ("attack" if attack else "benign")),
                surface=found,
                source=source,
                weak=bool(meta.get("weak")) if isinstance(meta, dict) else False,
                key=digest.hexdigest(),
                line=number,
            )
            continue
        raise ValueError(f"{path}, line {number}: {why}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        number = 0
        try:
            for number, line in enumerate(lines, start=1):
                yield number, line
        except UnicodeDecodeError:
            raise ValueError(f"{path}, after line {number}: is not UTF-8") from None
        except (gzip.BadGzipFile, EOFError):
            raise ValueError(f"{path}, after line {number}: is not a whole gzip file") from None


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError(f"{where}: is not valid JSON") from None
    if not isinstance(row, dict):
        raise ValueError(f"{where}: must be a JSON object with a text and a label")  # noqa: TRY004
    return row
