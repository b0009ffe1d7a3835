"""What is said of a source that was left out."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
tokenizers = pytest.importorskip("tokenizers")

from training.leave_one_out import figures, table  # noqa: E402
from training.rows import BENIGN, INJECTION, Row  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "user", "answer", "document", "command", "quiet", "attack", "odd"]


@pytest.fixture(scope="module")
def tokenizer() -> object:
    model = tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return made


def reads_words(ids, mask, types):
    """A network that knows one word."""
    logits = np.zeros((len(ids), 4), np.float32)
    logits[:, INJECTION] = 6.0 * (ids == WORDS.index("attack")).sum(1) - 3.0
    logits[:, INJECTION] += (ids == WORDS.index("odd")).sum(1)
    return logits, np.zeros(ids.shape, np.float32)


def row(text: str, label: int, source: str, number: int) -> Row:
    kind = "indirect_injection" if label else "benign_document"
    return Row(text, label, kind, "document", source, f"{source}{number}", f"{source}{number}")


def test_a_source_of_both_classes_is_measured_on_itself(tokenizer: object) -> None:
    held = [row("quiet", BENIGN, "elsewhere", i) for i in range(80)]
    left_out = [
        row("quiet attack" if i % 4 else "quiet", INJECTION, "new", i) for i in range(40)
    ] + [row("quiet odd", BENIGN, "new", 100 + i) for i in range(40)]
    (found,) = figures("new", left_out, held, tokenizer, reads_words)
    assert (found["attacks"], found["benign"], found["own_benign"]) == (40, 40, True)
    assert found["auc"] == pytest.approx(0.75)
    assert found["caught"] == pytest.approx(0.75)
    assert found["flagged"] == 1.0, "a word that others' benign texts lack is above their threshold"


def test_attacks_alone_are_compared_with_others(tokenizer: object) -> None:
    held = [row("quiet", BENIGN, "elsewhere", i) for i in range(80)]
    left_out = [row("attack", INJECTION, "new", i) for i in range(5)]
    (found,) = figures("new", left_out, held, tokenizer, reads_words)
    assert (found["own_benign"], found["auc"], found["flagged"]) == (False, 1.0, None)
    text = table([found])
    assert "| new | data | 5 | 0 | 1.000 | others' benign texts | 100.0% | – |" in text
    assert "worst 1.000" in text
