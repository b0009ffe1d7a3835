"""The stream gate: releases what no finding can reach into any more, holds back the rest.

::

    gate = StreamGate(shield)
    for delta in stream:
        show(gate.push(delta))
    show(gate.finish())

A gate pushes nothing by itself: text goes in, text that is safe to show comes out. ``push`` and
``apush`` are one machine that differs in how it waits for the Shield. What is released, put
together, is what the Shield would have let pass of the whole text.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from weakref import WeakKeyDictionary

from rune_core.action import Action, OnBlock
from rune_core.errors import ShieldBlockedError
from rune_core.failure import describe
from rune_core.layers.l1_rules import NAME as RULES
from rune_core.layers.l1_rules import PATTERNS_NAME, PatternsLayer
from rune_core.partial import PartialMatcher
from rune_core.policy.evaluate import Facts, evaluate
from rune_core.policy.model import INSTRUCTION_THREATS, Extent
from rune_scanner.finding import Finding, Severity, Span, Surface
from rune_scanner.rules.schema import Form
from rune_scanner.views import build_views

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Unpack

    from rune_core.context import ContextFields, ContextLike, ScanContext
    from rune_core.engine import Engine
    from rune_core.guarded import GuardedText
    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.result import ScanResult
    from rune_core.shield import Shield
    from rune_scanner import Rule

MAX_HELD: Final = 9_216
"""Characters held back at most; no rule's match is longer than 8,192."""
MAX_WHOLE: Final = 4_000_000
"""Characters held back at most where only the whole text can be judged."""
_REMEMBERED: Final = 128
_BLOB: Final = 24
_SPELT: Final = 2
_SPELT_TIMES: Final = 4
_WORD: Final = re.compile(r"\S+")
_SENTENCE: Final = re.compile(r"[.!?…。][\"'”’)\]]{0,3}\s|\n")
_BLANK_LINE: Final = re.compile(r"\n[ \t>]*\r?\n")
_ANNOUNCES: Final = re.compile(r"[:\-–—][\s*_`>]*$")

_log = logging.getLogger("rune_core.gate")
_Steps: TypeAlias = Generator[str, "GuardedText", str]


