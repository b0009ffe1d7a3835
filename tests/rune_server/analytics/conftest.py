"""Analytics alone needs no state database: an organisation is an id."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest


@pytest.fixture
def organisation() -> UUID:
    """An organisation that no other test uses."""
    return uuid4()
