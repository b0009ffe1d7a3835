"""Write the narrowest exception that lifts a decision, with a case that proves it.

An exception names the very rule, tool, surface and agent, for what detectors found the very
detectors, and for calls the very values of the arguments. Nothing wider is needed to undo one false
positive; whoever wants more widens it by hand.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import yaml

from rune_core.action import Action
from rune_core.policy.cases import Case, Event, run_case, shield_for_cases
from rune_core.policy.load import BUILTIN_NAME
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rune_core.policy.decision import Decision
    from rune_core.policy.traces import Run, Step

MAX_PINNED: Final = 200
"""Characters of an argument up to which an exception is pinned to its value."""
MAX_TRIES: Final = 200
"""How often a case is run to find what of its history it needs."""
_STOPPING: Final = Action.REDACT.rank
_GIVEN: Final[Mapping[str, str]] = {
    "input": "user",
    "user": "user",
    "system": "system",
    "untrusted": "untrusted",
    "tool_result": "untrusted",
    "document": "document",
    "handoff": "handoff",
}


@dataclass(frozen=True, slots=True)
class LiftedRule:
    """One rule that an exception has to lift.

    Attributes:
        rule: Its name.
        policy: Its policy.
        detectors: What it counted; empty for rules about calls.
    """

    rule: str
    policy: str
    detectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed.

    Attributes:
        exceptions: Entries for ``exceptions:``.
        case: The case that shows what is lifted; None when there is no content to make one of.
        rules: The rules that are lifted.
        notes: What whoever reads it should know.
    """

    exceptions: tuple[dict[str, Any], ...] = field(repr=False)
    case: dict[str, Any] | None = field(repr=False)
    rules: tuple[LiftedRule, ...]
    notes: tuple[str, ...] = ()

    def yaml(self) -> str:
        """The exceptions as YAML, to stand in a policy file."""
        return dump({"exceptions": list(self.exceptions)})

    def case_yaml(self) -> str:
        """The case as YAML; empty without one."""
        return "" if self.case is None else dump({"cases": [self.case]})


class CannotExceptError(Exception):
    """No exception can lift it. The message says why, without content."""


def lifted_rules(decision: Decision) -> tuple[LiftedRule, ...]:
    """The rules behind a decision that cuts, asks or blocks."""
    return tuple(
        dict.fromkeys(
            LiftedRule(match.rule, match.policy, match.detectors)
            for match in decision.matches
            if match.acts and match.action.rank >= _STOPPING and match.kind != "failure"
        )
    )


def propose(
    run: Run, step: Step, policies: Path | None, *, reason: str, agent: str | None
) -> Proposal:
    """An exception for a step of a run whose content is known.

    Args:
        run: What happened.
        step: The step of it that was cut, asked about or blocked.
        policies: The policies in force.
        reason: Why it is excepted.
        agent: The agent it is for; None for any.

    Raises:
        CannotExceptError: It is not stopped under these policies, or no exception can lift it.
    """
    case = case_of(run, step)
    with shield_for_cases(policies) as shield:
        decision = run_case(case, shield).decision
    rules = lifted_rules(decision)
    if not rules:
        raise CannotExceptError(
            f"under the rules of layer 1 and these policies it is decided {decision.action}; what "
            "stopped it was another layer, a plug-in, or a policy that has changed since"
        )
    surface = Surface.TOOL_CALL if case.call is not None else case.surface
    when, notes = ("", []) if case.call is None else _pinned(case.arguments)
    exceptions = tuple(
        _exception(rule, surface, case.call or case.tool, agent, when, reason, step.decision)
        for rule in rules
    )
    lifting = dump({"version": "1.0", "exceptions": list(exceptions)})
    with shield_for_cases(policies, lifting) as shield:
        after = run_case(case, shield).decision
    if after.action.rank >= _STOPPING:
        raise CannotExceptError(
            f"it is still decided {after.action} by {after.rule}: {after.explanation}"
        )
    least = _least(case, policies, lifting, decision.rule)
    expected = replace(least, action=after.action, rule=after.rule)
    return Proposal(exceptions, _case_table(expected), rules, tuple(notes))


def propose_blind(
    rules: Sequence[LiftedRule],
    surface: Surface,
    tool: str | None,
    agent: str | None,
    *,
    reason: str,
    decision: str,
) -> Proposal:
    """An exception for a decision of which only the metadata is known: as narrow as that allows.

    Raises:
        CannotExceptError: No rule that can be lifted is known.
    """
    if not rules:
        raise CannotExceptError("nothing was cut, asked about or blocked by a rule of a policy")
    return Proposal(
        tuple(_exception(rule, surface, tool, agent, "", reason, decision) for rule in rules),
        None,
        tuple(rules),
    )


