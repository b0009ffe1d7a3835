"""One thing that ``rune doctor`` looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        area: The heading it stands under.
        name: What was looked at.
        status: ``ok``, ``warn`` or ``fail``.
        detail: What was seen, without values of secrets.
        todo: What to do about it; empty when nothing is.
    """

    area: str
    name: str
    status: str
    detail: str
    todo: str = ""
