"""Many runs at once: no word of one in another, no task or thread left. The long one is in soak."""

from __future__ import annotations

import pytest
from tests.adapters.concurrency import KINDS, many

from rune_core.testing import FakeScanner, RecordingSink, shield_for_tests

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called"),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_runs_at_once_do_not_mix(kind: str) -> None:
    scanner = FakeScanner({})
    with shield_for_tests(scanner, RecordingSink()) as shield:
        await many(kind, shield, scanner, 100)
