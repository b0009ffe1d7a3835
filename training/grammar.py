"""A small template grammar: `{slot}` is replaced by a random production, recursively."""

# ruff: noqa: E501, SIM905 - pools of sentences read better unwrapped

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

_SLOT = re.compile(r"\{(\w+)\}")
_DEPTH = 8


def _number(rng: random.Random) -> str:
    return str(rng.choice((rng.randint(1, 30), rng.randint(31, 999), rng.randint(1000, 99999))))


def _identifier(rng: random.Random) -> str:
    return "".join(
        rng.choice("abcdefghijkmnpqrstuvwxyz0123456789") for _ in range(rng.randint(5, 10))
    )


def _iban(rng: random.Random) -> str:
    return f"{rng.choice(('DE', 'GB', 'FR', 'CH', 'NL'))}{rng.randint(10**14, 10**15 - 1)}"


COMPUTED = {"number": _number, "ident": _identifier, "iban": _iban}

WORDS: dict[str, Sequence[str]] = {
    "first": "Maria Tom Anna Priya Jonas Wei Fatima Carlos Elena Bob Alice Kenji Sofia Omar Lena "
    "Marcus Nadia Peter Ingrid Rahul Chloe Diego Yuki Paul Grace Hassan Emma Viktor".split(),
    "last": "Miller Chen Okafor Schmidt Rossi Patel Garcia Novak Larsen Kim Dubois Haddad Silva "
    "Brown Ivanov Meyer Tanaka Jones Kowalski Berg Costa Singh Walker Moreau".split(),
    "person": ("{first} {last}", "{first}", "{first} {last}"),
    "domain": (
        "{word}{word2}.com",
        "{word}-{word2}.net",
        "{word}.io",
        "mail.{word}.org",
        "{word2}.co",
        "{word}{number}.info",
        "secure-{word}.com",
        "{word}.example",
        "my{word2}.app",
    ),
    "word": "north blue fast green cloud data nova delta pixel river stone bright alpha orbit maple "
    "swift prime lumen vertex harbor cedar ember atlas quartz".split(),
    "word2": "works hub labs tech mail shop bank media desk flow soft store point line group net "
    "health travel pay docs news".split(),
    "email": (
        "{word}.{word2}@{domain}",
        "{first}@{domain}",
        "{first}.{last}@{domain}",
        "{word}{number}@{domain}",
    ),
    "url": (
        "https://{domain}/{word}",
        "http://{domain}",
        "www.{domain}",
        "https://{domain}/{ident}",
        "{domain}/{word}?id={number}",
        "https://{word}.{domain}/{word2}/{ident}",
    ),
    "phone": ("+1-202-{number}-{number}", "+44 20 {number} {number}", "555-{number}"),
    "money": ("${number}", "{number} USD", "EUR {number}", "£{number}", "{number}.50 dollars"),
    "date": (
        "2024-0{d}-1{d}",
        "May {d}{d}",
        "{d} March 2025",
        "next {weekday}",
        "{weekday}",
        "tomorrow",
        "2023-1{b}-2{d}",
    ),
    "d": "1 2 3 4 5 6 7 8 9".split(),
    "b": "0 1 2".split(),
    "weekday": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "time": ("{d}:30", "1{b}:00", "{d} pm", "0{d}:15", "1{b}:45"),
    "city": "Berlin Paris Lisbon Oslo Tokyo Chicago Toronto Madrid Nairobi Sydney Lima Seoul".split(),
    "file": (
        "{word}.pdf",
        "report_{number}.docx",
        "{word}-{word2}.xlsx",
        "/etc/{word}.conf",
        "notes.txt",
        "~/.ssh/id_rsa",
        "budget_{number}.csv",
        "{word}.py",
        "secrets.env",
        "client-list.csv",
        "/home/{first}/{word}.md",
        "config.yaml",
    ),
    "topic": (
        "climate change",
        "the stock market",
        "machine learning",
        "the French Revolution",
        "black holes",
        "vegan cooking",
        "electric cars",
        "sleep hygiene",
        "the Roman Empire",
        "photosynthesis",
        "football tactics",
        "travelling alone",
        "renewable energy",
        "ancient Greece",
        "cloud computing",
        "jazz music",
        "healthy breakfasts",
        "space travel",
        "time management",
        "the water cycle",
    ),
    "product": (
        "the {word} phone",
        "{word} vitamins",
        "the {word}{word2} app",
        "{word} headphones",
        "a {word} card",
        "{word} insurance",
        "the {word} laptop",
        "{word} energy drink",
        "{word} coin",
        "the {word} hotel",
    ),
}


def expand(
    template: str, rng: random.Random, extra: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Expand every slot of a template. Unknown slots stay as they are (code has braces too)."""
    text = template
    for _ in range(_DEPTH):
        changed = False

        def fill(match: re.Match[str]) -> str:
            nonlocal changed
            name = match.group(1)
            if name in COMPUTED:
                changed = True
                return COMPUTED[name](rng)
            options = (extra or {}).get(name) or WORDS.get(name)
            if options is None:
                return match.group(0)
            changed = True
            return rng.choice(options)

        text = _SLOT.sub(fill, text)
        if not changed:
            break
    return text
