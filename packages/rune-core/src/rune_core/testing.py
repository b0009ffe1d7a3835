"""Fakes and helpers for testing code that uses Rune. The ones that Rune is tested with.

::

    from rune_core.testing import FakeScanner, assert_redacted, shield_for_tests

    def test_poisoned_mail_is_cut():
        shield = shield_for_tests(FakeScanner(phrases={"evil": Threat.PROMPT_INJECTION}))
        assert_redacted(shield.scan_tool_result("so evil"), without="evil")
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from rune_core.action import Action
from rune_core.config import ShieldConfig
from rune_core.fake_judge import FakeJudge, JudgeRequest
from rune_core.hookspecs import hookimpl
from rune_core.shield import Shield
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rune_core.action import OnBlock
    from rune_core.context import ScanContext
    from rune_core.effects import ApprovalHandler, ApprovalRequest
    from rune_core.event.schema import Event
    from rune_core.result import ScanResult

__all__ = [
    "FakeApproval",
    "FakeJudge",
    "FakeScanner",
    "JudgeRequest",
    "RecordingSink",
    "assert_allowed",
    "assert_blocked",
    "assert_no_content",
    "assert_redacted",
    "shield_for_tests",
]


class FakeScanner:
    """A scanner that finds fixed phrases. Also a plug-in that registers itself.

    Args:
        phrases: What to find, and the threat it stands for.
        name: The scanner's name; reports call it ``plugin:<name>``.
        confidence: Of every finding.
        severity: Of every finding.
        error: Raised instead of an answer.
        surfaces: Where it looks; None for everywhere.
        heavy: Whether the asynchronous driver runs it in a thread.

    Attributes:
        seen: The texts it was asked about.
        contexts: Where they came from.
    """

    def __init__(
        self,
        phrases: Mapping[str, Threat] | None = None,
        *,
        name: str = "fake",
        confidence: float = 0.95,
        severity: Severity = Severity.HIGH,
        error: BaseException | None = None,
        surfaces: frozenset[Surface] | None = None,
        heavy: bool = False,
    ) -> None:
        self.name = name
        self.phrases = dict(phrases or {})
        self.confidence = confidence
        self.severity = severity
        self.error = error
        self.surfaces = surfaces
        self.heavy = heavy
        self.revision = "1"
        self.seen: list[str] = []
        self.contexts: list[ScanContext] = []

    @hookimpl
    def rune_scanners(self) -> Iterable[FakeScanner]:
        """Register itself."""
        return [self]

    def scan(self, text: str, context: ScanContext) -> Sequence[Finding]:
        """Every occurrence of every phrase, letter case ignored."""
        self.seen.append(text)
        self.contexts.append(context)
        if self.error is not None:
            raise self.error
        return [
            Finding(
                rule_id=f"fake-{threat.value.replace('_', '-')}",
                threat=threat,
                severity=self.severity,
                confidence=self.confidence,
                span=Span(*match.span()),
                surface=context.surface,
                layer=self.name,
                label="FAKE",
            )
            for phrase, threat in self.phrases.items()
            for match in re.finditer(re.escape(phrase), text, re.IGNORECASE)
        ]


class RecordingSink:
    """An event sink that keeps what it gets. Also a plug-in that registers itself.

    Attributes:
        events: Every event, in order.
        closed: Whether it was closed.
    """

    def __init__(self, name: str = "recording") -> None:
        self.name = name
        self.events: list[Event] = []
        self.closed = False

    @hookimpl
    def rune_event_sinks(self) -> Iterable[RecordingSink]:
        """Register itself."""
        return [self]

    def write(self, events: Sequence[Event]) -> None:
        """Keep a batch."""
        self.events.extend(events)

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class FakeApproval:
    """An approval handler with a fixed answer.

    Attributes:
        requests: What it was asked.
    """

    def __init__(self, *, approve: bool) -> None:
        self.approve = approve
        self.requests: list[ApprovalRequest] = []

    def __call__(self, request: ApprovalRequest) -> bool:
        self.requests.append(request)
        return self.approve


def shield_for_tests(
    *plugins: object,
    policy: str | None = None,
    l1: bool = False,
    on_block: OnBlock | str = "raise",
    approval_handler: ApprovalHandler | None = None,
    **settings: Any,
) -> Shield:
    """A Shield that touches nothing outside the test: no files, no installed plug-ins.

    Args:
        plugins: Plug-ins, such as FakeScanner and RecordingSink.
        policy: A policy as YAML text, added to the built-in one.
        l1: Whether the built-in rules run. Off, only your plug-ins find anything.
        on_block: As for Shield.
        approval_handler: As for Shield.
        settings: More fields of ShieldConfig.
    """
    chosen: dict[str, Any] = {
        "l1_enabled": l1,
        "on_block": on_block,
        "events_to_file": False,
        "events_enabled": any(hasattr(plugin, "rune_event_sinks") for plugin in plugins),
        "plugins_enabled": False,
        "url": None,
        "api_key": None,
        "judge_url": None,
        "judge_model": None,
        "event_flush_interval_seconds": 0.01,
        **settings,
    }
    return Shield(
        config=ShieldConfig(**chosen),
        plugins=plugins,
        policy=policy,
        approval_handler=approval_handler,
    )


def assert_allowed(result: ScanResult) -> None:
    """The text goes on unchanged, and every layer that should look did."""
    assert result.action in (Action.ALLOW, Action.FLAG), _why(result)
    assert result.sanitized_content is None, _why(result)
    assert not result.degraded, _why(result)


def assert_blocked(result: ScanResult, *, rule: str | None = None) -> None:
    """The text is blocked, by the named rule if one is named."""
    assert result.blocked, _why(result)
    assert rule is None or result.decision.rule == rule, _why(result)


def assert_redacted(result: ScanResult, *, without: str | None = None) -> None:
    """Something was cut, and what must be gone is gone."""
    assert result.sanitized_content is not None, _why(result)
    assert without is None or without not in result.sanitized_content, (
        "what should be cut is still there"
    )


def assert_no_content(events: Iterable[Event], *content: str) -> None:
    """None of the texts, nor any piece of eight characters of them, stands in the events."""
    written = msgspec.json.encode(list(events)).decode()
    for text in content:
        pieces = {text[i : i + 8] for i in range(max(1, len(text) - 7))}
        leaked = [piece for piece in pieces if piece in written]
        assert not leaked, f"{len(leaked)} pieces of a text stand in the events"


def _why(result: ScanResult) -> str:
    reports = "; ".join(f"{r.layer} {r.status} {r.reason}".strip() for r in result.reports)
    return f"{result.action}: {result.explanation} [{reports}]"
