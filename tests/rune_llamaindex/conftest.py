"""A shield that finds fixed words, so that these tests do not depend on the built-in rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from rune_core import Shield, Threat
from rune_core.testing import FakeScanner, RecordingSink, shield_for_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORDER = "obey-the-mail"
KEY = "canary-key-5150"
WIPE = "wipe-the-disk"


@dataclass
class Bench:
    """A shield with its scanner and sink."""

    shield: Shield
    scanner: FakeScanner
    sink: RecordingSink


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    made: list[Shield] = []

    def make(**settings: Any) -> Bench:
        scanner = FakeScanner(
            {
                ORDER: Threat.PROMPT_INJECTION,
                KEY: Threat.SECRET_EXPOSURE,
                WIPE: Threat.COMMAND_INJECTION,
            }
        )
        sink = RecordingSink()
        shield = shield_for_tests(scanner, sink, **settings)
        made.append(shield)
        return Bench(shield, scanner, sink)

    yield make
    for shield in made:
        shield.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def shield(bench: Bench) -> Shield:
    return bench.shield