def dump(value: object) -> str:
    """YAML without anchors, which policies refuse."""
    return yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=96,
    )


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _exception(
    rule: LiftedRule,
    surface: Surface,
    tool: str | None,
    agent: str | None,
    when: str,
    reason: str,
    decision: str,
) -> dict[str, Any]:
    entry: dict[str, Any] = {"rule": rule.rule}
    if tool is not None:
        entry["tool"] = tool
    entry["surface"] = surface.value
    if rule.detectors:
        entry["detectors"] = list(rule.detectors)
    if agent:
        entry["agents"] = [agent]
    # An exception for detectors is about what they found, wherever in the call it stands.
    if when and not rule.detectors:
        entry["when"] = when
    entry["reason"] = reason
    if decision:
        entry["decision"] = decision
    return entry


def _pinned(arguments: Mapping[str, Any]) -> tuple[str, list[str]]:
    """A condition on the values of a call's arguments, and what it leaves open."""
    terms: list[str] = []
    loose: list[str] = []
    for name, value in arguments.items():
        literal = _literal(value)
        if literal is None:
            loose.append(name)
        else:
            key = json.dumps(name, ensure_ascii=False)
            terms.append(f"{key} in args && args[{key}].value == {literal}")
    notes = []
    if loose:
        shown = ", ".join(loose)
        notes.append(f"any value of {shown} is excepted: too long, or no plain value, to be named")
    return " && ".join(terms), notes


def _literal(value: Any) -> str | None:
    """A value as CEL writes it; None for one that is too long or has no literal."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if -(2**63) <= value < 2**63 else None
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) and "e" not in repr(value) else None
    if isinstance(value, str):
        plain = len(value) <= MAX_PINNED and value.isprintable()
        return json.dumps(value, ensure_ascii=False) if plain else None
    if isinstance(value, list) and len(value) <= 20:
        items = [_literal(item) for item in value]
        if all(item is not None for item in items):
            return "[" + ", ".join(item for item in items if item is not None) + "]"
    return None


def case_of(run: Run, step: Step) -> Case:
    """A step of a run, with what happened before it, as a case that expects nothing."""
    given = []
    for earlier in run.steps:
        if earlier is step:
            break
        if earlier.kind == "tool_call":
            if earlier.action not in ("block", "ask"):
                given.append(Event("call", earlier.tool or "", arguments=_arguments(earlier)))
        elif earlier.kind in _GIVEN:
            kind = _GIVEN[earlier.kind]
            tool = None if kind in ("user", "system") else earlier.tool or earlier.source
            text = earlier.content if isinstance(earlier.content, str) else _json(earlier.content)
            given.append(Event(kind, text, tool=tool))
    name = f"excepted: {step.tool or step.kind}"
    if step.kind == "tool_call":
        return Case(
            name,
            given=tuple(given),
            call=step.tool or "",
            arguments=_arguments(step),
            agent=run.agent,
            tags=run.tags,
        )
    text = step.content if isinstance(step.content, str) else _json(step.content)
    return Case(
        name,
        given=tuple(given),
        text=text,
        surface=Surface(step.kind),
        tool=step.tool,
        agent=run.agent,
        tags=run.tags,
    )


def _least(case: Case, policies: Path | None, lifting: str, rule: str | None) -> Case:
    """The case with as little of its history as it needs to be stopped by the same rule."""
    with shield_for_cases(policies) as strict, shield_for_cases(policies, lifting) as lifted:

        def shows_it(given: tuple[Event, ...]) -> bool:
            tried = replace(case, given=given)
            if run_case(tried, strict).decision.rule != rule:
                return False
            return run_case(tried, lifted).action.rank < _STOPPING

        given = case.given
        if shows_it(()):
            return replace(case, given=())
        tries = 0
        size = max(1, len(given) // 2)
        while size and tries < MAX_TRIES:
            at = 0
            while at < len(given) and tries < MAX_TRIES:
                shorter = given[:at] + given[at + size :]
                tries += 1
                if shows_it(shorter):
                    given = shorter
                else:
                    at += size
            size //= 2
    return replace(case, given=given)


def _case_table(case: Case) -> dict[str, Any]:
    table: dict[str, Any] = {"name": case.name}
    if case.agent:
        table["agent"] = case.agent
    if case.tags:
        table["tags"] = list(case.tags)
    if case.given:
        table["given"] = [_event(event) for event in case.given]
    if case.call is not None:
        table["call"] = case.call
        if case.arguments:
            table["args"] = case.arguments
    else:
        table["text"] = case.text
        table["surface"] = case.surface.value
        if case.tool:
            table["tool"] = case.tool
    table["action"] = (case.action or Action.ALLOW).value
    return table


def _event(event: Event) -> dict[str, Any]:
    table: dict[str, Any] = {event.kind: event.text}
    if event.tool:
        table["tool"] = event.tool
    if event.arguments:
        table["args"] = event.arguments
    return table


def _arguments(step: Step) -> dict[str, Any]:
    return step.content if isinstance(step.content, dict) else {"args": step.content}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def is_builtin(rule: LiftedRule) -> bool:
    """Whether a rule stands in the built-in policy."""
    return rule.policy == BUILTIN_NAME
