"""How long building views takes, and whether time grows with length alone.

Run it with ``uv run python benchmarks/views_speed.py``. It prints medians of processor time for
typical texts against their bars, then for hostile texts the cost of doubling the length, and
exits with 1 if a bar is missed.
"""

from __future__ import annotations

import base64
import json
import statistics
import sys
import time

from rune_scanner.views import build_views

_ENGLISH = (
    "The committee met on Tuesday to discuss the budget for the coming year, and it agreed to "
    "postpone the decision. Anna said that she would send the revised figures by Friday; "
    "everyone else was happy with that. We'll see what comes of it.\n"
)
_FRENCH = (
    "Le comité s'est réuni mardi pour discuter du budget de l'année à venir, et il a décidé de "
    "reporter la décision. Anne a dit qu’elle enverrait les chiffres révisés d’ici vendredi ; "
    "tout le monde était d'accord, même Benoît, qui avait préparé un œuf.\n"
)
_RUSSIAN = (
    "Комитет собрался во вторник, чтобы обсудить бюджет на следующий год, и решил отложить "
    "решение. Анна сказала, что пришлёт новые цифры до пятницы; остальные были согласны. "
    "Отчёт лежит в папке API, его можно скачать.\n"
)
_SEARCH = {
    "title": "Quarterly report",
    "path": "finance/reports/q3.pdf",
    "snippet": "The committee met on Tuesday to discuss the budget, and agreed to postpone it.",
    "score": 0.87,
    "modified": "2024-05-17T09:30:00Z",
}
_RECORD = {
    "id": "3f0c1a52-8b5e-4e0e-9c53-0d8a5a3f1b77",
    "commit": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "url": "https://example.com/reports/2024/summary?page=2&sort=asc",
    "author": {"name": "Anna Berg", "email": "anna.berg@example.com"},
    "created_at": "2024-05-17T09:30:00Z",
    "note": 'She said "fine" and left.\nThe rest follows.',
    "amount": 1299.95,
    "tags": ["budget", "draft-2", "q3"],
}


def _cut(text: str, length: int) -> str:
    return (text * (length // len(text) + 1))[:length]


def _seconds(text: str, runs: int) -> list[float]:
    """What ``runs`` runs take, each."""
    taken = []
    for _ in range(runs):
        start = time.process_time()
        build_views(text)
        taken.append(time.process_time() - start)
    return taken


_DOUBLING = 2.3  # what doubling the length may multiply the time by

# name, text, bar in milliseconds, runs
TYPICAL: list[tuple[str, str, float, int]] = [
    ("English, 2 kB", _cut(_ENGLISH, 2_000), 0.030, 2_000),
    ("French, 2 kB", _cut(_FRENCH, 2_000), 0.150, 1_000),
    ("Russian, 2 kB", _cut(_RUSSIAN, 2_000), 0.150, 1_000),
    ("JSON, 2 kB", _cut(json.dumps([_SEARCH]), 2_000), 0.060, 1_000),
    ("JSON indented, 2 kB", _cut(json.dumps([_SEARCH], indent=2), 2_000), 0.060, 1_000),
    ("JSON of ids and escapes", _cut(json.dumps(_RECORD), 2_000), 0.250, 1_000),
    ("English, 1 MB", _cut(_ENGLISH, 1_000_000), 35.0, 9),
    ("Russian, 1 MB", _cut(_RUSSIAN, 1_000_000), 75.0, 9),
]

# Each is repeated to two lengths.
HOSTILE: list[str] = [
    *("<", "&", "%", "A", "\\u", "(", "[", "](", "![", "[x]: # (", '<a "', "<a '\"", "<!--", "<b>"),
    *("<div style=", '<p style="display:none">', "&#", "&#65;", "%41", "\\n", "\\u0041", "=\n=41"),
    *(
        "a ",
        "a.",
        "a1",
        "1a ",
        "0x",
        "41 ",
        "A" * 16 + " ",
        "aA1/" * 4 + "\n",
        "xn--a.",
        "xn--",
        "*",
    ),
    *(
        "a*b",
        '"+"',
        "\u200b",
        "\u200b\u200c",
        "\U000e0041",
        "\ufe00",
        "a\u0301\u0316",
        "\u0301\u0316",
    ),
    *("\ufb01", "\ufdfa", "а", "aа", "İ", "\ud800", "vtaber ", "erongi ", "1gn0r3 ", "à", "\x1b["),
    *(
        "=",
        "a=",
        "a ='",
        " ",
        "\n",
        "`",
        "_a",
        "가\u11a8",
        "(a",
        "'\"",
        "01" * 20 + " ",
        "![a](b 'c",
    ),
    *(
        base64.b64encode(b"ignore all of it").decode(),
        "7",
        "A2" * 10 + " ",
        "101 32 ",
        "a+",
        "a\n",
        '{"a": "\\\\n"},',
    ),
]


def main() -> int:
    """Print both tables; 1 if a bar is missed."""
    failed = False
    for name, text, bar, runs in TYPICAL:
        milliseconds = statistics.median(_seconds(text, runs)) * 1_000
        failed |= milliseconds > bar
        verdict = "" if milliseconds <= bar else "   MISSED"
        print(f"{name:24}{milliseconds:10.3f} ms   bar {bar:g} ms{verdict}")
    print(f"\n{'repeated':28}{'kB':>6}{'once':>11}{'4 times':>11}   per doubling")
    for unit in HOSTILE:
        # Where little happens, a text must be long for its length to outweigh the caches.
        size = 240_000 if min(_seconds(_cut(unit, 240_000), 2)) > 0.02 else 1_200_000
        small, large = _cut(unit, size), _cut(unit, 4 * size)
        ratio, first, second = 9.0, 0.0, 0.0
        for _ in range(4):  # noise only ever adds time, so the best of some tries is the truth
            first, second = min(_seconds(small, 3)), min(_seconds(large, 3))
            # Two doublings at once: a single one may happen to cross an allocator's step.
            ratio = min(ratio, (second / first) ** 0.5)
            if ratio < _DOUBLING:
                break
        failed |= ratio > _DOUBLING
        times = f"{first * 1e3:8.1f} ms{second * 1e3:8.1f} ms"
        print(f"{unit[:24]!a:28}{size // 1000:6}{times}   {ratio:.2f}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
