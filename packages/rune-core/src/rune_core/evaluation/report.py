"""The report: Markdown tables per source and kind."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from rune_core.evaluation.picture import Line, roc, svg
from rune_core.evaluation.stats import auc, percentile, recall_at, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rune_core.evaluation.detectors import Scores
    from rune_core.evaluation.texts import LabelledText

AT = 0.75
"""Confidence from which a text counts as flagged: where the default policy cuts data."""
FIXED_RATES = (0.001, 0.01, 0.05)
"""Shares of benign texts at which the recall is told, whatever the thresholds are."""


class Result(NamedTuple):
    """A text and its scores."""

    text: LabelledText
    scores: Scores


def _share(results: Sequence[Result], layer: str, at: float) -> str:
    hits = sum(getattr(r.scores, layer) >= at for r in results)
    found = wilson(hits, len(results))
    return f"{found.share:.1%} ({found.low:.1%}–{found.high:.1%})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines.extend("| " + " | ".join(row) + " |" for row in rows)
    return lines


def markdown(results: Sequence[Result], revision: str, at: float = AT) -> str:
    """The whole report.

    Args:
        results: Every scored text.
        revision: Of the detectors.
        at: Confidence from which a text counts as flagged.
    """
    groups: dict[tuple[str, bool, str, bool], list[Result]] = defaultdict(list)
    for result in results:
        text = result.text
        groups[text.source, text.attack, text.kind, text.weak].append(result)
    lines = [
        f"Detectors: {revision}. Flagged at confidence {at} or more.",
        "In brackets the 95% Wilson interval.",
        "",
        "### Caught",
        "",
    ]
    header = ("source", "kind", "texts", "L1", "L2", "L1+L2")

    def rows(attack: bool) -> Iterable[Sequence[str]]:
        for (source, is_attack, kind, weak), group in sorted(groups.items()):
            if is_attack is attack:
                yield (
                    source, kind + (" (weak)" if weak else ""), str(len(group)),
                    _share(group, "l1", at), _share(group, "l2", at), _share(group, "both", at),
                )  # fmt: skip

    lines += _table(header, rows(attack=True))
    lines += ["", "### Benign texts flagged", "", *_table(header, rows(attack=False))]
    note = "AUC of each source's attacks against its own benign texts, or, where it has none, "
    note += "all benign texts of the same surfaces."
    lines += ["", "### Ranking by L2", "", note, ""]
    lines += _table(
        ("source", "AUC", *(f"recall at {rate:.1%} FPR" for rate in FIXED_RATES)), _ranking(results)
    )
    lines += ["", "### Latency", ""]
    lines += _table(("layer", "median ms", "p95 ms", "p99 ms"), _latency(results))
    unread = sum(not r.scores.complete for r in results)
    lines += ["", f"{unread} of {len(results)} texts were too long to be read in full."]
    return "\n".join(lines) + "\n"


def _ranking(results: Sequence[Result]) -> Iterable[Sequence[str]]:
    for source, (benign, attack) in sorted(_contests(results).items()):
        area = auc(benign, attack)
        recalls = [recall_at(benign, attack, budget) for budget in FIXED_RATES]
        yield (
            source,
            "–" if area is None else f"{area:.3f}",
            *("–" if recall is None else f"{recall:.1%}" for recall in recalls),
        )


def curves(results: Sequence[Result]) -> str:
    """The ROC curves of layer 2, one a source with attacks and benign texts to hold against."""
    lines = []
    for source, (benign, attack) in sorted(_contests(results).items()):
        if benign and attack:
            lines.append(Line(source, roc(benign, attack)))
    if not lines:
        lines = [Line("no source with both", [(0.0, 0.0), (1.0, 1.0)])]
    return svg(
        "Attacks caught by layer 2 against benign texts flagged",
        lines,
        x="share of benign texts flagged",
        y="share of attacks caught",
    )


def _contests(results: Sequence[Result]) -> dict[str, tuple[list[float], list[float]]]:
    """Scores of each source's benign texts (or all of its surfaces') and of its attacks."""
    benign: dict[str, list[float]] = defaultdict(list)
    by_surface: dict[str, list[float]] = defaultdict(list)
    attack: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if not result.text.attack:
            benign[result.text.source].append(result.scores.raw)
            by_surface[result.text.surface].append(result.scores.raw)
        elif not result.text.weak and result.text.kind != "harmful_request":
            attack[result.text.source].append(result)
    found = {}
    for source, attacks in attack.items():
        surfaces = sorted({r.text.surface for r in attacks})
        against = benign.get(source) or [s for name in surfaces for s in by_surface[name]]
        found[source] = (against, [r.scores.raw for r in attacks])
    return found


def _latency(results: Sequence[Result]) -> Iterable[Sequence[str]]:
    cases: dict[str, Callable[[Result], bool]] = {
        "benign tool results": lambda r: not r.text.attack and r.text.surface == "tool_result",
        "attacks": lambda r: r.text.attack,
        "all": lambda _: True,
    }
    for name, wanted in cases.items():
        for layer in ("l1", "l2"):
            values = [r.scores.ms[layer] for r in results if wanted(r) and layer in r.scores.ms]
            if values:
                yield (
                    f"{layer.upper()}, {name}",
                    *(f"{percentile(values, share):.2f}" for share in (0.5, 0.95, 0.99)),
                )
