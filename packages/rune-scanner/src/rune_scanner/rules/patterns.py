r"""The pattern dialect: the subset of regular expressions that RE2 and ``re`` read alike.

Both engines compile with the same meaning: ASCII classes (``\w``, ``\d``, ``\s``, ``\b``),
line anchors (``^`` and ``$`` at every line), case-sensitive, ``.`` without newline. What the
engines read differently, or what could cost more than linear time, is refused:
look-around, back-references, inline flags, unbounded repeats, possessive and atomic groups.

A group named ``value`` narrows the finding to that group; the rest is context.

In patterns of folded rules a space stands for one to eight characters of white space or
of the decoration that Markdown and quoting put between words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, Final

from rune_scanner.rules import required
from rune_scanner.rules.charset import EVERY_CHAR, charset

if TYPE_CHECKING:
    from collections.abc import Iterator

BETWEEN_WORDS: Final = r"(?:[\s*_~>#|]{1,8})"
"""What a space in a folded pattern stands for."""

_COUNTED: Final = re.compile(r"\{(\d+),(\d+)\}")
_PIECE: Final = re.compile(r"\\.?|\{\d+,\d+\}|\[\^?\]|.", re.DOTALL)
_CLASS_PIECE: Final = re.compile(r"\\.?|.", re.DOTALL)
_FEW: Final = 2
_MANY: Final = 16

FLAGS: Final = re.MULTILINE | re.ASCII

MAX_WIDTH: Final = 8_192
MAX_PATHS: Final = 1_000_000
_MAX_REPEATS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What a pattern's shape says about it.

    Attributes:
        min_width: Characters the shortest match has.
        max_width: Characters the longest match has.
        keywords: Strings of which at least one stands in every match; empty when the pattern
            has none worth looking for.
        paths: Upper bound on the ways a backtracking engine can try one start position.
        problems: What the dialect refuses, as sentences; empty for a sound pattern.
        min_digits: ASCII digits that every match holds at the least.
        min_run: Characters without white space in a row that every match holds at the least.
        needs: Sets of strings, rarest first, of each of which at least one stands in every match,
            with :data:`~rune_scanner.rules.required.EDGE` where no letter or digit stands beside
            it. ``keywords`` are those of the first set, without marks.
        beyond_ascii: Whether every match holds a character outside ASCII.
        signs: Signs that every match holds, such as ``:``, and how many at the least. Empty for
            patterns with keywords, which say more.
    """

    min_width: int
    max_width: int
    keywords: tuple[str, ...]
    paths: int
    problems: tuple[str, ...]
    min_digits: int = 0
    min_run: int = 0
    needs: tuple[tuple[str, ...], ...] = ()
    beyond_ascii: bool = False
    signs: tuple[tuple[str, int], ...] = ()


def expand_spaces(pattern: str) -> str:
    """Replace every space outside a character class or an escape by :data:`BETWEEN_WORDS`."""
    return "".join(
        BETWEEN_WORDS if piece == " " and not in_class else piece
        for piece, in_class in _pieces(pattern)
    )


def to_re2(pattern: str) -> str:
    r"""``pattern`` with ``\s`` widened by the vertical tab, which RE2's ``\s`` lacks."""
    out: list[str] = []
    for piece, in_class in _pieces(pattern):
        if piece == r"\s":
            out.append(r"\s\x0b" if in_class else r"[\s\x0b]")
        elif piece == r"\S":
            out.append(r"[^\s\x0b]")
        elif piece in ("[]", "[^]"):
            out.append(piece[:-1] + r"\]")
        else:
            out.append(piece)
    return "".join(out)


