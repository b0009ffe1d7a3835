"""Attack memory: what is remembered is found again, in other words too, and forgotten."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.errors import ConfigError
from rune_core.layers.attack_memory import FileStore, signature_of, stretches
from rune_core.layers.l2_vector import VectorLayer
from rune_core.layers.remembering import open_store
from rune_core.shield import Shield
from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from pathlib import Path

np = pytest.importorskip("numpy")

HERON = "The heron at the mill pond prefers the western bank when the barley is tall."
QUIET = "The harbour opens at nine. The ferry leaves twice a day. Tickets are sold on board. "


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    reason = VectorLayer().skip_reason(None, ())
    if reason is not None:
        pytest.skip(reason)


@given(st.text(min_size=1, max_size=400))
def test_any_text_has_a_signature_or_says_that_it_has_no_words(text: str) -> None:
    if not any(char.isalnum() or char == "_" for char in text.lower()):
        with pytest.raises(ValueError, match="words"):
            signature_of(text, Threat.JAILBREAK)
        return
    signature = signature_of(text, Threat.JAILBREAK)
    assert sum(value * value for value in signature.words) == pytest.approx(1, abs=0.01)


@given(st.text(alphabet="abc .\n!?", max_size=300))
def test_stretches_lie_in_the_text(text: str) -> None:
    places, vectors = stretches(text)
    assert len(places) == len(vectors)
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(text[start:end].strip() for start, end in places)


def test_a_whole_text_is_one_of_its_own_stretches() -> None:
    places, vectors = stretches(QUIET + HERON + " " + QUIET)
    words = np.array(signature_of(HERON, Threat.JAILBREAK).words)
    best = int((vectors @ words).argmax())
    start, end = places[best]
    assert (QUIET + HERON + " " + QUIET)[start:end].strip() == HERON


def test_the_layer_recognises_what_it_was_told() -> None:
    layer = VectorLayer()
    assert not layer.inspect(HERON, "document").findings
    before = layer.revision
    name = layer.remember(HERON, Threat.JAILBREAK, label="INC-7")
    assert layer.revision != before
    found = layer.inspect(HERON, "document")
    assert [f.rule_id for f in found.findings] == [f"memory-{name}"]
    assert found.findings[0].threat is Threat.JAILBREAK
    assert found.findings[0].confidence > 0.95
    assert found.score == found.findings[0].confidence
    assert layer.forget(name)
    assert not layer.forget(name)
    assert not layer.inspect(HERON, "document").findings
    with pytest.raises(ValueError, match="words"):
        layer.remember("...", Threat.JAILBREAK)


def test_it_is_found_in_other_words_and_inside_a_long_text() -> None:
    layer = VectorLayer()
    layer.remember(HERON)
    reworded = "The heron at the old mill pond prefers its western bank when barley is tall."
    text = QUIET * 12 + reworded + " " + QUIET * 12
    (finding,) = [f for f in layer.inspect(text, "tool_result").findings if "memory" in f.rule_id]
    assert 0.8 <= finding.confidence < 1
    assert text[finding.span.start : finding.span.end].strip() == reworded


def test_texts_that_share_a_few_words_are_not_taken_for_it() -> None:
    layer = VectorLayer()
    layer.remember(HERON)
    for text in (QUIET * 5, "The pond at the mill is tall.", "A heron prefers barley and beer."):
        assert not [f for f in layer.inspect(text, "document").findings if "memory" in f.rule_id]


def test_signatures_outlive_the_process_and_hold_no_words(tmp_path: Path) -> None:
    path = tmp_path / "memory.jsonl"
    name = VectorLayer(memory=path).remember(HERON, Threat.JAILBREAK, label="INC-7")
    content = path.read_text(encoding="utf-8")
    assert not any(word in content.lower() for word in ("heron", "barley", "western"))
    entry = json.loads(content)
    assert (entry["id"], entry["threat"], entry["label"]) == (name, "jailbreak", "INC-7")
    again = VectorLayer(memory=path).inspect(HERON, "document").findings
    assert [f.rule_id for f in again] == [f"memory-{name}"]


def test_another_process_sees_what_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rune_core.layers.attack_memory._CHECK_SECONDS", 0.0)
    path = tmp_path / "memory.jsonl"
    running = VectorLayer(memory=path)
    assert not running.inspect(HERON, "document").findings
    name = VectorLayer(memory=path).remember(HERON)
    assert [f.rule_id for f in running.inspect(HERON, "document").findings] == [f"memory-{name}"]
    path.unlink()
    assert not running.inspect(HERON, "document").findings


def test_a_signature_of_another_model_is_still_known_by_its_words(tmp_path: Path) -> None:
    path = tmp_path / "memory.jsonl"
    name = VectorLayer(memory=path).remember(HERON)
    entry = json.loads(path.read_text(encoding="utf-8"))
    entry["model"], entry["meaning"] = "0.0.1", [1.0, 0.0]
    path.write_text(json.dumps(entry) + "\n", encoding="utf-8")
    found = VectorLayer(memory=path).inspect(HERON, "document").findings
    assert [f.rule_id for f in found] == [f"memory-{name}"]


def test_a_damaged_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "memory.jsonl"
    path.write_text('{"id": 1}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"memory\.jsonl, line 1"):
        open_store(path)


def test_a_label_is_short_and_plain() -> None:
    with pytest.raises(ValueError, match="label"):
        signature_of("words", Threat.JAILBREAK, label="x" * 81)
    with pytest.raises(ValueError, match="label"):
        signature_of("words", Threat.JAILBREAK, label="\x1b[31m")


def test_many_signatures_are_searched_at_once() -> None:
    rng = random.Random(3)
    words = [
        "ash",
        "birch",
        "cedar",
        "dogwood",
        "elm",
        "fir",
        "gum",
        "hazel",
        "ironwood",
        "juniper",
        "larch",
        "maple",
        "oak",
        "pine",
    ]
    store = FileStore()
    for _ in range(300):
        store.add(signature_of(" ".join(rng.choices(words, k=12)), Threat.JAILBREAK))
    wanted = store.signatures()[17]
    found = store.near(np.array([wanted.words], np.float32), 0.6)
    assert found[0][1].id == wanted.id
    assert found[0][2] == pytest.approx(1, abs=0.01)


def test_a_shield_remembers_forgets_and_tells_what_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path))
    with Shield() as shield:
        assert shield.scan_document(HERON).action == "allow"
        name = shield.remember(HERON, "jailbreak", label="INC-7")
        result = shield.scan_document(HERON)
        assert result.action == "redact"
        assert f"memory-{name}" in result.explanation
        assert [(s.id, s.label) for s in shield.remembered()] == [(name, "INC-7")]
        with pytest.raises(ValueError, match="no-such"):
            shield.remember(HERON, "no-such")
    with Shield() as later:
        assert later.scan_document(HERON).action == "redact"
        assert later.forget(name)
        assert later.scan_document(HERON).action == "allow"


def test_without_layer_2_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNE_L2_ENABLED", "0")
    with Shield() as shield, pytest.raises(ConfigError, match="disabled by configuration"):
        shield.remember("words")
