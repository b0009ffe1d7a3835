"""Layer 2: the vector model, over windows of the text and of the readings that hide in it."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from rune_core.layers import l2_model
from rune_core.layers.attack_memory import FileStore
from rune_core.layers.base import Found
from rune_core.layers.calibration import STRONG
from rune_core.layers.l2_readings import View, readings
from rune_core.layers.remembering import Recognizer, open_store
from rune_scanner.finding import Finding, Severity, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rune_core.context import ScanContext
    from rune_core.layers.attack_memory import Match, Store
    from rune_core.layers.calibration import Calibration
    from rune_core.layers.l2_head import HeadModel
    from rune_core.layers.l2_model import Reading, VectorModel

NAME = "l2_vector"
MAX_WINDOWS = 64
"""Windows the encoder reads of one text: about 6,000 tokens, 24 kB of English."""
_SHARE = 0.4
_LONG_SENTENCE = 240
_SENTENCE = re.compile(r"[.!?][\"')\]]*\s+|\n+|\\n|[\"'],\s*[\"']|</?\w[^>]*>")
_LABELS = {Threat.PROMPT_INJECTION: "INJECTION", Threat.JAILBREAK: "JAILBREAK",
           Threat.POLICY_VIOLATION: "HARMFUL REQUEST"}  # fmt: skip

RULES = (*(f"l2-{threat.value.replace('_', '-')}" for threat in _LABELS), "memory-")
"""What its findings are called; those of remembered texts go on with the signature's name."""


class _Hit(NamedTuple):
    """A suspicious stretch of one reading: characters, log-odds and threat."""

    start: int
    end: int
    score: float
    threat: Threat


