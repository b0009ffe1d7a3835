"""Policies compiled once: composed, indexed by surface, threat and tool, ready to be evaluated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from rune_core.policy.compiled_rule import CompiledRule, rules_by_name, unless_replaced
from rune_core.policy.conditions import ConditionBatch
from rune_core.policy.globs import globs
from rune_core.policy.model import (
    PLAIN_ASKING,
    AllowlistMatch,
    BudgetMatch,
    CircuitBreakerMatch,
    DataProtectionMatch,
    DenylistMatch,
    FailRule,
    PolicyFile,
    RateLimitMatch,
    ScannerMatch,
    SequenceMatch,
    ToolCallMatch,
)
from rune_core.policy.names import label_of
from rune_core.tool_risk import Capability, declared, infer
from rune_scanner.finding import Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.policy.conditions import Condition
    from rune_core.policy.model import Asking, SequenceStep
    from rune_scanner.finding import Finding

_CACHE_SIZE = 1024
_MIN_BATCH = 3


@dataclass(frozen=True, slots=True)
class ToolRules:
    """The rules that a call of one tool must be held against, its name already matched.

    Attributes:
        hits: Allow and deny rules that match the tool's name.
        limits: Rate limits that count the tool.
        calls: Rules that hold a condition against the call.
        budgets: Budgets that count the tool, and circuit breakers that watch it.
        sequences: Rules of which the tool may be a step, and which steps those are, from 0.
        names: What the conditions among them read.
        batch: The conditions of ``calls``, in order, of those that have one; None for too few.
        risk: ``low``, ``medium`` or ``high``: as the policies say, else as its name tells.
        declared_risk: What the policies say; None when they do not.
        declared_capabilities: What it can do, as the policies say; None when they do not.
    """

    hits: tuple[CompiledRule, ...]
    limits: tuple[CompiledRule, ...]
    calls: tuple[CompiledRule, ...]
    risk: str
    declared_risk: str | None = None
    declared_capabilities: frozenset[Capability] | None = None
    budgets: tuple[CompiledRule, ...] = ()
    sequences: tuple[tuple[CompiledRule, tuple[int, ...]], ...] = ()
    names: frozenset[str] = frozenset()
    batch: ConditionBatch | None = None


class CompiledPolicy:
    """Policies in force. Immutable, but for a bounded cache by tool name.

    Attributes:
        revision: Content hash: the same files give the same revision.
        files: The files: the built-in policy, the user's, then a server's.
        replaced: Names of built-in rules that a rule of the user's or of a server's replaced.
        overridden: Names of the user's rules that a server's replaced.
        from_server: Names of the policies that came from a server.
        defaults_off: True when a file says ``defaults: off``.
        on_error: What the files say about failures, users' files first.
        regexes: The patterns of ``data_protection`` rules, by detector id.
        judging: Names of the rules that ask for the judge.
        follows_calls: True when a sequence rule makes it matter which calls came before.
    """

    def __init__(
        self,
        files: Sequence[PolicyFile],
        *,
        builtin: PolicyFile | None,
        bundle: Sequence[PolicyFile] = (),
    ) -> None:
        self.defaults_off = any(not file.defaults for file in (*files, *bundle))
        base = () if builtin is None or self.defaults_off else (builtin,)
        levels: tuple[Sequence[PolicyFile], ...] = (base, files, bundle)
        self.files: tuple[PolicyFile, ...] = (*base, *files, *bundle)
        self.from_server = tuple(file.name for file in bundle)
        self.exemptions = tuple(e for file in self.files for e in file.exemptions)
        self.revision = _revision(self.files)
        self.on_error: tuple[FailRule, ...] = tuple(
            fail for file in (*bundle, *files, *base) for fail in file.on_error
        )
        compiled: list[CompiledRule] = []
        replaced: list[list[str]] = []
        for number, level in enumerate(levels):
            higher = rules_by_name(levels[number + 1 :])
            rules_of_level = [rule for file in level for rule in file.rules]
            # What a server says is lifted by what a server says, not by a file beside the agent.
            lifting = [e for file in bundle for e in file.exemptions]
            exemptions = lifting if level is bundle else self.exemptions
            replaced.append([rule.name for rule in rules_of_level if rule.name in higher])
            named: set[str] = set()
            for rule in rules_of_level:
                kept = unless_replaced(
                    rule, higher.get(rule.name, ()), exemptions, qualify=rule.name in named
                )
                named.add(rule.name)
                if kept is not None:
                    compiled.append(kept)
        self.replaced, self.overridden = tuple(replaced[0]), tuple(replaced[1])
        rules = [rule.rule for rule in compiled]
        self.rules = tuple(rules)
        self.judging = frozenset(rule.name for rule in rules if rule.judge)
        self._asking = {rule.name: rule.asking for rule in rules if rule.asking is not PLAIN_ASKING}
        self._by_finding = _index_by_finding(compiled)
        self._data = {
            surface: tuple(
                rule
                for rule in compiled
                if isinstance(rule.rule.match, DataProtectionMatch)
                and surface in rule.rule.surfaces
            )
            for surface in Surface
        }
        self._tool_rules = [
            rule
            for rule in compiled
            if isinstance(
                rule.rule.match,
                AllowlistMatch
                | DenylistMatch
                | RateLimitMatch
                | ToolCallMatch
                | BudgetMatch
                | CircuitBreakerMatch
                | SequenceMatch,
            )
        ]
        self.follows_calls = any(isinstance(rule.match, SequenceMatch) for rule in rules)
        self._batches: dict[tuple[Condition, ...], ConditionBatch] = {}
        self._tool_cache: dict[str, ToolRules] = {}
        self._data_cache: dict[tuple[Surface, str, str, Threat], tuple[CompiledRule, ...]] = {}
        self._risks = [
            (risk, globs(tools))
            for file in (*bundle, *files, *base)
            for risk, tools in file.tool_risk
        ]
        self._capabilities = [
            (Capability(capability), globs(tools))
            for file in (*bundle, *files, *base)
            for capability, tools in file.tool_capabilities
        ]
        self._regex_surfaces = {
            rule_id: rule.surfaces
            for rule in rules
            if isinstance(rule.match, DataProtectionMatch)
            for rule_id, _ in rule.match.regexes
        }
        self.regexes: tuple[tuple[str, str], ...] = tuple(
            regex
            for rule in rules
            if isinstance(rule.match, DataProtectionMatch)
            for regex in rule.match.regexes
        )

    def regex_surfaces(self, detector: str) -> frozenset[Surface]:
        """Where the pattern reported as ``detector`` applies."""
        return self._regex_surfaces[detector]

    def for_threat(self, surface: Surface, threat: Threat) -> tuple[CompiledRule, ...]:
        """Scanner rules that look at findings of ``threat`` on ``surface``."""
        return self._by_finding.get((surface, threat), ())

    def for_data(self, surface: Surface, finding: Finding) -> tuple[CompiledRule, ...]:
        """Data protection rules for ``surface`` that look at ``finding``."""
        rules = self._data[surface]
        if not rules:
            return ()
        key = (surface, finding.rule_id, finding.label, finding.threat)
        known = self._data_cache.get(key)
        if known is None:
            known = tuple(rule for rule in rules if rule.counts(finding))
            if len(self._data_cache) < _CACHE_SIZE:
                self._data_cache[key] = known
        return known

    def asking(self, rule: str) -> Asking:
        """How the rule of this name asks."""
        return self._asking.get(rule, PLAIN_ASKING)

    def for_tool(self, tool: str) -> ToolRules:
        """Rules about calling ``tool``."""
        known = self._tool_cache.get(tool)
        if known is None:
            known = self._find_tool_rules(tool)
            # Names can be made up by a model, so the cache must not grow with them.
            if len(self._tool_cache) < _CACHE_SIZE:
                self._tool_cache[tool] = known
        return known

    def _find_tool_rules(self, tool: str) -> ToolRules:
        hits: list[CompiledRule] = []
        limits: list[CompiledRule] = []
        calls: list[CompiledRule] = []
        budgets: list[CompiledRule] = []
        sequences: list[tuple[CompiledRule, tuple[int, ...]]] = []
        names: set[str] = set()
        for rule in self._tool_rules:
            match = rule.rule.match
            if isinstance(match, ToolCallMatch):
                if not rule.rule.tools or globs(rule.rule.tools)(tool):
                    calls.append(rule)
                    names.update(match.when.names if match.when else ())
            elif isinstance(match, AllowlistMatch):
                if not globs(match.tools)(tool):
                    hits.append(rule)
            elif isinstance(match, DenylistMatch):
                if globs(match.tools, ignore_case=True)(tool.casefold()):
                    hits.append(rule)
            elif isinstance(match, SequenceMatch):
                steps = tuple(
                    number
                    for number, step in enumerate(match.steps)
                    if not step.tools or globs(step.tools)(tool)
                )
                if steps:
                    sequences.append((rule, steps))
                    names.update(*(_names(match.steps[number]) for number in steps))
            elif isinstance(match, RateLimitMatch | BudgetMatch | CircuitBreakerMatch) and (
                not match.tools or globs(match.tools)(tool)
            ):
                (limits if isinstance(match, RateLimitMatch) else budgets).append(rule)
        # Exceptions may hold conditions too, and then the call must be looked at.
        for exemption in self.exemptions:
            if exemption.when is not None and (not exemption.tools or globs(exemption.tools)(tool)):
                names |= exemption.when.names
        said = next((risk for risk, tools in self._risks if tools(tool)), None)
        capabilities = frozenset(what for what, tools in self._capabilities if tools(tool)) or None
        told = infer(tool) if capabilities is None else declared(tool, capabilities)
        risk = said or told.risk.value
        whens = tuple(
            match.when
            for rule in calls
            if isinstance(match := rule.rule.match, ToolCallMatch) and match.when is not None
        )
        return ToolRules(
            hits=tuple(hits),
            limits=tuple(limits),
            calls=tuple(calls),
            risk=risk,
            declared_risk=said,
            declared_capabilities=capabilities,
            budgets=tuple(budgets),
            sequences=tuple(sequences),
            names=frozenset(names),
            batch=self._batch(whens),
        )

    def _batch(self, conditions: tuple[Condition, ...]) -> ConditionBatch | None:
        if len(conditions) < _MIN_BATCH:
            return None
        # Most tools meet the same rules: what was compiled for one serves the others.
        batch = self._batches.get(conditions)
        if batch is None:
            batch = ConditionBatch(conditions)
            if len(self._batches) < _CACHE_SIZE:
                self._batches[conditions] = batch
        return batch


def _names(step: SequenceStep) -> frozenset[str]:
    return step.when.names if step.when is not None else frozenset()


def _index_by_finding(
    rules: Sequence[CompiledRule],
) -> dict[tuple[Surface, Threat], tuple[CompiledRule, ...]]:
    index: dict[tuple[Surface, Threat], list[CompiledRule]] = {}
    for rule in rules:
        if isinstance(rule.rule.match, ScannerMatch):
            for surface in rule.rule.surfaces:
                for threat in rule.rule.match.threats:
                    index.setdefault((surface, threat), []).append(rule)
    return {key: tuple(value) for key, value in index.items()}


def _revision(files: Sequence[PolicyFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.digest}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def names_without_detector(
    policy: CompiledPolicy, detectors: Sequence[tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """Detector names written in rules and exceptions that match none of ``detectors``.

    Args:
        policy: The policies.
        detectors: Id and label of every detector rule there is.

    Returns:
        Rule, policy file and name of each.
    """
    own = {name for name, _ in policy.regexes}
    ids = {rule_id for rule_id, _ in detectors} | own
    folded = {rule_id.casefold() for rule_id in ids}
    folded |= {label.casefold() for _, label in detectors}
    missing: list[tuple[str, str, str]] = []
    for rule in policy.rules:
        match = rule.match
        if isinstance(match, ScannerMatch):
            names, pool, ignore_case = match.detectors + match.except_detectors, ids, False
        elif isinstance(match, DataProtectionMatch):
            # Of a name that others use, the label that stands for it is looked for.
            names = tuple(name for name in match.names if label_of(name) is None)
            pool, ignore_case = folded, True
        else:
            continue
        for name in names:
            fits = globs((name,), ignore_case=ignore_case)
            if not any(map(fits, pool)):
                missing.append((rule.name, rule.policy, name))
    missing += [
        (exemption.rule, exemption.policy, name)
        for exemption in policy.exemptions
        for name in exemption.detectors
        if not any(map(globs((name,)), ids))
    ]
    return missing


def today() -> date:
    """Today in UTC, against which ``until:`` is held."""
    return datetime.now(UTC).date()