def relax(pattern: str) -> str:
    """A pattern that matches wherever ``pattern`` does, and is far smaller when compiled.

    Upper bounds of repeats are dropped and large lower bounds lowered. Good for asking
    whether a text is worth a closer look, not for finding spans.
    """
    out: list[str] = []
    for piece, in_class in _pieces(pattern):
        counted = None if in_class else _COUNTED.fullmatch(piece)
        if counted is None:
            out.append(piece)
            continue
        low, high = int(counted[1]), int(counted[2])
        if high - low <= _FEW:
            out.append(piece)
        elif low == 0:
            out.append("*")
        elif low == 1:
            out.append("+")
        else:
            out.append(f"{{{min(low, _MANY)},}}")
    return "".join(out)


def _pieces(pattern: str) -> Iterator[tuple[str, bool]]:
    """``pattern`` cut into pieces, each with whether it stands inside a character class.

    A piece is an escape, a counted repeat, the opening of a class together with a ``]`` that
    comes first in it and so is a member, or any other single character.
    """
    in_class = False
    position = 0
    while position < len(pattern):
        found = (_CLASS_PIECE if in_class else _PIECE).match(pattern, position)
        assert found is not None
        piece = found[0]
        yield piece, in_class
        in_class = piece != "]" if in_class else piece.startswith("[")
        position = found.end()


def analyse(pattern: str, *, lint: bool = True) -> Facts:
    """Read off ``pattern`` what matching, linting and the stream gate need.

    Args:
        pattern: A pattern with its spaces already expanded.
        lint: Look for problems too. Left out where a pattern is known to be sound: counting
            paths takes most of the time.
    """
    try:
        tree = parser.parse(pattern, FLAGS)
    except re.error as error:
        return Facts(0, 0, (), 0, (f"is not a regular expression: {error}",))
    if tree.state.flags & ~FLAGS or _has_flags(tree):
        return Facts(0, 0, (), 0, ("has inline flags, which the two engines read differently",))
    problems: list[str] = []
    if not lint:
        return _facts(tree, 0, ())
    if re.search(r"(?<!\\)\[[^\]]*\\S", pattern):
        problems.append(r"has \S inside a class, which the two engines read differently")
    _check(tree, problems)
    low, high = tree.getwidth()
    if not low:
        problems.append("can match nothing at all; give it at least one required character")
    unbounded = any("unbounded" in problem for problem in problems)
    if not unbounded and high > MAX_WIDTH:
        problems.append(f"can match {high} characters; {MAX_WIDTH} is the most a stream may hold")
    # Nothing follows the pattern, so a repeat at its end is never tried a second time.
    paths = 0 if unbounded else _paths(tree, frozenset())
    if paths > MAX_PATHS:
        problems.append(
            f"lets a backtracking engine try {paths:.0e} ways at one place; "
            "tighten repeats whose neighbours match the same characters"
        )
    return _facts(tree, paths, tuple(problems))


def _facts(tree: Any, paths: int, problems: tuple[str, ...]) -> Facts:
    low, high = tree.getwidth()
    sets = required.keyword_sets(tree)
    return Facts(
        min_width=int(low),
        max_width=int(min(high, 2**31)),
        keywords=tuple(sorted(set(map(required.plain, sets[0])))) if sets else (),
        needs=tuple(tuple(sorted(keywords)) for keywords in sets),
        paths=paths,
        problems=problems,
        min_digits=required.min_digits(tree),
        min_run=required.min_run(tree),
        beyond_ascii=required.holds_beyond_ascii(tree),
        signs=() if sets else tuple(required.signs(tree).items()),
    )


def _has_flags(tree: Any) -> bool:
    """Whether a group of ``tree`` sets or clears flags for its own part."""
    for code, value in tree:
        if code is op.SUBPATTERN:
            if value[1] or value[2] or _has_flags(value[3]):
                return True
        elif code is op.BRANCH:
            if any(_has_flags(branch) for branch in value[1]):
                return True
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT) and _has_flags(value[2]):
            return True
    return False


