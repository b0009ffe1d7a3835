"""Rules and exceptions compiled once: their globs, and whom they are for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rune_core.policy.conditions import ConditionError
from rune_core.policy.globs import globs
from rune_core.policy.model import (
    Audience,
    DataProtectionMatch,
    Exemption,
    Mode,
    PolicyFile,
    Rule,
    ScannerMatch,
    ToolCallMatch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from rune_core.policy.conditions import Activation
    from rune_scanner.finding import Finding, Surface


class CompiledAudience:
    """Agents who are in each of some audiences, with their globs compiled."""

    __slots__ = ("_parts",)

    def __init__(self, audiences: Iterable[Audience]) -> None:
        self._parts = tuple(
            (globs(audience.agents), frozenset(audience.tags)) for audience in audiences
        )

    def __bool__(self) -> bool:
        """False when it is everybody."""
        return bool(self._parts)

    def includes(self, agent_id: str | None, tags: frozenset[str]) -> bool:
        """Whether an agent is in it."""
        for agents, wanted in self._parts:
            if agents and (agent_id is None or not agents(agent_id)):
                return False
            if wanted and wanted.isdisjoint(tags):
                return False
        return True


class CompiledExemption:
    """An exception with its globs compiled."""

    __slots__ = ("_audience", "_last_day", "_tools", "detectors", "exemption")

    def __init__(self, exemption: Exemption) -> None:
        self.exemption = exemption
        self.detectors = globs(exemption.detectors)
        self._tools = globs(exemption.tools)
        audiences = (Audience(exemption.agents), exemption.within)
        self._audience = CompiledAudience(audience for audience in audiences if audience)
        self._last_day = exemption.until

    def applies(
        self,
        surface: Surface,
        tool: str | None,
        agent_id: str | None,
        tags: frozenset[str],
        today: date,
        call: Activation | None = None,
    ) -> bool:
        if surface not in self.exemption.surfaces:
            return False
        if self._last_day is not None and today > self._last_day:
            return False
        if self._tools and (tool is None or not self._tools(tool)):
            return False
        return self._audience.includes(agent_id, tags) and self._holds(call)

    def _holds(self, call: Activation | None) -> bool:
        when = self.exemption.when
        if when is None:
            return True
        try:
            return call is not None and when.holds(call)
        except ConditionError:
            # What cannot be told lifts nothing.
            return False


class CompiledRule:
    """A rule with its globs compiled and its exceptions at hand.

    Args:
        rule: The rule.
        exemptions: Exceptions that may lift it, by its name.
        name: The name that its author gave it.
        yields_to: Whom other rules of this name are for: there this one does not speak.
    """

    __slots__ = (
        "_audience",
        "_detectors",
        "_except",
        "_labels",
        "_narrowed",
        "_tools",
        "_yields_to",
        "counts_all",
        "exemptions",
        "has_condition",
        "kind",
        "monitored",
        "rule",
        "threshold",
    )

    def __init__(
        self,
        rule: Rule,
        exemptions: Sequence[Exemption],
        *,
        name: str | None = None,
        yields_to: Sequence[CompiledAudience] = (),
    ) -> None:
        self.rule = rule
        known_as = name or rule.name
        self.kind = rule.kind
        self.monitored = rule.mode is Mode.MONITOR
        self.exemptions = tuple(
            CompiledExemption(exemption)
            for exemption in exemptions
            if globs((exemption.rule,))(known_as)
        )
        self._tools = globs(rule.tools)
        self.has_condition = isinstance(rule.match, ToolCallMatch) and rule.match.when is not None
        self._audience = CompiledAudience(rule.audiences)
        self._yields_to = tuple(yields_to)
        self._narrowed = bool(rule.tools or self._audience or self._yields_to)
        match = rule.match
        self.threshold = getattr(match, "threshold", 0.0)
        self._detectors = globs(match.detectors) if isinstance(match, ScannerMatch) else globs(())
        self._except = (
            globs(match.except_detectors) if isinstance(match, ScannerMatch) else globs(())
        )
        self._labels = (
            globs(
                (*match.names, *(name for name, _ in match.regexes)),
                ignore_case=True,
            )
            if isinstance(match, DataProtectionMatch)
            else globs(())
        )

        # True when the rule's detectors are not narrowed, or were matched by the policy's index.
        self.counts_all = not self._detectors and not self._except

    def concerns(self, tool: str | None, agent_id: str | None, tags: frozenset[str]) -> bool:
        """Whether the rule's narrowing lets it speak here."""
        if not self._narrowed:
            return True
        if self._tools and (tool is None or not self._tools(tool)):
            return False
        if not self._audience.includes(agent_id, tags):
            return False
        return not any(other.includes(agent_id, tags) for other in self._yields_to)

    def counts(self, finding: Finding) -> bool:
        """Whether the rule looks at a finding of one of its threats."""
        match = self.rule.match
        if isinstance(match, ScannerMatch):
            if self._detectors and not self._detectors(finding.rule_id):
                return False
            return not self._except or not self._except(finding.rule_id)
        if isinstance(match, DataProtectionMatch):
            return (
                finding.threat in match.threats
                or self._labels(finding.rule_id.casefold())
                or self._labels(finding.label.casefold())
            )
        return False


def rules_by_name(levels: Iterable[Sequence[PolicyFile]]) -> dict[str, list[Rule]]:
    """The rules of some levels of files, by name."""
    rules: dict[str, list[Rule]] = {}
    for level in levels:
        for file in level:
            for rule in file.rules:
                rules.setdefault(rule.name, []).append(rule)
    return rules


def unless_replaced(
    rule: Rule, others: Sequence[Rule], exemptions: Sequence[Exemption], *, qualify: bool = False
) -> CompiledRule | None:
    """The rule; where others of its name are for some agents only, for the agents left over.

    Args:
        rule: The rule.
        others: Rules of the same name that take its place.
        exemptions: Exceptions that may lift it.
        qualify: Whether another rule of its name stays in force beside it: two policies of a
            server, which do not know each other, may name a rule alike.
    """
    if not others:
        return CompiledRule(_qualified(rule) if qualify else rule, exemptions, name=rule.name)
    if not all(other.audiences for other in others):
        return None
    yields_to = [CompiledAudience(other.audiences) for other in others]
    return CompiledRule(_qualified(rule), exemptions, name=rule.name, yields_to=yields_to)


def _qualified(rule: Rule) -> Rule:
    """The rule under a name of its own: counters and patterns go by name."""
    match = rule.match
    if isinstance(match, DataProtectionMatch):
        suffix = "".join(letter if letter.isalnum() else "-" for letter in rule.policy)
        patterns = tuple((f"{name}:{suffix}", regex) for name, regex in match.regexes)
        match = replace(match, regexes=patterns)
    return replace(rule, name=f"{rule.policy}:{rule.name}", match=match)
