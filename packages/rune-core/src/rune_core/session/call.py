"""What is known about one tool call before it is made: origins, who asked, the tool's risk."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from rune_core.session.counters import NOTHING
from rune_core.session.distinctive import PartKind
from rune_core.session.provenance import Origin, OriginKind, TracedValue, trace_call
from rune_core.session.sources import Trust
from rune_core.tool_risk import Capability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_core.session.sources import Sources
    from rune_core.tool_risk import ToolProfile

# A date proves little: many honest texts name the day that a call is about.
_WEAK: frozenset[PartKind | None] = frozenset((PartKind.DATE,))


@dataclass(frozen=True)
class CallFacts:
    """What a policy may ask about a call.

    Attributes:
        profile: What the tool can do.
        traced: Every leaf of the arguments with its origins.
        asked_by_user: The user's words ask for this kind of call.
        asked_by_text: A text the agent read asks for this kind of call.
        delegated: The user told the agent to do what some text says.
        user_known: The session has seen words of the user's at all.
        session: What the session did before, by name (see Counters).
    """

    profile: ToolProfile
    traced: tuple[TracedValue, ...] = ()
    asked_by_user: bool = False
    asked_by_text: bool = False
    delegated: bool = False
    user_known: bool = False
    session: Mapping[str, int] = field(default_factory=lambda: NOTHING)

    # Several conditions ask for each of these, so each is found out once.

    @cached_property
    def untrusted(self) -> tuple[Origin, ...]:
        """Every untrusted origin of the arguments, without doubles."""
        return tuple(dict.fromkeys(origin for value in self.traced for origin in value.untrusted))

    @cached_property
    def instruction(self) -> float:
        """How much the places the arguments came from read as instructions, 0 to 1: the worst."""
        return max((origin.instruction for origin in self.untrusted), default=0.0)

    @cached_property
    def value_from_request(self) -> bool:
        """An argument was taken from a sentence that itself asks for this call."""
        return any(origin.asked and origin.part not in _WEAK for origin in self.untrusted)

    @cached_property
    def hijacked(self) -> bool:
        """The marks of a call that a text, not the user, wants.

        Either an argument comes from a place that reads as an instruction or asks for this very
        call, or a text asks for the call and the user never did. A tool that only fetches what
        the user asked to see may take its address from such a sentence: people write "have a
        look at …" to one another.
        """
        if self.instruction >= 0.5:
            return True
        if self.delegated or not self.user_known:
            return False
        fetches_what_was_asked = self.asked_by_user and self.profile.capabilities == {
            Capability.FETCH
        }
        if self.value_from_request and not fetches_what_was_asked:
            return True
        return self.asked_by_text and not self.asked_by_user

    def origin_kinds(self) -> dict[str, tuple[str, ...]]:
        """For each leaf's path the kinds of its origins: metadata, safe in events."""
        return {
            value.path: tuple(sorted({origin.kind.value for origin in value.origins}))
            for value in self.traced
        }


def call_facts(
    profile: ToolProfile,
    arguments: Mapping[str, object],
    sources: Sources | None,
    session: Mapping[str, int] = NOTHING,
) -> CallFacts:
    """Find out about a call what its session knows.

    Args:
        profile: The tool's.
        arguments: The call's, by name.
        sources: What the session has read; None when that is not kept.
        session: What the session did before, by name.
    """
    if sources is None:
        return CallFacts(profile, session=session)
    return CallFacts(
        profile=profile,
        traced=trace_call(profile.tool, arguments, sources),
        asked_by_user=sources.user_asks_for(profile.tool),
        asked_by_text=sources.text_asks_for(profile.tool),
        delegated=sources.user_delegates(),
        user_known=sources.holds(Trust.USER),
        session=session,
    )


__all__ = ["CallFacts", "Origin", "OriginKind", "call_facts"]
