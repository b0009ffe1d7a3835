"""Load a policy's text with core's own loader: what it takes, agents take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rune_core.errors import PolicyLoadError
from rune_core.policy.load import load_text
from rune_server.errors import UnprocessableError
from rune_server.policies.model import Fault, RuleSummary, Validation

if TYPE_CHECKING:
    from rune_core.policy.model import PolicyFile, Rule

MAX_TEXT = 1_000_000


async def load(yaml: str, name: str) -> PolicyFile:
    """The policy of a text. Off the event loop: a large text takes a while.

    Raises:
        UnprocessableError: Agents would refuse it; ``errors`` says where and why.
    """
    try:
        return await asyncio.to_thread(load_text, yaml, path=name, name=name)
    except PolicyLoadError as error:
        faults = faults_of(error)
        count = len(faults)
        raise UnprocessableError(
            f"the policy has {count} fault{'' if count == 1 else 's'}: agents would refuse it",
            code="policy_faults",
            errors=[fault.document for fault in faults],
        ) from None


async def check(yaml: str, name: str = "policy") -> Validation:
    """What the loader says, faults and all."""
    try:
        loaded = await asyncio.to_thread(load_text, yaml, path=name, name=name)
    except PolicyLoadError as error:
        return Validation(faults_of(error))
    return Validation(
        faults=(),
        rules=tuple(summary(rule) for rule in loaded.rules),
        exceptions=len(loaded.exemptions),
        agents=loaded.audience.agents,
        tags=loaded.audience.tags,
        defaults=loaded.defaults,
    )


def faults_of(error: PolicyLoadError) -> tuple[Fault, ...]:
    """Every fault of a load, without the file's name."""
    return tuple(Fault(each.line, each.key, each.message, each.hint) for each in error.errors)


def summary(rule: Rule) -> RuleSummary:
    """A rule, for people."""
    return RuleSummary(
        name=rule.name,
        kind=rule.kind,
        action="alert" if rule.alert else rule.action.value,
        severity=rule.severity.value,
        mode=rule.mode.value,
        surfaces=tuple(sorted(surface.value for surface in rule.surfaces)),
        agents=rule.agents,
        tags=rule.tags,
        description=rule.description,
        line=rule.line,
    )
