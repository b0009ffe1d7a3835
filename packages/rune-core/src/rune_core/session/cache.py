"""A bounded cache of what the layers said about a text, so that a text is scanned once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from rune_core.ids import cache_digest

if TYPE_CHECKING:
    from rune_core.layers.base import LayerReport
    from rune_scanner.finding import Finding, Surface


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the layers said about one text. Holds positions, not the text."""

    findings: tuple[Finding, ...]
    reports: tuple[LayerReport, ...]


class EvidenceCache:
    """Evidence by keyed text hash, surface and detector revision. Least recently used goes first.

    Args:
        size: Entries to keep; 0 keeps none.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._entries: OrderedDict[tuple[bytes, str], Evidence] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def key(
        self, text: str, surface: Surface, revision: str, scope: str
    ) -> tuple[bytes, str] | None:
        """The key of a text, or None when nothing is kept.

        Args:
            text: The text.
            surface: Where it was met.
            revision: Of the detectors.
            scope: What else the answer may depend on.
        """
        if not self._size:
            return None
        return cache_digest(text), f"{surface}\0{revision}\0{scope}"

    def get(self, key: tuple[bytes, str] | None) -> Evidence | None:
        """The evidence under ``key``."""
        if key is None:
            return None
        with self._lock:
            evidence = self._entries.get(key)
            if evidence is not None:
                self._entries.move_to_end(key)
            return evidence

    def put(self, key: tuple[bytes, str] | None, evidence: Evidence) -> None:
        """Keep evidence, unless a layer failed: a failure must not be remembered as an answer."""
        if key is None or any(report.failed for report in evidence.reports):
            return
        with self._lock:
            self._entries[key] = evidence
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
