from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

import pytest

from rune_core import Surface, Threat
from rune_core.adapters.guard import AdapterGuard, adapter_name
from rune_core.adapters.recent import Recent
from rune_core.adapters.walk import Check, Feed, Stopped, each, must_pass, same
from rune_core.testing import FakeScanner, RecordingSink, shield_for_tests


@dataclass(frozen=True)
class Guard(AdapterGuard):
    framework: str = "queue"
    adapter: ClassVar[str] = adapter_name("rune-core")  # one that is installed


def over(*texts, surface=Surface.TOOL_RESULT, remember=False):
    return each(must_pass(Check(surface, text, remember=remember)) for text in texts)


def test_a_walk_has_the_same_outcome_either_way():
    with shield_for_tests(FakeScanner({"evil": Threat.PROMPT_INJECTION})) as shield:
        guard = Guard(shield)
        with shield.session() as session:
            now = guard.run(over("good", "something evil"), session)
            later = asyncio.run(guard.arun(over("good", "something evil"), session))
    assert now == later
    assert now[0] == "good"
    assert "evil" not in now[1]


def test_a_stop_ends_the_walk_and_is_never_raised_below_it():
    with shield_for_tests(FakeScanner({"bomb": Threat.JAILBREAK}), on_block="raise") as shield:
        guard = Guard(shield)
        assert guard.raises
        with shield.session() as session, pytest.raises(Stopped) as caught:
            guard.run(over("a bomb", surface=Surface.INPUT), session)
    assert "bomb" not in caught.value.neutral
    assert "bomb" not in str(caught.value)


def test_what_is_remembered_is_ruled_on_once_in_a_session():
    scanner = FakeScanner({"evil": Threat.PROMPT_INJECTION})
    with shield_for_tests(scanner, cache_size=0) as shield:
        guard = Guard(shield)
        with shield.session() as session:
            first = guard.run(over("good", "something evil", remember=True), session)
            seen = len(scanner.seen)
            assert guard.run(over("good", "something evil", remember=True), session) == first
        assert len(scanner.seen) == seen > 0
        with shield.session() as session:
            guard.run(over("good", remember=True), session)
        assert len(scanner.seen) > seen


def test_a_stream_is_fed_to_its_gate():
    def pour(gate, *pieces):
        shown = []
        for piece in (*pieces, None):
            shown.append((yield Feed(gate, piece)))  # noqa: PERF401 - a comprehension cannot yield
        return "".join(shown)

    with shield_for_tests(FakeScanner({"evil": Threat.PROMPT_INJECTION})) as shield:
        guard = Guard(shield)
        with shield.session() as session:
            pieces = ("All ", "is ", "well.")
            now = guard.run(pour(guard.gate(Surface.OUTPUT, session), *pieces), session)
            walk = pour(guard.gate(Surface.OUTPUT, session), *pieces)
            later = asyncio.run(guard.arun(walk, session))
    assert now == later == "All is well."


def test_events_name_framework_and_adapter():
    sink = RecordingSink()
    with shield_for_tests(FakeScanner({"evil": Threat.PROMPT_INJECTION}), sink) as shield:
        with shield.session() as session:
            Guard(shield).run(over("something evil"), session)
        assert shield.flush()
    assert sink.events[0].framework == "queue"
    assert sink.events[0].adapter == adapter_name("rune-core")


def test_an_adapter_that_was_never_installed_has_a_name_too():
    assert adapter_name("rune-queue") == "rune-queue/0+unknown"


def test_the_least_recently_used_entry_goes_first():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]
    assert recent.pop("a") == 1
    assert recent.pop("a") is None


def test_same_means_the_very_same_objects():
    value = object()
    assert same([value], [value])
    assert not same([value], [object()])
