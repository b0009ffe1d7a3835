"""What policies are to their callers: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the API makes schemas of these types
from typing import Literal
from uuid import UUID  # noqa: TC003 - as above

PublicationKind = Literal["published", "staged", "aborted", "rolled_back", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a policy's text.

    Attributes:
        line: 1-based; 0 when no line is to blame.
        key: The YAML key, such as ``rules[0].when``; empty when none is to blame.
        message: What is wrong.
        hint: The way out.
    """

    line: int
    key: str
    message: str
    hint: str = ""

    @property
    def document(self) -> dict[str, object]:
        """As it stands in a problem document's ``errors``."""
        reason = f"{self.message} ({self.hint})" if self.hint else self.message
        return {"where": self.key, "line": self.line, "reason": reason}


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """One rule of a policy, for people."""

    name: str
    kind: str
    action: str
    severity: str
    mode: str
    surfaces: tuple[str, ...]
    agents: tuple[str, ...]
    tags: tuple[str, ...]
    description: str
    line: int


@dataclass(frozen=True, slots=True)
class Validation:
    """What core's own loader says of a text.

    Attributes:
        faults: Everything wrong with it; empty when agents would take it.
        rules: Its rules; empty while there are faults.
        exceptions: How many exceptions it makes.
        agents: Globs of the agents the whole policy is for; empty for all.
        tags: Tags of those agents; empty for all.
        defaults: False when it turns the built-in policy off.
    """

    faults: tuple[Fault, ...]
    rules: tuple[RuleSummary, ...] = ()
    exceptions: int = 0
    agents: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    defaults: bool = True

    @property
    def valid(self) -> bool:
        """Whether agents would take it."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, and which of its revisions is in force where.

    Attributes:
        id: Its id.
        name: Unique in the organisation.
        version: Counts up with every change; an edit names the one it is based on.
        latest_revision: The newest text, published or not.
        published_revision: The text that instances have; None when it is not in force.
        staged_revision: The text that some instances have instead; None without a roll-out.
        staged_percent: How many of them, in percent.
        created_at: When it was made.
        updated_at: When it last changed.
        updated_by: Who changed it: a user's or key's id.
        archived_at: When it was put away; None while it is in use.
    """

    id: UUID
    name: str
    version: int
    latest_revision: int
    published_revision: int | None
    staged_revision: int | None
    staged_percent: int
    created_at: datetime
    updated_at: datetime
    updated_by: str
    archived_at: datetime | None = None

    @property
    def state(self) -> Literal["draft", "published", "rolling_out", "archived"]:
        """In one word."""
        if self.archived_at is not None:
            return "archived"
        if self.staged_revision is not None:
            return "rolling_out"
        return "draft" if self.published_revision is None else "published"


@dataclass(frozen=True, slots=True)
class Revision:
    """One text of a policy. ``yaml`` is empty in listings."""

    policy_id: UUID
    number: int
    sha256: str
    note: str
    created_at: datetime
    created_by: str
    yaml: str = ""


@dataclass(frozen=True, slots=True)
class Publication:
    """One step into force or out of it."""

    id: UUID
    policy_id: UUID
    revision: int
    what: PublicationKind
    percent: int
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a comparison. ``sign`` is ``+``, ``-`` or a space; numbers are 1-based."""

    sign: Literal["+", "-", " "]
    before: int | None
    after: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Diff:
    """Two revisions compared.

    Attributes:
        before: The older revision; 0 for the empty text.
        after: The newer one.
        lines: Their lines, with three unchanged ones around each change. ``gaps`` are where
            unchanged lines were left out: indexes into ``lines``.
        rules_added: Names of rules only the newer one has.
        rules_removed: Names of rules only the older one has.
        rules_changed: Names of rules that differ.
    """

    before: int
    after: int
    lines: tuple[DiffLine, ...]
    gaps: tuple[int, ...]
    rules_added: tuple[str, ...]
    rules_removed: tuple[str, ...]
    rules_changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleForecast:
    """How often one rule would have matched.

    Attributes:
        rule: Its name.
        kind: Its kind.
        action: What it asks for.
        decidable: ``yes``, ``partly`` or ``no``.
        matches: Events that it surely would have matched; None when nothing can be said.
        at_most: Events that it may have matched, the sure ones included; None when there is no
            knowing.
        excepted: Events that it would have matched, had an exception not lifted it.
        reason: Why it is not decidable, or how it was counted; empty when there is nothing to say.
        agents: The agents with most matches, and how many each.
        tools: The tools with most matches, and how many each.
    """

    rule: str
    kind: str
    action: str
    decidable: Literal["yes", "partly", "no"]
    matches: int | None
    at_most: int | None
    excepted: int
    reason: str
    agents: tuple[tuple[str, int], ...] = ()
    tools: tuple[tuple[str, int], ...] = ()

    @property
    def sentence(self) -> str:
        """For a person: ``would have fired 40 times``."""
        if self.matches is None:
            return f"not decidable from metadata: {self.reason}"
        times = "once" if self.matches == 1 else f"{self.matches:,} times"
        tail = f" ({self.reason})" if self.reason else ""
        if self.at_most is None:
            return f"would have fired at least {times}{tail}"
        if self.matches == self.at_most:
            return f"would have fired {times}{tail}" if self.matches else "would not have fired"
        return f"would have fired {self.matches:,} to {self.at_most:,} times{tail}"


@dataclass(frozen=True, slots=True)
class DryRun:
    """A policy held against the metadata of what happened.

    Attributes:
        since: The earliest event looked at.
        until: The latest.
        events: How many events were looked at.
        complete: False when there were more than are looked at; then ``since`` is later than asked.
        rules: Each rule's forecast, in the policy's order.
        faults: When the text cannot be loaded; then there are no forecasts.
    """

    since: datetime
    until: datetime
    events: int
    complete: bool
    rules: tuple[RuleForecast, ...]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Adoption:
    """How far a policy's revisions have come.

    Attributes:
        instances: Processes that reported within the last hour.
        current: Those that run exactly what they should.
        refusals: What instances would not put in force, and how many each.
    """

    instances: int
    current: int
    refusals: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A policy that instances refused, as their reports say."""

    policy: str
    revision: int
    line: int
    key: str
    code: str
    instances: int
