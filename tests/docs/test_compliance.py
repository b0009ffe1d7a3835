"""The page of controls names files that exist, and leaves no control without a test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "server" / "compliance.md").read_text(encoding="utf-8")
FILE = re.compile(r"`((?:packages|tests)/[\w/.\-]+)`")


def test_every_file_it_names_exists() -> None:
    named = FILE.findall(PAGE)
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_control_names_its_code() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
    controls = [row for row in rows if not row.startswith(("| control", "| what |"))]
    assert len(controls) > 20
    for row in controls:
        assert FILE.search(row) or "the same" in row, row
