"""Compare two texts of a policy: by line for the eye, by rule for the meaning."""

from __future__ import annotations

from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from rune_core.errors import PolicyLoadError
from rune_core.policy.load import load_text
from rune_server.policies.model import Diff, DiffLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.policy.model import Rule

_AROUND = 3
_MAX_LINES = 20_000
"""Beyond this a line-by-line comparison takes too long: the texts are shown as replaced."""


def compare(before: str, after: str, *, numbers: tuple[int, int]) -> Diff:
    """Compare two texts.

    Args:
        before: The older text; empty for none.
        after: The newer text.
        numbers: Their revisions.
    """
    old_rules, new_rules = _rules(before), _rules(after)
    lines, gaps = _lines(before.splitlines(), after.splitlines())
    return Diff(
        before=numbers[0],
        after=numbers[1],
        lines=lines,
        gaps=gaps,
        rules_added=tuple(name for name in new_rules if name not in old_rules),
        rules_removed=tuple(name for name in old_rules if name not in new_rules),
        rules_changed=tuple(
            name
            for name, rule in new_rules.items()
            if name in old_rules and not _same(rule, old_rules[name])
        ),
    )


def _rules(text: str) -> dict[str, Rule]:
    if not text:
        return {}
    try:
        return {rule.name: rule for rule in load_text(text).rules}
    except PolicyLoadError:  # taken by an older loader; its lines can still be compared
        return {}


def _same(one: Rule, other: Rule) -> bool:
    """Whether two rules say the same, wherever they stand."""
    first, second = (replace(rule, line=0, path="", policy="") for rule in (one, other))
    # Conditions have no equality of their own; their source is what they are.
    return _spelled(first) == _spelled(second)


def _spelled(value: object) -> object:
    source = getattr(value, "source", None)
    if isinstance(source, str):
        return source
    if isinstance(value, tuple):
        return tuple(_spelled(item) for item in value)
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is None:
        return value
    return (type(value).__name__, *(_spelled(getattr(value, name)) for name in fields))


def _lines(old: list[str], new: list[str]) -> tuple[tuple[DiffLine, ...], tuple[int, ...]]:
    if len(old) + len(new) > _MAX_LINES:
        return tuple(_replaced(old, new, 0, 0)), ()
    found: list[DiffLine] = []
    gaps: list[int] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    end = 0
    for group in matcher.get_grouped_opcodes(_AROUND):
        if group[0][1] > end:
            gaps.append(len(found))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += (
                    DiffLine(" ", i1 + n + 1, j1 + n + 1, old[i1 + n]) for n in range(i2 - i1)
                )
            else:
                found += _replaced(old[i1:i2], new[j1:j2], i1, j1)
        end = group[-1][2]
    if found and end < len(old):
        gaps.append(len(found))
    return tuple(found), tuple(gaps)


def _replaced(old: list[str], new: list[str], i: int, j: int) -> Iterator[DiffLine]:
    for number, text in enumerate(old, i + 1):
        yield DiffLine("-", number, None, text)
    for number, text in enumerate(new, j + 1):
        yield DiffLine("+", None, number, text)
