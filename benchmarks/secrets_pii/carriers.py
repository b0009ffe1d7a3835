"""Texts that values are placed in: configuration, logs, data, code, prose."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import NamedTuple


class Placed(NamedTuple):
    """A text and where in it the value stands, ``[start, end)`` in characters."""

    text: str
    start: int
    end: int


Carrier = Callable[[Random, str, str], Placed]


def place(before: str, value: str, after: str) -> Placed:
    """``value`` between two texts."""
    return Placed(before + value + after, len(before), len(before) + len(value))


def _json(random: Random, field: str, value: str) -> Placed:
    inner = json.dumps(value, ensure_ascii=False)[1:-1]
    head = f'{{"id": {random.randint(1, 999)}, "status": "active", "{field}": "'
    return place(head, inner, '", "region": "eu-west-1", "tags": ["blue", "green"]}')


def _pretty_json(random: Random, field: str, value: str) -> Placed:
    inner = json.dumps(value, ensure_ascii=False)[1:-1]
    head = f'{{\n  "user": {{\n    "plan": "pro",\n    "{field}": "'
    return place(head, inner, f'"\n  }},\n  "retries": {random.randint(1, 9)}\n}}\n')


def _env(random: Random, field: str, value: str) -> Placed:
    name = field.upper().replace(" ", "_").replace("-", "_")
    return place(
        f"# {random.choice(('staging', 'local'))}\nLOG_LEVEL=info\n{name}=", value, "\nPORT=8080\n"
    )


def _yaml(random: Random, field: str, value: str) -> Placed:
    quote = random.choice(("", '"', "'"))
    if "\n" in value:
        indented = value.replace("\n", "\n    ")
        return place(f"app:\n  {field}: |\n    ", indented, "\n  replicas: 2\n")
    return place(f"app:\n  name: shop\n  {field}: {quote}", value, f"{quote}\n  replicas: 2\n")


def _log(random: Random, field: str, value: str) -> Placed:
    time = f"2026-03-{random.randint(10, 28)}T08:{random.randint(10, 59)}:02Z"
    head = f"{time} INFO worker[{random.randint(2, 40)}] loaded {field}="
    return place(head, value, " in 12ms\n")


def _prose(random: Random, field: str, value: str) -> Placed:
    head = random.choice(
        (
            f"Hi Sam,\n\nas promised, here is the {field}: ",
            f"Please note that the {field} is ",
            f"We changed it yesterday. The new {field} is: ",
        )
    )
    return place(
        head, value, random.choice((" - let me know when it works.", "\n\nBest, Kim", "\n"))
    )


def _csv(random: Random, field: str, value: str) -> Placed:
    row = f"{random.randint(1, 99)},blue,"
    return place(f"row,colour,{field},note\n{row}", value, ",first batch\n7,red,,none\n")


def _url(random: Random, field: str, value: str) -> Placed:
    name = field.replace(" ", "_")
    return place(
        f"GET https://api.acme.dev/v{random.randint(1, 3)}/items?{name}=", value, "&page=2\n"
    )


def _python(random: Random, field: str, value: str) -> Placed:
    name = field.lower().replace(" ", "_").replace("-", "_")
    quotes = '"""' if "\n" in value else '"'
    head = f"import requests\n\n{name} = {quotes}"
    return place(
        head, value, f"{quotes}\nclient = make_client({name}, timeout={random.randint(5, 30)})\n"
    )


def _shell(random: Random, field: str, value: str) -> Placed:
    name = field.upper().replace(" ", "_").replace("-", "_")
    quote = '"' if "'" in value or random.random() < 0.5 else "'"
    return place(f"$ export {name}={quote}", value, f"{quote}\n$ ./deploy.sh --yes\n")


def _table(random: Random, field: str, value: str) -> Placed:
    return place(
        f"| name | {field} | seats |\n|---|---|---|\n| blue | ",
        value,
        f" | {random.randint(2, 40)} |\n",
    )


def _escaped(random: Random, field: str, value: str) -> Placed:
    inner = json.dumps(json.dumps(value, ensure_ascii=False)[1:-1], ensure_ascii=False)[1:-1]
    head = f'{{"role": "tool", "n": {random.randint(1, 9)}, "content": "done\\n{{\\"{field}\\": \\"'
    return place(head, inner, '\\"}\\n"}')


def _html(random: Random, field: str, value: str) -> Placed:
    return place(
        f"<tr><th>{field}</th></tr><tr><td>", value, f"</td><td>{random.randint(2, 40)}</td></tr>"
    )


NAMED: tuple[Carrier, ...] = (
    _json, _pretty_json, _env, _yaml, _log, _prose, _csv,
    _url, _python, _shell, _table, _escaped, _html,
)  # fmt: skip
"""Carriers that give the value's name beside it."""

BY_ASSIGNMENT: tuple[Carrier, ...] = (
    _json, _pretty_json, _env, _yaml, _log, _prose, _url, _python, _shell, _escaped,
)  # fmt: skip
"""Those of them that set a value directly after its name."""

ONE_LINE: frozenset[Carrier] = frozenset((_env, _log, _csv, _url, _shell, _table, _prose, _html))


def carriers_for(value: str, *, assigned: bool) -> tuple[Carrier, ...]:
    """The carriers that people would put ``value`` in.

    Args:
        value: The value.
        assigned: Only carriers with the name directly before the value.
    """
    carriers = BY_ASSIGNMENT if assigned else NAMED
    if "\n" in value:
        carriers = tuple(carrier for carrier in carriers if carrier not in ONE_LINE)
    if any(char in value for char in " &?#%+/<>${}!*[]\n'\"@"):
        carriers = tuple(carrier for carrier in carriers if carrier is not _url)
    if any(char in value for char in "<>|&"):
        carriers = tuple(carrier for carrier in carriers if carrier not in (_html, _table))
    if "," in value:
        carriers = tuple(carrier for carrier in carriers if carrier is not _csv)
    return carriers
