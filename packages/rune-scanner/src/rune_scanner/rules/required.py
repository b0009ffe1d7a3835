r"""What every match of a pattern must hold: strings, digits, long words. Prefilters look for it.

A string may begin or end with :data:`EDGE`, which says that no ASCII letter or digit stands
beside it there in any match: ``\bact as`` needs the word ``act``, not ``factor``.
"""

from __future__ import annotations

from re import _constants as op  # type: ignore[attr-defined]
from typing import Any, Final, NamedTuple

from rune_scanner.rules.charset import DIGITS, NON_ASCII, charset

MAX_SET: Final = 64
"""Strings an exact set may hold while it is put together."""
_MAX_KEYWORDS: Final = 256
_ENOUGH: Final = 8
_SPACES: Final = frozenset((*range(0x21), 0x7F, NON_ASCII))
_RARE: Final = frozenset("@$<>{}|\\^`~%=#")
_ALNUM: Final = frozenset(i for i in range(NON_ASCII) if chr(i).isalnum())
_SIGNS: Final = frozenset(range(0x21, 0x7F)) - _ALNUM
_AT_EDGES: Final = frozenset(
    (op.AT_BOUNDARY, op.AT_BEGINNING, op.AT_BEGINNING_LINE, op.AT_END, op.AT_END_LINE)
)

EDGE: Final = "\uffff"
"""Where a letter or digit of a keyword has none beside it. A noncharacter, so no text has it."""

Keywords = frozenset[str]


def min_digits(tree: Any) -> int:
    """Digits that every match of ``tree`` holds at the least."""
    count = 0
    for code, value in tree:
        chars = charset(code, value)
        if chars is not None:
            count += chars <= DIGITS
        elif code is op.SUBPATTERN:
            count += min_digits(value[3])
        elif code is op.BRANCH:
            count += min(min_digits(branch) for branch in value[1])
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            count += value[0] * min_digits(value[2])
    return count


def signs(tree: Any) -> dict[str, int]:
    """How often every match of ``tree`` holds each sign at the least: ``:``, ``/`` and the like."""
    counts: dict[str, int] = {}
    for code, value in tree:
        found: dict[str, int] = {}
        if code is op.LITERAL and value in _SIGNS:
            found = {chr(value): 1}
        elif code is op.SUBPATTERN:
            found = signs(value[3])
        elif code is op.BRANCH:
            first, *others = map(signs, value[1])
            found = {
                sign: least
                for sign, count in first.items()
                if (least := min([count, *(other.get(sign, 0) for other in others)]))
            }
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT) and value[0]:
            found = {sign: value[0] * count for sign, count in signs(value[2]).items()}
        for sign, count in found.items():
            counts[sign] = counts.get(sign, 0) + count
    return counts


def holds_beyond_ascii(tree: Any) -> bool:
    """Whether every match of ``tree`` holds a character outside ASCII."""
    for code, value in tree:
        chars = charset(code, value)
        if chars is not None:
            held = chars == {NON_ASCII}
        elif code is op.SUBPATTERN:
            held = holds_beyond_ascii(value[3])
        elif code is op.BRANCH:
            held = all(map(holds_beyond_ascii, value[1]))
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            held = value[0] > 0 and holds_beyond_ascii(value[2])
        else:
            held = False
        if held:
            return True
    return False


class _Run(NamedTuple):
    """Guaranteed characters without white space: in all (None: not all), at the ends, anywhere."""

    whole: int | None
    head: int
    tail: int
    best: int


def min_run(tree: Any) -> int:
    """Characters without white space that every match holds in a row at the least."""
    return _run(tree).best


def _run(tree: Any) -> _Run:
    total = _Run(0, 0, 0, 0)
    for code, value in tree:
        total = _follow(total, _run_of(code, value))
    return total


def _follow(left: _Run, right: _Run) -> _Run:
    whole = None if left.whole is None or right.whole is None else left.whole + right.whole
    head = left.head if left.whole is None else left.whole + right.head
    tail = right.tail if right.whole is None else right.whole + left.tail
    return _Run(whole, head, tail, max(left.best, right.best, left.tail + right.head))


def _run_of(code: Any, value: Any) -> _Run:
    chars = charset(code, value)
    if chars is not None:
        # Characters beyond ASCII may be white space too.
        return _Run(1, 1, 1, 1) if chars.isdisjoint(_SPACES) else _Run(None, 0, 0, 0)
    if code is op.AT:
        return _Run(0, 0, 0, 0)
    if code is op.SUBPATTERN:
        return _run(value[3])
    if code is op.BRANCH:
        runs = [_run(branch) for branch in value[1]]
        wholes = [run.whole for run in runs if run.whole is not None]
        return _Run(
            min(wholes) if len(wholes) == len(runs) else None,
            *(min(column) for column in list(zip(*runs, strict=True))[1:]),
        )
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        low, _, body = value
        run = _run(body)
        if run.whole is not None:
            length = low * run.whole
            return _Run(length, length, length, length)
        # When it may be left out, only what stands around it in both cases is sure: nothing.
        return _Run(None, run.head, run.tail, run.best) if low else _Run(None, 0, 0, 0)
    return _Run(None, 0, 0, 0)


