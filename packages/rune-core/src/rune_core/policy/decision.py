"""What a policy decided, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from rune_core.action import Action

if TYPE_CHECKING:
    from rune_scanner.finding import Severity, Threat


class RuleMatch(msgspec.Struct, frozen=True):
    """One policy rule that matched.

    Attributes:
        rule: The rule's name.
        policy: The policy file's name, without folder and ``.yaml``; ``default`` for the built-in
            policy.
        kind: ``scanner``, ``tool_allowlist``, ``tool_denylist``, ``tool_call``, ``rate_limit``,
            ``budget``, ``sequence``, ``data_protection`` or ``failure`` (a layer failed where
            that closes the way).
        action: What the rule asks for.
        severity: How bad the rule's author says a match is.
        threat: The threat it matched on; None for rules about tools and rates.
        score: The score that reached the rule's threshold; None for rules without one.
        detectors: Ids of the detector rules behind the score, surest first.
        monitored: True when the rule or its file is in ``mode: monitor``: recorded, not acted on.
        excepted_by: The reason written in the exception that lifts this match; empty otherwise.
        reason: One sentence for a person, without content.
    """

    rule: str
    policy: str
    kind: str
    action: Action
    severity: Severity
    threat: Threat | None = None
    score: float | None = None
    detectors: tuple[str, ...] = ()
    monitored: bool = False
    excepted_by: str = ""
    reason: str = ""

    @property
    def acts(self) -> bool:
        """True when the match has a say in the action."""
        return not self.monitored and not self.excepted_by


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about one text or call.

    Attributes:
        id: UUID of this decision; ``rune policy except`` takes it.
        action: The strictest action among the matches that act.
        rule: The name of the rule that decided; None when none did.
        policy: The name of that rule's policy file; None when none did.
        revision: Content hash of the policies in force.
        explanation: One or two sentences for a person, without content.
        matches: Every rule that matched, strictest first.
        monitored_action: What ``action`` would be if no rule were in ``mode: monitor``.
        approval: ``approved``, ``denied`` or ``unavailable`` after an ``ask`` was put to the
            approval handler; None when it was not.
        threat: The threat that the rule which decided matched on, or the rule that would have
            without ``mode: monitor``; None when that rule is about no threat, and when none did.
    """

    id: str
    action: Action = Action.ALLOW
    rule: str | None = None
    policy: str | None = None
    revision: str = ""
    explanation: str = "No rule matched."
    matches: tuple[RuleMatch, ...] = ()
    monitored_action: Action = Action.ALLOW
    approval: str | None = None
    threat: Threat | None = None

    @property
    def blocked(self) -> bool:
        """True when ``action`` is ``block``."""
        return self.action is Action.BLOCK

    @property
    def excepted(self) -> tuple[RuleMatch, ...]:
        """The matches that an exception lifted."""
        return tuple(match for match in self.matches if match.excepted_by)
