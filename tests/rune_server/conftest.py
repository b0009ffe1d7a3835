"""What tests of the server share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from rune_server.analytics import Target, open_analytics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_server.analytics import Analytics

EUROPEANS: set[UUID] = set()
"""Organisations that are in the region ``eu``."""


async def _region_of(organisation_id: UUID) -> str:
    return "eu" if organisation_id in EUROPEANS else "us"


@pytest.fixture(scope="session")
def analytics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analytics]:
    """One embedded ClickHouse, encrypted, with two regions. A process can hold only one.

    Tests keep apart by organisation: see ``organisation``.
    """
    folder = tmp_path_factory.mktemp("analytics")
    targets = {
        region: Target(database=f"rune_{region}", path=folder, key=b"k" * 32)
        for region in ("us", "eu")
    }
    opened = open_analytics(targets, _region_of)
    found = asyncio.run(opened.__aenter__())
    yield found
    asyncio.run(opened.__aexit__(None, None, None))


@pytest.fixture
def organisation() -> UUID:
    """An organisation that no other test uses, in the region ``us``."""
    return uuid4()