class VectorLayer:
    """Scores texts with the model of the package rune-model. Loads it at the first scan.

    Args:
        enabled: False to report ``skipped``.
        folder: Another model's folder, laid out as rune-model's is.
        threads: Threads of one encoder run.
        max_windows: Windows the encoder may read of one text; what is beyond is reported.
        memory: Where texts to recognise again are kept; in this process when None.
        calibration: Where "strong" begins in the user's own traffic. One that was measured with
            another model is left aside, and every report says so.
    """

    name = NAME
    heavy = True
    surfaces = None

    def __init__(
        self,
        *,
        enabled: bool = True,
        folder: Path | None = None,
        threads: int = 1,
        max_windows: int = MAX_WINDOWS,
        memory: Store | str | Path | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self._enabled = enabled
        self._folder = folder
        self._threads = threads
        self._max_windows = max_windows
        self._memory_at = memory
        self._recognizer: Recognizer | None = None
        self._calibration = calibration
        self._shifts: Mapping[str, float] | None = None
        self._lock = Lock()
        self._model: VectorModel | HeadModel | None = None
        self._checked: tuple[str | None] | None = None
        self._revision: str | None = None

    @property
    def model(self) -> VectorModel | HeadModel:
        """The model, loaded when first asked for.

        Raises:
            ModelError: Its files are missing or damaged.
        """
        if self._model is None:
            with self._lock:
                if self._model is None:
                    folder = self._folder or l2_model.model_folder()
                    self._model = l2_model.open_model(folder, threads=self._threads)
        return self._model

    @property
    def revision(self) -> str:
        """The model's version, the layer's settings and what it remembers."""
        if self._revision is None:
            if self.skip_reason(None, ()) is not None:
                return "none"
            folder = self._folder or l2_model.model_folder()
            self._revision = f"{l2_model.manifest_of(folder)['version']}/{self._max_windows}"
            if self._calibration is not None:
                self._revision += f"/{self._calibration.revision}"
        store = self.recognizer.store
        return f"{self._revision}/{store.revision}" if len(store) else self._revision

    @property
    def recognizer(self) -> Recognizer:
        """The attack memory, opened when first asked for.

        Raises:
            ConfigError: It cannot be opened.
        """
        if self._recognizer is None:
            with self._lock:
                if self._recognizer is None:
                    given = self._memory_at
                    store = FileStore() if given is None else given
                    if isinstance(store, str | Path):
                        store = open_store(store)
                    self._recognizer = Recognizer(store)
        return self._recognizer

    def skip_reason(self, _context: ScanContext | None, _findings: object) -> str | None:
        if not self._enabled:
            return "disabled by configuration"
        if self._checked is None:
            self._checked = (l2_model.missing_packages(self._folder),)
        return self._checked[0]

    def scan(self, text: str, context: ScanContext) -> Found:
        return self.inspect(text, str(context.surface))

    def remember(
        self, text: str, threat: Threat = Threat.PROMPT_INJECTION, *, label: str = ""
    ) -> str:
        """Recognise a text, and texts close to it, from now on; return the signature's name.

        Args:
            text: What was seen, best without what surrounded it. Only its vectors are kept.
            threat: What a match warns of.
            label: A note of your own, such as a ticket number.

        Raises:
            ValueError: The text holds no words, or the label is too long.
            ModelError: The model's files are missing or damaged.
        """
        return self.recognizer.remember(text, threat, self.model, label=label)

    def forget(self, name: str) -> bool:
        """Drop a signature by the name ``remember`` returned; False when there is none."""
        return self.recognizer.store.drop(name)

    def close(self) -> None:
        """Close the attack memory's connection, where it has one."""
        if self._recognizer is not None:
            self._recognizer.store.close()

    def inspect(self, text: str, surface: str) -> Found:
        """Look at a text without a context.

        Args:
            text: Any text.
            surface: Where it was met.

        Returns:
            Findings with true spans, and the confidence of the worst window as the score. The
            answer is incomplete when the budget did not reach for every suspicious window.
        """
        model = self.model
        left = self._max_windows
        findings: list[Finding] = []
        best, unread, cut = 0.0, 0, 0
        views, unseen = readings(text)
        for view in views:
            reading = model.read(view.text, surface, max(left, 0), only=view.news)
            left -= len(reading.attack)
            unread += reading.unread
            cut += reading.cut
            best = max(best, self._score(reading, surface))
            hits = self._hits(view.text, reading, surface)
            findings.extend(self._finding(hit, surface, view) for hit in hits)
            remembered = [self._remembered(match, surface, view) for match in self._matches(view)]
            findings.extend(remembered)
            best = max([best, *(finding.confidence for finding in remembered)])
        note = self._aside()
        incomplete = bool(unread or cut or unseen)
        if unread or cut or unseen:
            note = f"limit: {unread} windows, {cut} characters, {unseen} views not read" + (
                f"; {note}" if note else ""
            )
        return Found(
            findings=_without_repeats(findings), score=best, note=note, incomplete=incomplete
        )

    def log_odds(self, text: str, surface: str) -> float:
        """The log-odds that a text is an attack, corrected for its length, before calibration.

        Minus infinity when the prefilter cleared all of it.
        """
        left, worst = self._max_windows, -math.inf
        for view in readings(text)[0]:
            reading = self.model.read(view.text, surface, max(left, 0), only=view.news)
            left -= len(reading.attack)
            if reading.attack:
                worst = max(worst, max(reading.attack.values()) - math.log(len(reading.windows)))
        return worst

    def strong_at(self, surface: str) -> float:
        """The log-odds at which the model's own confidence on a surface reaches 0.75."""
        settings = self.model.settings
        knots = settings["confidence"]["attack"].get(settings["groups"][surface])
        return inverse(STRONG, knots) if knots else math.inf

    def _shift(self, surface: str) -> float:
        """How far the model's own curve is moved on a surface."""
        if self._shifts is None:
            given = self._calibration
            # `model` may load it: a calibration is only held against the model that is used.
            fits = given is not None and given.model == self.model.version
            self._shifts = {
                name: entry.strong_at - self.strong_at(name)
                for name, entry in (given.surfaces if given and fits else {}).items()
            }
        return self._shifts.get(surface, 0.0)

    def _aside(self) -> str:
        given = self._calibration
        if given is None or given.model == self.model.version:
            return ""
        return (
            f"calibration is for model {given.model}, not {self.model.version}, and is left aside: "
            "run `rune calibrate` again"
        )

    def _score(self, reading: Reading, surface: str) -> float:
        if not reading.attack:
            return 0.0
        worst = max(reading.attack.values()) - math.log(len(reading.windows))
        return self._confidence(worst, surface)

    def _confidence(self, log_odds: float, surface: str, kind: str = "attack") -> float:
        """The confidence of a text's corrected log-odds on a surface, 0 to 1."""
        settings = self.model.settings
        knots = settings["confidence"][kind].get(settings["groups"][surface])
        if not knots:
            return 0.0
        shift = self._shift(surface) if kind == "attack" else 0.0
        return interpolate(log_odds - shift, knots)

    def _hits(self, text: str, reading: Reading, surface: str) -> Iterator[_Hit]:
        correction = math.log(max(1, len(reading.windows)))
        for i, value in reading.attack.items():
            score = value - correction
            if self._confidence(score, surface) < 0.5:
                continue
            threat = Threat.JAILBREAK if reading.jailbreak[i] > 0 else Threat.PROMPT_INJECTION
            for start, end in _spans(text, reading, i):
                yield _Hit(start, end, score, threat)
        for i, value in reading.harmful.items():
            score = value - correction
            if self._confidence(score, surface, "harmful") >= 0.5:
                window = reading.windows[i]
                start, end = reading.offsets[window.start][0], reading.offsets[window.end - 1][1]
                yield _Hit(start, end, score, Threat.POLICY_VIOLATION)

    def _matches(self, view: View) -> list[Match]:
        return self.recognizer.matches(view.text, self.model)

    def _remembered(self, match: Match, surface: str, view: View) -> Finding:
        return Finding(
            rule_id=f"memory-{match.signature.id}",
            threat=match.signature.threat,
            severity=Severity.HIGH,
            confidence=match.nearness,
            span=view.original(match.start, match.end),
            surface=Surface(surface),
            layer=NAME,
            view=view.name,
            label="REMEMBERED",
        )

    def _finding(self, hit: _Hit, surface: str, view: View) -> Finding:
        kind = "harmful" if hit.threat is Threat.POLICY_VIOLATION else "attack"
        return Finding(
            rule_id=f"l2-{hit.threat.value.replace('_', '-')}",
            threat=hit.threat,
            severity=Severity.LOW if kind == "harmful" else Severity.HIGH,
            confidence=self._confidence(hit.score, surface, kind),
            span=view.original(hit.start, hit.end),
            surface=Surface(surface),
            layer=NAME,
            view=view.name,
            label=_LABELS[hit.threat],
        )


def interpolate(value: float, knots: Sequence[Sequence[float]]) -> float:
    """Confidence at ``value``: linear between knots ``(log-odds, confidence)``, flat beyond.

    Args:
        value: Log-odds.
        knots: Ascending in both numbers, at least one.
    """
    if value <= knots[0][0]:
        return float(knots[0][1])
    for (x0, y0), (x1, y1) in pairwise(knots):
        if value <= x1:
            return float(y0 + (y1 - y0) * (value - x0) / (x1 - x0))
    return float(knots[-1][1])


def inverse(confidence: float, knots: Sequence[Sequence[float]]) -> float:
    """The log-odds at which ``interpolate`` gives ``confidence``; the nearest knot's beyond."""
    if confidence <= knots[0][1]:
        return float(knots[0][0])
    for (x0, y0), (x1, y1) in pairwise(knots):
        if confidence <= y1:
            return float(x0 + (x1 - x0) * (confidence - y0) / (y1 - y0))
    return float(knots[-1][0])


def _spans(text: str, reading: Reading, index: int) -> Iterator[tuple[int, int]]:
    """The suspicious sentences of a window: those with enough of the tokens that stand out."""
    window = reading.windows[index]
    logits: Any = reading.tokens[index]
    offsets = reading.offsets[window.start : window.end]
    least = min(0.0, float(logits.max()) - 1.0)
    marked = [float(value) >= least for value in logits]
    best = int(logits.argmax())
    start, end = offsets[0][0], offsets[-1][1]
    bounds = [start, *(m.end() for m in _SENTENCE.finditer(text, start, end)), end]
    merged: list[list[int]] = []
    for low, high in pairwise(bounds):
        inside = [k for k, (a, b) in enumerate(offsets) if a < high and b > low]
        hits = [k for k in inside if marked[k]]
        if not hits or (best not in inside and len(hits) < _SHARE * len(inside)):
            continue
        if high - low > _LONG_SENTENCE:
            # A line of data without stops: the tokens themselves say where it begins and ends.
            first, last = offsets[hits[0]][0], offsets[hits[-1]][1]
        else:
            first, last = low, high
        if merged and first - merged[-1][1] <= 1:
            merged[-1][1] = last
        else:
            merged.append([first, last])
    for low, high in merged:
        piece = text[low:high]
        yield low + len(piece) - len(piece.lstrip()), high - len(piece) + len(piece.rstrip())


def _without_repeats(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Overlapping windows see the same words twice: the surer finding of each threat stays."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda f: -f.confidence):
        inside = any(
            k.threat is finding.threat and k.span.start <= finding.span.start
            and finding.span.end <= k.span.end
            for k in kept
        )  # fmt: skip
        if not inside:
            kept.append(finding)
    return tuple(sorted(kept, key=lambda f: (f.span, -f.confidence)))
