"""Cutting texts into windows, scoring them, and setting thresholds."""

from __future__ import annotations

from itertools import pairwise

import pytest

np = pytest.importorskip("numpy")
tokenizers = pytest.importorskip("tokenizers")

from training.calibrate import calibrate, weighted_threshold  # noqa: E402
from training.compose import Example  # noqa: E402
from training.rows import BENIGN, INJECTION, Row  # noqa: E402
from training.score import TextScore, log_odds, score_texts, score_windows  # noqa: E402
from training.windows import SIZE, batches, build, cuts, join, pad  # noqa: E402

from training import mine  # noqa: E402


@pytest.fixture(scope="module")
def tokenizer() -> object:
    words = ["[PAD]", "[UNK]", "user", "answer", "document", "command", "quiet", "attack"]
    vocabulary = {word: i for i, word in enumerate(words)}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return made


def test_cuts_cover_everything_with_overlap() -> None:
    for length in (0, 1, 124, 125, 126, 500, 1001):
        found = cuts(length)
        assert found[0][0] == 0
        assert found[-1][1] == length
        assert all(b0 >= a1 for (_, b0), (a1, _) in pairwise(found))


def test_the_window_of_a_buried_attack_holds_it(tokenizer: object) -> None:
    host = "quiet " * 400
    text = host + "attack attack attack attack " + host
    example = Example(text, INJECTION, "document", "own", ((len(host), len(host) + 27),))
    windows = build([example] * 30, tokenizer, seed=1)
    for k in range(len(windows)):
        a, b = windows.offsets[k], windows.offsets[k + 1]
        assert b - a <= SIZE
        inside = (windows.token_labels[a:b] == 1).sum()
        assert inside == (windows.ids[a:b] == 7).sum()
        assert windows.labels[k] == (INJECTION if inside else 0)
    assert (windows.labels == INJECTION).sum() >= 25


def test_batches_hold_every_window_once(tokenizer: object) -> None:
    examples = [Example("quiet " * n, 0, "input", "own", ()) for n in range(1, 120)]
    windows = build(examples, tokenizer)
    plan = batches(np.diff(windows.offsets), 512, np.random.default_rng(0))
    assert sorted(int(i) for b in plan for i in b) == list(range(len(windows)))
    ids, mask, _ = pad(windows, plan[0])
    assert ids.shape == mask.shape


def test_a_text_is_as_suspicious_as_its_worst_window_less_its_length(tokenizer: object) -> None:
    def run(ids: object, mask: object, types: object) -> tuple[object, object]:
        found = (ids == 7).any(axis=1)
        logits = np.zeros((len(ids), 4), np.float32)
        logits[:, 1] = np.where(found, 6.0, -6.0)
        return logits, np.zeros(ids.shape, np.float32)

    short, long = score_texts(
        ["attack", "quiet " * 600 + "attack"], ["document"] * 2, tokenizer, run
    )
    assert short.windows == 1
    assert long.windows > 4
    assert long.attack == pytest.approx(short.attack - np.log(long.windows))
    assert long.worst == long.windows - 1


def test_log_odds_of_even_logits_are_the_prior() -> None:
    assert log_odds(np.zeros((1, 4)), (1, 2))[0] == pytest.approx(0.0)


def test_thresholds_keep_to_their_budget() -> None:
    scores = np.arange(1000, dtype=float)
    least = weighted_threshold(scores, np.ones(1000), 0.01)
    assert (scores >= least).sum() == 10
    assert weighted_threshold(scores, np.ones(1000), 0.0) > 999


def test_no_single_source_is_flagged_far_beyond_the_budget() -> None:
    rng = np.random.default_rng(1)
    rows, scores = [], []
    for source, centre in (("quiet", -4.0), ("calm", -4.0), ("still", -4.0), ("odd", 1.0)):
        for number in range(300):
            rows.append(Row("x", BENIGN, "benign_document", "document", source, str(number)))
            value = float(rng.normal(centre, 1))
            scores.append(TextScore(value, value, 1, 0, (0, 1), np.zeros((1, 4))))
    at = calibrate(rows, scores, 0.01)["data"].log_odds
    for source in ("quiet", "odd"):
        own = [s.attack for r, s in zip(rows, scores, strict=True) if r.source == source]
        assert sum(value >= at for value in own) <= 0.04 * len(own) + 1
    assert sum(s.attack >= at for s in scores) <= 0.01 * len(scores) + 1


def test_windows_are_joined_whole(tokenizer: object) -> None:
    examples = [
        Example("quiet " * n, BENIGN, "document", f"own:{n}", ()) for n in (1, 3, 7, 40, 90)
    ]
    parts = [build(examples[:3], tokenizer, seed=3), build(examples[3:], tokenizer, seed=4)]

    def told(some: object) -> list[tuple[list[int], str]]:
        ends = some.offsets
        return [
            (some.ids[a:b].tolist(), source)
            for a, b, source in zip(ends[:-1], ends[1:], some.sources, strict=True)
        ]

    assert told(join(parts)) == [*told(parts[0]), *told(parts[1])]


def test_benign_windows_that_look_like_attacks_are_seen_again(tokenizer: object) -> None:
    examples = [
        Example("attack", INJECTION, "document", "own", None),
        Example("quiet", BENIGN, "document", "own", ()),
        Example("attack quiet", BENIGN, "document", "own", ()),
    ]
    windows = build(examples, tokenizer, seed=1)
    index = np.arange(len(windows))

    def run(ids, mask, types):
        logits = np.zeros((len(ids), 4), np.float32)
        logits[:, BENIGN] = 8.0
        logits[:, INJECTION] = np.where((ids == 7).any(1), 12.0, -8.0)
        return logits, np.zeros(ids.shape, np.float32)

    logits = score_windows(windows, index, run, tokens=8)
    assert mine.hard(windows, index, logits).tolist() == [2] * mine.AGAIN
    assert set(mine.drawn(windows, 10, seed=0).tolist()) == {1, 2}
