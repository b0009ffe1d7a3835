"""Ids of events that were accepted lately, so that a retry is known at once and not taken twice.

It is a help, not the guarantee: the writer asks the store too. Memory is bounded by forgetting
the older half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

REMEMBERED = 150_000
"""Ids of one generation; two are kept. About 20 MB each."""


class Recent:
    """Two generations of ids, by organisation."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._most = remembered
        self._new: dict[UUID, set[str]] = {}
        self._old: dict[UUID, set[str]] = {}
        self._count = 0

    def known(self, organisation_id: UUID, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that were accepted before."""
        found: set[str] = set()
        for generation in (self._new, self._old):
            mine = generation.get(organisation_id)
            if mine is not None and not mine.isdisjoint(ids):
                found |= mine.intersection(ids)
        return found

    def add(self, accepted: Mapping[UUID, set[str]]) -> None:
        """Remember what is durable now."""
        for organisation_id, ids in accepted.items():
            self._new.setdefault(organisation_id, set()).update(ids)
            self._count += len(ids)
        if self._count >= self._most:
            self._old, self._new, self._count = self._new, {}, 0
