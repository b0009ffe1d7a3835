"""Names in policy files that no detector has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rune_core.config import ShieldConfig


def names_without_detector(config: ShieldConfig) -> list[str]:
    """A line for each name in the policy files of ``config`` that no detector has.

    Looks at files alone: no server is known to it, no journal and no judge, and nothing is written.
    """
    from rune_core.coverage import unmatched_names
    from rune_core.engine import Engine

    local = replace(
        config,
        url=None,
        api_key=None,
        judge_url=None,
        judge_model=None,
        events_enabled=False,
        journal_enabled=False,
        l2_enabled=False,
    )
    return unmatched_names(Engine(local))