class StreamGate:
    """Guards one text that arrives in pieces.

    Args:
        shield: Decides.
        surface: What the text is.
        context: As in ``Shield.scan_input``.
        on_block: What to do when the text is stopped; by default as the Shield is set.
        whole: Hold everything back until ``finish``: for JSON, which must stay JSON when parts
            are cut out of it.
        fields: As in ``Shield.scan_input``.

    Attributes:
        stopped: True once the text was stopped. Nothing more is released then.
        changed: True once something else was released than came in.
        result: The strictest result so far; None while nothing had to be decided.
    """

    def __init__(
        self,
        shield: Shield,
        surface: Surface | str = Surface.OUTPUT,
        context: ContextLike = None,
        *,
        on_block: str | OnBlock | None = None,
        whole: bool = False,
        **fields: Unpack[ContextFields],
    ) -> None:
        self._shield = shield
        self._surface = Surface(surface)
        self._context = shield._context(self._surface, context, fields)
        self._on_block = on_block
        self._whole = whole
        self._parts: list[str] = []
        self._length = 0
        self._before = ""
        self.stopped = False
        self.changed = False
        self.result: ScanResult | None = None

    @property
    def held(self) -> int:
        """Characters held back now."""
        return self._length

    def push(self, delta: str) -> str:
        """Take the next piece; return what may be shown now.

        Raises:
            ShieldBlockedError: The text is stopped and ``on_block`` is ``raise``.
        """
        return self._run(self._push(delta))

    def finish(self) -> str:
        """Say that the text is complete; return what may be shown of the rest.

        Raises:
            ShieldBlockedError: As in ``push``.
        """
        return self._run(self._finish())

    async def apush(self, delta: str) -> str:
        """``push`` on an event loop."""
        return await self._arun(self._push(delta))

    async def afinish(self) -> str:
        """``finish`` on an event loop."""
        return await self._arun(self._finish())

    # -- the machine: yields texts to guard, is sent what the Shield says

    def _push(self, delta: str) -> _Steps:
        if self.stopped or not delta:
            return ""
        self._parts.append(delta)
        self._length += len(delta)
        borders = None if self._whole else borders_of(self._shield, self._context)
        if borders is None or borders.never:
            if self._length <= MAX_WHOLE:
                return ""
            return (yield from self._release(self._length, certain=False))
        text = self._joined()
        border, clean = borders.border(self._before, text, self._context)
        return (yield from self._release(border, certain=clean)) if border else ""

    def _finish(self) -> _Steps:
        if self.stopped or not self._length:
            return ""
        return (yield from self._release(self._length, certain=False))

    def _release(self, border: int, *, certain: bool) -> _Steps:
        """Release ``border`` characters; ask about them first unless they are certainly clean."""
        text = self._joined()
        part, rest = text[:border], text[border:]
        self._parts, self._length = [rest] if rest else [], len(rest)
        if not certain:
            part = yield from self._ask(part)
        if not self.stopped:
            self._before = _tail(self._before + part)
        else:
            self._parts, self._length = [], 0
        return part

    def _ask(self, part: str) -> _Steps:
        # What was released is shown to the Shield again: rules look at what stands around a match.
        before = "" if self._whole else self._before
        guarded = yield before + part
        self._note(guarded)
        if not self.stopped and guarded.redacted and before:
            if guarded.text_to_use.startswith(before):
                return guarded.text_to_use[len(before) :]
            # A cut reaches into what is already out: what stands from there on goes on, cut.
            return guarded.text_to_use[_in_common(before, guarded.text_to_use) :]
        if self.stopped:
            return guarded.text_to_use
        return guarded.text_to_use if guarded.redacted else part

    def _note(self, guarded: GuardedText) -> None:
        result = guarded.result
        if self.result is None or result.action.rank >= self.result.action.rank:
            self.result = result
        self.stopped = guarded.stopped
        self.changed |= guarded.stopped or guarded.redacted

    def _joined(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    # -- drivers

    def _run(self, steps: _Steps) -> str:
        try:
            text = next(steps)
            while True:
                text = steps.send(
                    self._shield.guard_text(
                        self._surface, text, self._context, on_block=self._on_block
                    )
                )
        except StopIteration as done:
            return cast("str", done.value)
        except ShieldBlockedError as error:
            self._close(error)
            raise

    async def _arun(self, steps: _Steps) -> str:
        try:
            text = next(steps)
            while True:
                text = steps.send(
                    await self._shield.aguard_text(
                        self._surface, text, self._context, on_block=self._on_block
                    )
                )
        except StopIteration as done:
            return cast("str", done.value)
        except ShieldBlockedError as error:
            self._close(error)
            raise

    def _close(self, error: ShieldBlockedError) -> None:
        self.stopped, self.result = True, error.scan_result
        self._parts, self._length = [], 0


def _tail(text: str) -> str:
    """The end of what was released, from the beginning of a word."""
    if len(text) <= _REMEMBERED:
        return text
    text = text[-_REMEMBERED:]
    space = _SPACE.search(text)
    return text[space.end() :] if space else text


def _in_common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


_SPACE: Final = re.compile(r"\s+")


class Borders:
    """Knows how far a text may be released under one policy on one surface.

    Args:
        engine: Of the Shield.
        policy: The policies in force.
        context: Surface and agent.

    Attributes:
        never: True when nothing can be said before the text is complete.
    """

    def __init__(self, engine: Engine, policy: CompiledPolicy, context: ScanContext) -> None:
        self._engine = engine
        self._policy = policy
        self._extents: set[Extent] = set()
        rules = [
            rule
            for rule in _rules(engine, policy, context)
            if context.surface in rule.surfaces and self._acts(rule, context)
        ]
        self._alone = self._rules_alone(context)
        self.never = Extent.ALL in self._extents
        name = engine.rules_layer.scanner.engine
        self._raw = PartialMatcher((r for r in rules if r.form is Form.RAW), name)
        self._folded = PartialMatcher((r for r in rules if r.form is Form.FOLDED), name)

    def border(self, before: str, text: str, context: ScanContext) -> tuple[int, bool]:
        """How many characters of ``text`` may go, and whether they are certainly clean.

        Args:
            before: The end of what was released before it.
            text: What is held back.
            context: Where it was met.
        """
        whole, start = before + text, len(before)
        border = min(len(whole), _run_start(whole))
        if not self._alone:
            border = min(border, _last(_SENTENCE, whole))
        if Extent.PARAGRAPH in self._extents:
            border = min(border, _paragraph_start(whole))
        if border > start:
            border = self._unfinished(whole, border)
        floor = len(whole) - MAX_HELD
        if border <= start and floor <= start:
            return 0, False
        findings: list[Finding] = []
        certain = self._alone
        try:
            findings = self._engine.rescan(whole, self._policy, context)
        except Exception as error:  # noqa: BLE001 - the Shield says what a failure means
            _log.debug("not certain: %s", describe(error))
            certain = False
        found = True
        while found:
            # What a finding reaches into is kept together with it.
            found = False
            for finding in findings:
                if finding.span.start < border < finding.span.end:
                    border, found = finding.span.start, True
        border = max(border, floor)
        certain &= not any(
            finding.span.start < border and finding.span.end > start for finding in findings
        )
        return max(border - start, 0), certain

    def _unfinished(self, whole: str, border: int) -> int:
        """The earliest place from which a rule could still match beyond the end."""
        end = len(whole)
        for view in build_views(whole).views:
            for matcher, read, offsets in (
                (self._raw, view.text, view.offsets),
                (self._folded, view.folded, view.folded_offsets),
            ):
                at = matcher.start(read)
                if at >= len(read):
                    continue
                low, high = offsets.to_original(at, len(read))
                # Readings that end earlier are of something that is complete.
                if high >= end - 1:
                    border = min(border, low)
        return border

    def _acts(self, rule: Rule, context: ScanContext) -> bool:
        confidence = rule.confidence_for(context.surface)
        if rule.threat in INSTRUCTION_THREATS:
            confidence = 1 - (1 - confidence) / 2  # as the scanner does for hidden text
        return self._finding_acts(rule.id, rule.threat, rule.label, RULES, confidence, context)

    def _finding_acts(
        self, rule: str, threat: Any, label: str, layer: str, confidence: float, context: Any
    ) -> bool:
        finding = Finding(
            rule_id=rule,
            threat=threat,
            severity=Severity.HIGH,
            confidence=confidence,
            span=Span(0, 1),
            surface=context.surface,
            view="raw",
            label=label,
            layer=layer,
        )
        tags = frozenset(context.agent_tags)
        done = evaluate(
            self._policy,
            Facts(
                surface=context.surface,
                findings=[finding],
                tool=context.tool,
                agent_id=context.agent_id,
                tags=tags,
            ),
        )
        self._extents.update(cut.extent for cut in done.cuts)
        return any(match.acts and match.action.rank >= Action.REDACT.rank for match in done.matches)

    def _rules_alone(self, context: ScanContext) -> bool:
        """Whether nothing but the rules could act on this surface."""
        for layer in self._engine.layers_for(self._policy):
            if layer.name in (RULES, PATTERNS_NAME):
                continue
            if layer.skip_reason(context, ()) is not None:
                continue
            if not layer.builtin or any(
                self._finding_acts(layer.name, threat, "REDACTED", layer.name, 1.0, context)
                for threat in INSTRUCTION_THREATS
            ):
                return False
        return True


_borders: WeakKeyDictionary[Engine, dict[Any, Borders | None]] = WeakKeyDictionary()


def borders_of(shield: Shield, context: ScanContext) -> Borders | None:
    """What is known about releasing texts; None when only the whole text can be judged."""
    engine = shield._engine
    policy = engine.policies.current()
    key = (policy.revision, context.surface, context.agent_id, context.agent_tags, context.tool)
    known = _borders.setdefault(engine, {})
    if key not in known:
        if len(known) > _REMEMBERED:
            known.clear()
        try:
            known[key] = Borders(engine, policy, context)
        except Exception as error:  # noqa: BLE001 - the Shield says what a failure means
            _log.error("streams are held back whole: %s", describe(error))
            known[key] = None
    return known[key]


def _rules(engine: Engine, policy: CompiledPolicy, context: ScanContext) -> Iterable[Rule]:
    if engine.config.l1_enabled:
        yield from engine.rules_layer.scanner.rules
    if policy.regexes:
        layer = engine._patterns_layer(policy).layer
        if isinstance(layer, PatternsLayer) and layer.skip_reason(context, ()) is None:
            yield from layer.scanner.rules


def _last(pattern: re.Pattern[str], text: str) -> int:
    """Where the last match of ``pattern`` ends; 0 without one."""
    return max((match.end() for match in pattern.finditer(text)), default=0)


def _paragraph_start(text: str) -> int:
    """Where the block begins that the end of the text is part of."""
    start = 0
    for gap in _BLANK_LINE.finditer(text):
        if not _ANNOUNCES.search(text, max(0, gap.start() - 20), gap.start()):
            start = gap.end()
    return start


def _run_start(text: str) -> int:
    """Where the run of characters begins that an encoding at the end could be part of.

    The last word; also the words before it where they look like lines of one blob, or like
    characters spelt out one by one.
    """
    words = [match.span() for match in _WORD.finditer(text, max(0, len(text) - MAX_HELD))]
    if not words:
        return len(text)
    at = len(words) - 1
    start = words[at][0] if words[at][1] == len(text) else len(text)
    before = at - 1 if start < len(text) else at
    last = before
    while last >= 0 and words[last][1] - words[last][0] >= _BLOB:
        start = words[last][0]
        last -= 1
    short = before
    while short >= 0 and words[short][1] - words[short][0] <= _SPELT:
        short -= 1
    if before - short >= _SPELT_TIMES:
        start = min(start, words[short + 1][0])
    return start