def keyword_sets(tree: Any) -> tuple[Keywords, ...]:
    """Sets of strings, edges marked; every match holds at least one string of each set.

    The most selective set comes first. Empty when the pattern has no literals worth looking for.
    """
    exact, needs = literals(tree)
    usable = {_tidy(keywords) for keywords in (exact, *needs) if keywords and _usable(keywords)}
    return tuple(
        sorted((k for k in usable if k), key=lambda k: (_selectivity(k), sorted(k)), reverse=True)
    )


def literals(tree: Any) -> tuple[Keywords | None, tuple[Keywords, ...]]:
    """``(exact, needs)``: all strings ``tree`` can match, if few, and what each match must hold."""
    run: Keywords = frozenset(("",))
    needs: list[Keywords] = []
    whole = True
    for code, value in tree:
        exact, inner = literals_of(code, value)
        if exact is None and _sets_apart(code, value):
            # What stands before it ends a word, what follows begins one.
            needs += (k for k in (frozenset(text + EDGE for text in run),) if _usable(k))
            needs += (keywords for keywords in inner if _usable(keywords))
            run = frozenset((EDGE,))
            whole = False
            continue
        if exact is not None and len(run) * len(exact) <= MAX_SET:
            run = frozenset(left + right for left in run for right in exact)
            continue
        whole = False
        needs += (keywords for keywords in (run, *inner) if _usable(keywords))
        run = exact if exact is not None else frozenset(("",))
    if whole:
        return run, ()
    needs += (keywords for keywords in (run,) if _usable(keywords))
    return None, tuple(needs)


def literals_of(code: Any, value: Any) -> tuple[Keywords | None, tuple[Keywords, ...]]:
    """:func:`literals` of one node."""
    if code is op.LITERAL:
        return (None if chr(value) == EDGE else frozenset((chr(value),))), ()
    if code is op.AT:
        return frozenset((EDGE if value in _AT_EDGES else "",)), ()
    if code is op.IN:
        if all(k is op.LITERAL and chr(i) != EDGE for k, i in value) and len(value) <= 8:
            return frozenset(chr(item) for _, item in value), ()
        return None, ()
    if code is op.SUBPATTERN:
        return literals(value[3])
    if code is op.BRANCH:
        return _literals_of_branches(value[1])
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        low, high, body = value
        exact, needs = literals(body)
        if low == 0:
            return (exact | {""} if exact is not None and high == 1 else None), ()
        if low == high == 1:
            return exact, needs
        if exact is not None and len(exact) == 1 and low == high <= 16:
            return frozenset(text * low for text in exact), ()
        return None, (exact, *needs) if _usable(exact) and exact is not None else needs
    return None, ()


def _literals_of_branches(branches: Any) -> tuple[Keywords | None, tuple[Keywords, ...]]:
    parts = [literals(branch) for branch in branches]
    exacts = [exact for exact, _ in parts if exact is not None]
    if len(exacts) == len(parts):
        union = frozenset().union(*exacts)
        if len(union) <= MAX_SET:
            return union, ()
    # One string of the best set of each branch: whichever branch matches, one of them is there.
    best: list[Keywords] = []
    for exact, needs in parts:
        usable = [keywords for keywords in (exact, *needs) if keywords and _usable(keywords)]
        if not usable:
            return None, ()
        best.append(max(usable, key=_selectivity))
    merged: Keywords = frozenset().union(*best)
    return None, (merged,) if _usable(merged) else ()


def _usable(keywords: Keywords | None) -> bool:
    """Whether looking for these strings rules many texts out."""
    return (
        bool(keywords)
        and keywords is not None
        and len(keywords) <= _MAX_KEYWORDS
        and all(
            # One character is no keyword, unless it is one that prose hardly holds.
            len(keyword) > 1 or keyword in _RARE or (keyword != "" and not keyword.isascii())
            for keyword in map(plain, keywords)
        )
    )


def _selectivity(keywords: Keywords) -> float:
    """Higher for sets that fewer texts meet; a letter more makes a word about half as common."""
    return -sum(
        0.5 ** (len(keyword) if keyword.isascii() else _ENOUGH)
        for keyword in set(map(plain, keywords))
    )


def plain(keyword: str) -> str:
    """``keyword`` without its marks."""
    return keyword.replace(EDGE, "")


def _tidy(keywords: Keywords) -> Keywords:
    """``keywords`` with marks only where a letter or digit stands at an end."""
    return frozenset(map(_tidied, keywords))


def _tidied(keyword: str) -> str:
    bare = plain(keyword)
    before = EDGE if keyword[:1] == EDGE and bare[0].isascii() and bare[0].isalnum() else ""
    behind = EDGE if keyword[-1:] == EDGE and bare[-1].isascii() and bare[-1].isalnum() else ""
    return before + bare + behind


def _sets_apart(code: Any, value: Any) -> bool:
    """Whether a node always matches something, and never a letter or digit of ASCII."""
    chars = charset(code, value)
    if chars is not None:
        return chars.isdisjoint(_ALNUM)
    if code is op.SUBPATTERN:
        return _all_apart(value[3])
    if code is op.BRANCH:
        return all(map(_all_apart, value[1]))
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        return value[0] > 0 and _all_apart(value[2])
    return False


def _all_apart(tree: Any) -> bool:
    return len(tree) > 0 and all(_sets_apart(code, value) for code, value in tree)
