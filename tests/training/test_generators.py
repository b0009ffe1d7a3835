"""Self-written texts: every slot is filled, every seed repeats, and the two sides differ."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training.compose import Composer
from training.rows import BENIGN, HARMFUL, INJECTION, JAILBREAK, Row

from training import (
    benign,
    benign_briefs,
    benign_commands,
    benign_cyber,
    benign_pages,
    benign_prompts,
    benign_security,
    benign_tasks,
    benign_triggers,
    call_attacks,
    direct,
    extraction,
    harmless_calls,
    lures,
    near_calls,
    scenarios,
    security_writing,
    takeover,
    tongues,
)

SLOT = re.compile(r"\{[A-Za-z_]\w*\}")
SEEDS = st.integers(0, 100_000)


@given(SEEDS)
def test_benign_texts_are_expanded_in_full(seed: int) -> None:
    name, surface, text = benign.draw(random.Random(seed))
    assert name
    assert surface in ("input", "document", "tool_result", "tool_call")
    assert text.strip()
    if name != "security":  # Quoted attacks may hold any braces.
        assert not SLOT.search(text), text


@given(SEEDS)
def test_direct_attacks_are_expanded_in_full(seed: int) -> None:
    for make in (
        direct.attack,
        direct.tool_call,
        extraction.extraction,
        lures.lure,
        takeover.takeover,
        tongues.attack,
    ):
        text = make(random.Random(seed))
        assert text.strip()
        assert not SLOT.search(text.replace("{word}", "")), text
        assert text == make(random.Random(seed))


@given(SEEDS)
def test_parts_and_prompts_are_expanded_in_full(seed: int) -> None:
    for make in (
        benign_briefs.customer,
        benign_briefs.card,
        benign_briefs.part,
        benign_prompts.prompt,
    ):
        text = make(random.Random(seed))
        assert text.strip()
        assert not SLOT.search(text), text
        assert text == make(random.Random(seed))


def test_rules_that_people_wrote_stand_in_prompts() -> None:
    text = (
        "You are a poet. Never use the letter e at all.\nThe sky is blue.\n- Reply in a line only."
    )
    row = Row(text, BENIGN, "benign_hard_negative", "input", "own", "g")
    said = benign_prompts.rules([row, Row("Never mind.", INJECTION, "hard", "input", "own", "h")])
    assert said == ["Never use the letter e at all.", "Reply in a line only."]
    drawn = [benign_prompts.prompt(random.Random(seed), said) for seed in range(60)]
    assert any(rule in text for rule in said for text in drawn)


@given(SEEDS)
def test_calls_of_both_kinds_have_the_same_shapes(seed: int) -> None:
    for kind in ("shell", "sql", "code", "path", "url", "text"):
        text = benign_commands.call(kind, "the argument", random.Random(seed))
        assert "the argument" in text
    assert benign_commands.everyday(random.Random(seed)).strip()
    assert call_attacks.tool_call(random.Random(seed)).strip()


@given(SEEDS)
def test_a_setting_keeps_the_request_and_tells_no_question_as_a_deed(seed: int) -> None:
    asked = scenarios.setting("What is the tallest tower?", random.Random(seed))
    assert "What is the tallest tower?" in asked
    told = scenarios.setting("How do I bake bread?", random.Random(seed))
    assert "bake bread" in told
    assert "has to how" not in told
    assert not SLOT.search(told), told


def test_security_writing_quotes_attacks_and_talks_about_them() -> None:
    rng = random.Random(1)
    texts = [benign_security.security_text(rng) for _ in range(200)]
    assert sum("injection" in text.lower() or "attack" in text.lower() for text in texts) > 100
    assert len(set(texts)) == len(texts)


@given(SEEDS, st.booleans())
def test_calls_and_documents_that_look_dangerous_repeat_and_differ(seed: int, unseen: bool) -> None:
    call = harmless_calls.harmless_call(random.Random(seed), unseen=unseen)
    assert call == harmless_calls.harmless_call(random.Random(seed), unseen=unseen)
    assert all(call[1].values())
    near = near_calls.near_call(random.Random(seed), unseen=unseen)
    assert near == near_calls.near_call(random.Random(seed), unseen=unseen)
    assert "{risky}" not in str(near)
    document = security_writing.security_document(random.Random(seed), unseen=unseen)
    assert document == security_writing.security_document(random.Random(seed), unseen=unseen)
    assert "{payload" not in document
    assert "{talk" not in document
    assert "{phrase" not in security_writing.security_question(random.Random(seed), unseen=unseen)


@pytest.mark.parametrize(
    "make",
    [
        benign.question,
        benign.agent_task,
        benign_commands.everyday,
        benign_cyber.cyber_question,
        benign_briefs.brief,
        benign_pages.answer,
        benign_prompts.prompt,
        benign_tasks.task,
        benign_triggers.trigger,
        call_attacks.tool_call,
        direct.attack,
        extraction.extraction,
        lures.lure,
        takeover.takeover,
    ],
)
def test_texts_are_various(make: object) -> None:
    assert callable(make)
    rng = random.Random(4)
    assert len({make(rng) for _ in range(1000)}) > 700


def test_a_document_without_a_host_is_an_attack_only_if_it_gives_orders() -> None:
    row = Row("A quiet day.", BENIGN, "benign_document", "document", "own", "g")
    composer = Composer([row], seed=3)
    examples = composer.examples(40, mistaken=60, repeat={"own": 1.0})
    assert {e.label for e in examples} <= {BENIGN, INJECTION, JAILBREAK, HARMFUL}
    mistaken = [e for e in examples if e.source.split(":")[-1] in ("question", "agent_task")]
    assert mistaken
    assert all(e.label == BENIGN for e in mistaken)
    assert examples == Composer([row], seed=3).examples(40, mistaken=60, repeat={"own": 1.0})
