"""What a layer is. Built-in layers and those of plug-ins are the same thing to the pipeline."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from rune_scanner.finding import Finding, Surface

if TYPE_CHECKING:
    from rune_core.context import ScanContext


class LayerStatus(StrEnum):
    """Whether a layer looked. Only ``ran`` lets the absence of findings mean anything."""

    RAN = "ran"
    SKIPPED = "skipped"
    TIMEOUT = "timeout"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What became of one layer on one text.

    Attributes:
        layer: The layer's name.
        status: Whether it ran.
        score: Its own highest confidence, 0 to 1; None when it did not run.
        latency_ms: How long it took, in milliseconds.
        reason: Why it did not run, or what was cut short. Never content.
        complete: False when it ran but did not look at everything.
        outcome: For the judge: what became of the question, a ``JudgeOutcome``; else empty.
    """

    layer: str
    status: LayerStatus
    score: float | None = None
    latency_ms: float = 0.0
    reason: str = ""
    complete: bool = True
    outcome: str = ""

    @property
    def failed(self) -> bool:
        """True when the layer should have looked and did not finish."""
        return not self.complete or self.status in (LayerStatus.TIMEOUT, LayerStatus.ERROR)


@dataclass(frozen=True, slots=True)
class LayerOutcome:
    """Findings and report of one layer, as the drivers hand them to the pipeline.

    ``final`` is False when asking again, in another way, could bring another answer.
    """

    report: LayerReport
    findings: tuple[Finding, ...] = ()
    final: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A layer's full answer, for layers that have more to say than their findings.

    Attributes:
        findings: What was found.
        score: The layer's own score, 0 to 1; by default the highest confidence found.
        note: What was cut short, such as ``limit: decoded 64 kB``. Never content.
        incomplete: True when part of the text was not looked at: what was found counts, but the
            rest is not known to be clean, and the result says ``degraded``.
    """

    findings: Sequence[Finding] = field(default_factory=tuple)
    score: float | None = None
    note: str = ""
    incomplete: bool = False


Answer: TypeAlias = Found | Iterable[Finding]


class Layer(Protocol):
    """Something that looks at a text.

    ``name`` and ``scan`` are required. The other attributes have defaults when a plug-in's
    object lacks them:

    - ``revision: str = "0"``: changes whenever the same text could get another answer.
    - ``surfaces: frozenset[Surface] | None = None``: where it applies; None for everywhere.
    - ``heavy: bool = False``: True when a scan takes milliseconds, so that the asynchronous
      driver runs it in a thread instead of on the event loop.
    - ``skip_reason(context, findings) -> str | None``: why it will not run here, given what the
      layers before it found; None to run.
    """

    name: str

    def scan(self, text: str, context: ScanContext) -> Answer | Awaitable[Answer]:
        """Look at a text.

        Args:
            text: The text as the caller passed it. Spans count its characters.
            context: Surface, tool, agent and session.

        Returns:
            Findings, or Found, or an awaitable of either. An awaitable is awaited by the
            asynchronous methods; the synchronous ones report the layer as skipped.
        """
        ...


@dataclass(frozen=True, slots=True)
class RegisteredLayer:
    """A layer with its defaults filled in, as the pipeline runs it."""

    layer: Layer
    name: str
    surfaces: frozenset[Surface] | None
    heavy: bool
    builtin: bool = False

    @property
    def revision(self) -> str:
        """Changes whenever the same text could get another answer."""
        return str(getattr(self.layer, "revision", "0"))

    def skip_reason(self, context: ScanContext, findings: Sequence[Finding]) -> str | None:
        """Why the layer will not look at this text, or None if it will."""
        if self.surfaces is not None and context.surface not in self.surfaces:
            return "not for this surface"
        ask = getattr(self.layer, "skip_reason", None)
        if ask is None:
            return None
        reason = ask(context, findings)
        return None if reason is None else str(reason)