def _check(tree: Any, problems: list[str], repeats: int = 1) -> None:
    """Add to ``problems`` what the dialect refuses; ``repeats`` is how often ``tree`` repeats."""
    for code, value in tree:
        if code in (op.ASSERT, op.ASSERT_NOT):
            problems.append("looks ahead or behind, which RE2 cannot do")
        elif code in (op.GROUPREF, op.GROUPREF_EXISTS):
            problems.append("refers back to a group, which RE2 cannot do")
        elif code is op.ATOMIC_GROUP or code is op.POSSESSIVE_REPEAT:
            problems.append("has an atomic group or possessive repeat, which RE2 cannot do")
        elif code is op.AT and value in (op.AT_END_STRING, op.AT_BEGINNING_STRING):
            problems.append(r"uses \A or \Z, which views make meaningless; use ^, $ or \b")
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            _, high, body = value
            if high is op.MAXREPEAT:
                problems.append("has an unbounded repeat (*, + or {n,}); write {0,40} or the like")
            elif high * repeats > _MAX_REPEATS:
                # RE2 multiplies the counts of nested repeats, but not by counts of one.
                problems.append(
                    f"repeats {high * repeats} times with its nesting; RE2 allows {_MAX_REPEATS}"
                )
            inner = 1 if high is op.MAXREPEAT else max(high, 1)
            _check(body, problems, repeats * inner)
        elif code is op.SUBPATTERN:
            _check(value[3], problems, repeats)
        elif code is op.BRANCH:
            for branch in value[1]:
                _check(branch, problems, repeats)


def _first(tree: Any, after: frozenset[int]) -> frozenset[int]:
    """The characters a match of ``tree`` followed by ``after`` can begin with."""
    begin: frozenset[int] = frozenset()
    for code, value in tree:
        chars = charset(code, value)
        if chars is not None:
            return begin | chars
        if code is op.AT:
            # At the end of the pattern an anchor still can fail and send a repeat back.
            after = after or EVERY_CHAR
            continue
        if code is op.SUBPATTERN:
            begin |= _first(value[3], frozenset())
            if value[3].getwidth()[0]:
                return begin
        elif code is op.BRANCH:
            for branch in value[1]:
                begin |= _first(branch, frozenset())
            if all(branch.getwidth()[0] for branch in value[1]):
                return begin
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            begin |= _first(value[2], frozenset())
            if value[0] and value[2].getwidth()[0]:
                return begin
        else:
            return EVERY_CHAR
    return begin | after


def _paths(tree: Any, after: frozenset[int]) -> int:
    """Upper bound on the ways to match ``tree`` at one place when ``after`` may follow."""
    total = 1
    items = list(tree)
    for index, (code, value) in enumerate(items):
        rest = _first(items[index + 1 :], after)
        if code is op.SUBPATTERN:
            total *= _paths(value[3], rest)
        elif code is op.BRANCH:
            total *= _branch_paths(value[1], rest)
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            low, high, body = value
            begin = _first(body, frozenset())
            # Only a choice between going on and stopping that the next character does not
            # settle can be tried twice.
            choices = 1 if not begin & rest else high - low + 1
            inner = _paths(body, begin | rest)
            if inner > 1:
                choices *= inner ** min(high, 24)
            total *= choices
        if total > MAX_PATHS * 1_000:
            return total
    return total


def _branch_paths(branches: Any, after: frozenset[int]) -> int:
    """Paths through the branches that can be taken at one and the same place."""
    exact, _ = required.literals_of(op.BRANCH, (None, branches))
    if exact is not None:
        # Fixed strings: only those that begin one another can match at one place.
        texts = set(map(required.plain, exact))
        return max(sum(longer.startswith(text) for text in texts) for longer in texts)
    begun = [(_first(branch, after), _paths(branch, after)) for branch in branches]
    return (
        max(
            sum(paths for begin, paths in begun if char in begin)
            for char in frozenset().union(*(begin for begin, _ in begun)) or {0}
        )
        or 1
    )
