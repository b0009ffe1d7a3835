r"""Partial matches: could the end of a text be the beginning of a match?

A stream may release what no match can reach into any more. For every rule a second pattern is made
here that matches from where a match could begin up to the end of the text:

    ab{2,9}c   becomes   (?:\z|a(?:b*\z|b{2,}(?:\z|c\z)))     (roughly)

Upper bounds are dropped to keep the patterns small and quick. Where that lets a match reach back
far, the one place is looked at again with all bounds. So what is found may be too much, never too
little.
"""

from __future__ import annotations

import re
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, Final

from rune_scanner.rules.patterns import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_scanner import Rule

_MEMORY: Final = 64 << 20
_REACHES: Final = (64, 128, 256, 1024, 1 << 30)
_COUNTED: Final = 3
_NEAR_ENOUGH: Final = 40
_FAR: Final = 1024
_ATTEMPTS: Final = 12
_MANY: Final = 16
_SPACE: Final = r" \x09-\x0d"
_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: "0-9",
    op.CATEGORY_SPACE: _SPACE,
    op.CATEGORY_WORD: "0-9A-Za-z_",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_NOT_WORD: r"\W",
}
_PLACES: Final = {
    op.AT_BEGINNING: "(?m:^)",
    op.AT_END: "(?m:$)",
    op.AT_BOUNDARY: r"\b",
    op.AT_NON_BOUNDARY: r"\B",
}


class PartialMatcher:
    """Finds where the earliest match begins that the end of a text has not finished.

    Args:
        rules: The rules, all of one form.
        engine: ``re2`` or ``re``.
    """

    def __init__(self, rules: Iterable[Rule], engine: str) -> None:
        self._relaxed = engine == "re2"
        grouped: dict[int, list[Rule]] = {}
        for rule in rules:
            span = rule.max_span + _around(rule) + 2
            reach = next(reach for reach in _REACHES if span <= reach)
            grouped.setdefault(reach, []).append(rule)
        # Rules of about the same reach are searched for together, as far back as they reach.
        self._groups = [
            (reach, self._compiled(group), group) for reach, group in sorted(grouped.items())
        ]
        self._exact: dict[int, Any] = {}

    def start(self, text: str) -> int:
        """Where the earliest unfinished match may begin; the length of ``text`` if nowhere."""
        start = end = len(text)
        for reach, pattern, rules in self._groups:
            at = max(0, end - reach)
            for attempt in range(_ATTEMPTS):
                match = pattern.search(text, at)
                if match is None or match.start() >= start:
                    break
                at = match.start()
                if (
                    end - at <= _NEAR_ENOUGH
                    or end - at > _FAR
                    or attempt + 1 == _ATTEMPTS
                    or self._begins(reach, rules, text, at)
                ):
                    start = at
                    break
                at += 1
        return start

    def _begins(self, reach: int, rules: list[Rule], text: str, at: int) -> bool:
        """Whether a match may really begin there, all bounds of the patterns kept."""
        if not self._relaxed:
            return True
        exact = self._exact.get(reach)
        if exact is None:
            writer = _Writer(end=r"\Z", relax=False)
            exact = re.compile("|".join(f"(?:{writer.partial_rule(r)})" for r in rules), re.ASCII)
            self._exact[reach] = exact
        match = exact.match(text, at)
        return match is not None and match.end() > at

    def _compiled(self, rules: list[Rule]) -> Any:
        writer = _Writer(end=r"\z" if self._relaxed else r"\Z", relax=self._relaxed)
        source = "|".join(f"(?:{writer.partial_rule(rule)})" for rule in rules)
        if not self._relaxed:
            return re.compile(source, re.ASCII)
        import re2

        return re2.compile(source, options=_options())


def _options() -> Any:
    import re2

    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options


def _around(rule: Rule) -> int:
    """Characters after a match that its rule looks at before it lets the match stand."""
    return rule.near_chars if rule.near or rule.unless_near else 0


class _Writer:
    """Writes patterns of the rules' dialect, whole and partial, from their parse trees."""

    def __init__(self, *, end: str, relax: bool) -> None:
        self._end = end
        self._relax = relax

    def partial_rule(self, rule: Rule) -> str:
        tree = list(parser.parse(rule.compiled_source, FLAGS))
        after = _around(rule)
        if after:
            # Complete, but not judged before what stands around it is known.
            tree += list(parser.parse(rf"(?:.|\n){{{after}}}.", FLAGS))
        return self._partial(tree)

    def _partial(self, items: list[Any]) -> str:
        """A pattern for every beginning of ``items`` that ends where the text ends."""
        written = ""
        for item in reversed(items):
            begun = self._begun(item)
            written = f"(?:{begun}|{self._whole(item)}{written})" if written else begun
        return written or self._end

    def _begun(self, item: Any) -> str:
        """A pattern for ``item`` begun but, where it has an end, not ended."""
        code, value = item
        if code is op.SUBPATTERN:
            return self._partial(list(value[3]))
        if code is op.BRANCH:
            branches = "|".join(self._partial(list(branch)) for branch in value[1])
            return f"(?:{branches})"
        if code in (op.MAX_REPEAT, op.MIN_REPEAT):
            _, high, body = value
            times = "*" if self._relax and high > _COUNTED else f"{{0,{max(high - 1, 0)}}}"
            whole = self._sequence(list(body))
            if len(body) == 1 and _charlike(body[0][0]):
                return f"{whole}{times}{self._end}"
            return f"(?:{whole}){times}{self._partial(list(body))}"
        return self._end

    def _sequence(self, items: list[Any]) -> str:
        return "".join(self._whole(item) for item in items)

    def _whole(self, item: Any) -> str:
        code, value = item
        if code is op.SUBPATTERN:
            return f"(?:{self._sequence(list(value[3]))})"
        if code is op.BRANCH:
            return f"(?:{'|'.join(self._sequence(list(branch)) for branch in value[1])})"
        if code in (op.MAX_REPEAT, op.MIN_REPEAT):
            low, high, body = value
            return f"(?:{self._sequence(list(body))}){self._times(low, high)}"
        if code is op.AT:
            return _PLACES[value]
        return _characters(code, value)

    def _times(self, low: int, high: int) -> str:
        if not self._relax or high <= _COUNTED:
            return f"{{{low},{high}}}"
        return f"{{{min(low, _MANY)},}}"


def _charlike(code: Any) -> bool:
    return code in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)


def _characters(code: Any, value: Any) -> str:
    if code is op.LITERAL:
        return _character(value)
    if code is op.NOT_LITERAL:
        return f"[^{_character(value)}]"
    if code is op.ANY:
        return r"[^\n]"
    if code is not op.IN:
        raise ValueError(f"the dialect of rules has no {code}")
    if value == [(op.CATEGORY, op.CATEGORY_NOT_SPACE)]:
        return f"[^{_SPACE}]"
    parts: list[str] = []
    for kind, item in value:
        if kind is op.NEGATE:
            parts.append("^")
        elif kind is op.LITERAL:
            parts.append(_character(item))
        elif kind is op.RANGE:
            parts.append(f"{_character(item[0])}-{_character(item[1])}")
        else:
            parts.append(_CATEGORIES[item])
    return f"[{''.join(parts)}]"


def _character(point: int) -> str:
    char = chr(point)
    if char.isascii() and not char.isalnum():
        return f"\\x{point:02x}"
    return char
