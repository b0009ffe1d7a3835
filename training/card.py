"""Measures what the model card tells beside the benchmark: `python -m training.card WHAT`.

Obfuscated attacks, spans on composed texts, what the prefilter loses, int8 against float. Needs no
torch; run it with the extra `vector`. Speed and memory: `python -m benchmarks.l2_speed`.
"""

# ruff: noqa: S311 - the draws must be repeatable, not secret

from __future__ import annotations

import argparse
import base64
import codecs
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from rune_core.layers.calibration import STRONG
from rune_core.layers.l2_vector import VectorLayer
from training import attacks, direct
from training.compose import Composer
from training.rows import load_folder, some, split
from training.score import auc, onnx_scorer, score_texts
from training.windows import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from training.rows import Row

_LOOKALIKE = str.maketrans("aeopcxi", "аеорсхі")
_LEET = str.maketrans("aeios", "43105")

OBFUSCATIONS: dict[str, Callable[[str], str]] = {
    "plain": lambda t: t,
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "hex": lambda t: t.encode().hex(),
    "URL": lambda t: quote(t, safe=""),
    "HTML entities": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "homoglyphs": lambda t: t.translate(_LOOKALIKE),
    "zero-width": "\u200b".join,
    "full width": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
    "upper case": str.upper,
    "spaced letters": lambda t: "  ".join(" ".join(word) for word in t.split()),
    "tag characters": lambda t: "".join(chr(0xE0000 + ord(c)) for c in t if ord(c) < 128),
    "leetspeak": lambda t: t.translate(_LEET),
    "rot13": lambda t: codecs.encode(t, "rot13"),
}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _attacks(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Own attacks in English, of both surfaces, with their surface."""
    while count:
        text = attacks.payload(rng) if count % 2 else direct.attack(rng)
        if text.isascii() and 40 <= len(text) <= 300 and "\n" not in text:
            count -= 1
            yield text, "tool_result" if count % 2 == 0 else "input"


def obfuscated(layer: VectorLayer, count: int = 60) -> None:
    """Share of own attacks caught through each obfuscation."""
    texts = list(_attacks(count, random.Random(77)))
    for name, hide in OBFUSCATIONS.items():
        caught = sum(layer.inspect(hide(t), surface).score >= STRONG for t, surface in texts)
        _say(f"{name:15} {caught / len(texts):6.1%} of {len(texts)}")


def spans(layer: VectorLayer, held: Sequence[Row], count: int = 200) -> None:
    """Composed texts from held-out payloads and hosts: caught, span hit, benign text left."""
    composer, caught, hit, left = Composer(held, seed=99), 0, 0, 0
    for _ in range(count):
        example = composer.planted()
        found = layer.inspect(example.text, example.surface)
        if found.score < STRONG or not example.spans:
            continue
        caught += 1
        a, b = example.spans[0]
        marked = [f.span for f in found.findings if f.confidence >= 0.5]
        hit += any(s.start < b and s.end > a for s in marked)
        benign = [i for i in range(len(example.text)) if not a <= i < b]
        cut = {i for s in marked for i in range(s.start, s.end)}
        left += not benign or sum(i not in cut for i in benign) >= 0.9 * len(benign)
    _say(
        f"composed {count}: caught {caught / count:.1%}, of those the span overlaps "
        f"{hit / max(1, caught):.1%}, 90% of the benign text is left in {left / max(1, caught):.1%}"
    )


def prefiltered(layer: VectorLayer, rows: Sequence[Row]) -> None:
    """Recall with the prefilter and without it, by source."""
    by_source: dict[str, list[tuple[bool, bool]]] = {}
    for row in rows:
        found = []
        for everything in (False, True):
            reading = layer.model.read(row.text, row.surface, 64, everything=everything)
            worst = max(reading.attack.values(), default=-np.inf)
            score = float(worst) - float(np.log(max(1, len(reading.windows))))
            found.append(score >= layer.strong_at(row.surface))
        by_source.setdefault(row.source, []).append((found[0], found[1]))
    for source, pairs in sorted(by_source.items()):
        shares = [sum(column) / len(pairs) for column in zip(*pairs, strict=True)]
        _say(f"{source:20} {len(pairs):4} with {shares[0]:.3f} without {shares[1]:.3f}")


def quantised(model: Path, floats: Path, held: Sequence[Row], threads: int) -> None:
    """AUC of each source's held-out attacks, int8 and float, against the same benign texts."""
    tokenizer = load_tokenizer(model / "tokenizer.json")
    rows = some(held, 40)
    scores = {}
    for name, path in (("int8", model / "model.onnx"), ("float", floats)):
        run = onnx_scorer(str(path), threads)
        found = score_texts(
            [r.text for r in rows], [r.surface for r in rows], tokenizer, run, limit=8
        )
        scores[name] = np.array([s.attack for s in found])
    benign = np.array([r.label == 0 for r in rows])
    for source in sorted({r.source for r in rows if r.attack}):
        mine = np.array([r.attack and r.source == source for r in rows])
        whole, small = (auc(scores[n][benign], scores[n][mine]) for n in ("float", "int8"))
        _say(f"{source:20} {mine.sum():4} int8 {small:.4f} float {whole:.4f} {small - whole:+.4f}")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the measurements asked for."""
    parser = argparse.ArgumentParser(prog="python -m training.card", description=__doc__)
    parser.add_argument("what", nargs="+", choices=("hidden", "spans", "prefilter", "int8"))
    parser.add_argument("--data", type=Path, help="labelled texts, as for the training")
    parser.add_argument("--measure", type=Path, help="labelled texts for `prefilter`")
    parser.add_argument("--model", type=Path, help="an artefact's folder; default: rune-model's")
    parser.add_argument("--floats", type=Path, help="the float ONNX, for `int8`")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    if {"spans", "int8"} & set(args.what) and not args.data:
        parser.error("--data is needed for `spans` and `int8`")
    if "prefilter" in args.what and not args.measure:
        parser.error("--measure is needed for `prefilter`")
    if "int8" in args.what and not (args.floats and args.model):
        parser.error("--floats and --model are needed for `int8`")
    layer = VectorLayer(folder=args.model)
    held = split(load_folder(args.data))[1] if args.data else []
    if "hidden" in args.what:
        obfuscated(layer)
    if "spans" in args.what:
        spans(layer, held)
    if "prefilter" in args.what:
        attacking = [r for r in load_folder(args.measure) if r.attack]
        prefiltered(layer, some(attacking, 40))
    if "int8" in args.what:
        quantised(args.model, args.floats, held, args.threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
