"""Counters of what was scanned, decided, sent and lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from threading import RLock
from typing import TYPE_CHECKING

from rune_core.action import Action
from rune_core.forks import fork_safe
from rune_core.layers.base import LayerStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_core.result import ScanResult


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot. Also read like a mapping: ``shield.stats["scans_total"]``.

    Attributes:
        scans_total: Texts and calls looked at.
        blocks_total: Those with action ``block``.
        asks_total: Those with action ``ask``.
        redactions_total: Those in which something was cut.
        flags_total: Those with action ``flag``.
        degraded_total: Those in which a layer failed or timed out.
        cached_total: Those answered from the cache.
        events_sent_total: Events that a sink took.
        events_failed_total: Events that could not be built, or that a sink refused.
        events_dropped_total: Events lost on the way, by reason in ``losses``.
        journal_failed_total: Texts and calls that the journal could not keep.
        scans_by_surface: ``scans_total`` per surface.
        layer_failures: Failures per layer.
        losses: Lost events per reason.
        judge_outcomes: What became of questions to the judge: ``agreed``, ``disagreed``,
            ``timeout``, ``error``, ``over_budget``, ``not_asked``, ``later`` (and then once more).
    """

    scans_total: int = 0
    blocks_total: int = 0
    asks_total: int = 0
    redactions_total: int = 0
    flags_total: int = 0
    degraded_total: int = 0
    cached_total: int = 0
    events_sent_total: int = 0
    events_failed_total: int = 0
    events_dropped_total: int = 0
    journal_failed_total: int = 0
    scans_by_surface: Mapping[str, int] = field(default_factory=dict)
    layer_failures: Mapping[str, int] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    judge_outcomes: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> object:
        if name not in {item.name for item in fields(self)}:
            raise KeyError(name)
        value: object = getattr(self, name)
        return value


_BY_ACTION = {
    Action.BLOCK: "blocks_total",
    Action.ASK: "asks_total",
    Action.FLAG: "flags_total",
}


class Tally:
    """Counts, from any thread."""

    def __init__(self) -> None:
        self._lock = fork_safe(RLock())
        self._totals: Counter[str] = Counter()
        self._surfaces: Counter[str] = Counter()
        self._layers: Counter[tuple[str, str, str]] = Counter()
        self._failures: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._judged: Counter[str] = Counter()
        self._skips: dict[str, str] = {}

    def add(self, result: ScanResult) -> None:
        """Count one result."""
        with self._lock:
            totals = self._totals
            totals["scans_total"] += 1
            name = _BY_ACTION.get(result.action)
            if name is not None:
                totals[name] += 1
            if result.sanitized_content is not None:
                totals["redactions_total"] += 1
            if result.degraded:
                totals["degraded_total"] += 1
            if result.cached:
                totals["cached_total"] += 1
            surface = result.surface.value
            self._surfaces[surface] += 1
            for report in result.reports:
                self._layers[surface, report.layer, report.status.value] += 1
                if report.outcome:
                    self._judged[report.outcome] += 1
                if report.failed:
                    self._failures[report.layer] += 1
                elif report.outcome:
                    pass  # it runs, and was not needed
                elif report.status is LayerStatus.SKIPPED:
                    self._skips[report.layer] = report.reason

    def count(self, name: str, number: int = 1) -> None:
        """Add to one of the totals."""
        with self._lock:
            self._totals[name] += number

    def judged(self, outcome: str) -> None:
        """Count what became of a question that was asked after the fact."""
        with self._lock:
            self._judged[outcome] += 1

    def lose(self, reason: str, number: int = 1) -> None:
        """Count lost events."""
        if number:
            with self._lock:
                self._totals["events_dropped_total"] += number
                self._losses[reason] += number

    def snapshot(self) -> Stats:
        """The counters now."""
        with self._lock:
            return Stats(
                **self._totals,
                scans_by_surface=dict(self._surfaces),
                layer_failures=dict(self._failures),
                losses=dict(self._losses),
                judge_outcomes=dict(self._judged),
            )

    def layer_runs(self) -> dict[tuple[str, str, str], int]:
        """Reports counted by surface, layer and status."""
        with self._lock:
            return dict(self._layers)

    def skip_reasons(self) -> dict[str, str]:
        """The last reason for which each layer was skipped."""
        with self._lock:
            return dict(self._skips)
