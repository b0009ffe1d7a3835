"""What all tests share."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Collect garbage when a module ends.

    An unclosed socket or file is reported when it is collected. Left to chance, that fails some
    test of another module; collected here, it fails the module that left it open.
    """
    yield
    gc.collect()
