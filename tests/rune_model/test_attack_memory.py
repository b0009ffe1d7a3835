"""Attack memory: what is remembered is found again, and forgotten when asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rune_core.layers.attack_memory import AttackMemory
from rune_core.layers.l2_vector import VectorLayer
from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from pathlib import Path

np = pytest.importorskip("numpy")


def test_the_nearest_signature_explains_itself() -> None:
    memory = AttackMemory(near=0.9)
    name = memory.remember([1.0, 0.0], Threat.JAILBREAK)
    memory.remember([0.0, 1.0], Threat.PROMPT_INJECTION)
    match = memory.nearest(np.array([0.99, 0.14]))
    assert match is not None
    assert (match.id, match.threat) == (name, Threat.JAILBREAK)
    assert match.nearness == pytest.approx(0.99)
    assert memory.nearest(np.array([0.7, 0.7])) is None


def test_the_same_text_has_the_same_name() -> None:
    memory = AttackMemory()
    first = memory.remember([1.0, 0.0], Threat.JAILBREAK)
    assert memory.remember([1.0, 0.0], Threat.JAILBREAK) == first
    assert len(memory) == 1


def test_forgetting_changes_the_revision() -> None:
    memory = AttackMemory()
    empty = memory.revision
    name = memory.remember([1.0, 0.0], Threat.JAILBREAK)
    assert memory.revision != empty
    assert memory.forget(name)
    assert not memory.forget(name)
    assert memory.revision == empty
    assert memory.nearest(np.array([1.0, 0.0])) is None


def test_signatures_outlive_the_process_and_hold_no_words(tmp_path: Path) -> None:
    path = tmp_path / "memory.jsonl"
    name = AttackMemory(path).remember([0.6, 0.8], Threat.JAILBREAK)
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert entry == {"id": name, "threat": "jailbreak", "vector": [0.6, 0.8]}
    again = AttackMemory(path).nearest(np.array([0.6, 0.8]))
    assert again is not None
    assert again.id == name


def test_a_damaged_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "memory.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        AttackMemory(path)


def test_the_layer_recognises_what_it_was_told() -> None:
    layer = VectorLayer()
    if layer.skip_reason(None, ()) is not None:
        pytest.skip("rune-core[vector] is not installed")
    text = "The heron at the mill pond prefers the western bank when the barley is tall."
    assert not layer.inspect(text, "document").findings
    before = layer.revision
    name = layer.remember(text, Threat.JAILBREAK)
    assert layer.revision != before
    found = layer.inspect(text, "document").findings
    assert [f.rule_id for f in found] == [f"memory-{name}"]
    assert found[0].confidence > 0.95
    assert layer.forget(name)
    assert not layer.inspect(text, "document").findings
    with pytest.raises(ValueError, match="words"):
        layer.remember("", Threat.JAILBREAK)
