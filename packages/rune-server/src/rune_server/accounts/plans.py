"""What each plan allows. The only place that knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_server.state.tables.organisations import Organisation


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan.

    Attributes:
        name: As stored.
        retention_days: How long events are kept at most.
        events_per_second: Taken in per organisation, averaged; bursts are absorbed.
        regions: Whether the organisation may choose its region.
    """

    name: str
    retention_days: int
    events_per_second: int
    regions: bool


PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("community", 30, 1_000, regions=False),
        Plan("starter", 90, 5_000, regions=False),
        Plan("pro", 180, 20_000, regions=False),
        Plan("growth", 365, 200_000, regions=True),
    )
}


def retention_days(organisation: Organisation) -> int:
    """How many days an organisation's events are kept: its own choice, never above its plan's."""
    most = PLANS[organisation.plan].retention_days
    return most if organisation.retention_days is None else min(most, organisation.retention_days)
