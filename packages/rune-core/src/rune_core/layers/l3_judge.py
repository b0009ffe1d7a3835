"""Layer 3: the judge. Its place in the pipeline; it is not part of this version."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rune_core.context import ScanContext
    from rune_core.layers.base import Found

NAME = "l3_judge"


class JudgeLayer:
    """Says truthfully that it does not run, and why."""

    name = NAME
    revision = "none"
    heavy = True
    surfaces = None

    def __init__(self, *, enabled: bool = False) -> None:
        self._enabled = enabled

    def skip_reason(self, _context: ScanContext | None, _findings: object) -> str | None:
        if self._enabled:
            return "not installed: this version of rune-core has no judge"
        return "not configured"

    def scan(self, _text: str, _context: ScanContext) -> Found:
        raise RuntimeError("the judge cannot run; skip_reason says why")
