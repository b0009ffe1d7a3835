"""Shields that ask a fake judge: a real HTTP server on this machine."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from rune_core.testing import FakeJudge, FakeScanner, RecordingSink, shield_for_tests
from rune_scanner.finding import Threat

ATTACK = {"attack": True, "attack_confidence": 0.9, "threat": "prompt_injection"}


@pytest.fixture
def judged():
    """``with judged(answer, …) as (shield, judge, sink)``: "odd" in a text raises a doubt."""

    @contextmanager
    def make(answer="", *, confidence=0.6, policy=None, plugins=(), judge=None, **settings):
        sink = RecordingSink()
        scanner = FakeScanner({"odd": Threat.PROMPT_INJECTION}, confidence=confidence)
        with FakeJudge(answer) if judge is None else judge as server:
            shield = shield_for_tests(
                scanner, sink, *plugins, policy=policy, **{**server.settings, **settings}
            )
            with shield:
                yield shield, server, sink

    return make
