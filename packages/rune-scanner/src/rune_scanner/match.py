"""The two engines that match rules: RE2's Set, and the standard library's ``re``.

Both give the same matches for every pattern of the dialect (:mod:`rune_scanner.rules.patterns`).
RE2 reads a text once for all rules. ``re`` looks for each rule's keywords first and runs the
pattern only around them.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from rune_scanner.errors import ScannerError
from rune_scanner.rules import patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rune_scanner.rules.schema import Rule

ENGINES: Final = ("re2", "re")
_SET_MEMORY: Final = 32 << 20
_GROUP_SIZE: Final = 40
_LONG_WORD: Final = 15
_LOOKAROUND: Final = 2
_GRAMS_PAY_UP_TO: Final = 50_000
_DIGIT: Final = re.compile(r"[0-9]")


class Match(NamedTuple):
    """One match of one rule in one text.

    Attributes:
        start, end: What the whole pattern matched, in characters.
        value_start, value_end: The ``value`` group, or the whole match without one.
    """

    start: int
    end: int
    value_start: int
    value_end: int


class Engine(Protocol):
    """Matches a fixed list of rules against one text at a time. Safe to share by threads."""

    name: str

    def candidates(self, text: str) -> Sequence[int]:
        """Indexes of rules that may match ``text``, ascending; those left out cannot."""
        ...

    def matches(self, index: int, text: str) -> Iterator[Match]:
        """Every match of rule ``index``, left to right, without overlaps."""
        ...


def default_engine() -> str:
    """``re2`` where google-re2 is installed, else ``re``."""
    return "re2" if find_spec("re2") else "re"


def compile_engine(rules: Sequence[Rule], engine: str | None = None) -> Engine:
    """Compile ``rules`` (all of one form) for matching.

    Args:
        rules: The rules; indexes in the engine's answers are indexes here.
        engine: ``re2``, ``re``, or None for the better one installed.

    Raises:
        ScannerError: The engine is unknown, or ``re2`` is asked for and not installed.
    """
    name = engine or default_engine()
    if name == "re":
        return StdlibEngine(rules)
    if name != "re2":
        raise ScannerError(f"engine {name!r} is unknown; one of {', '.join(ENGINES)}")
    if not find_spec("re2"):
        raise ScannerError("engine 're2' needs google-re2; install rune-scanner[re2]")
    return Re2Engine(rules)


class StdlibEngine:
    """Keyword and digit prefilter, then ``re`` around what they found."""

    name = "re"

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._unfiltered: list[int] = []
        self._by_digits: list[tuple[int, int]] = []
        self._by_keyword: dict[str, list[int]] = {}
        for index, rule in enumerate(rules):
            facts = rule.facts
            for keyword in facts.keywords:
                self._by_keyword.setdefault(keyword, []).append(index)
            if not facts.keywords:
                if facts.min_digits:
                    self._by_digits.append((facts.min_digits, index))
                else:
                    self._unfiltered.append(index)
        self._by_gram: dict[int, dict[int, list[str]]] = {4: {}, 2: {}, 1: {}}
        for keyword in self._by_keyword:
            data = keyword.encode()
            size = next(size for size in self._by_gram if size <= len(data))
            self._by_gram[size].setdefault(_rarest_gram(data, size), []).append(keyword)

    def candidates(self, text: str) -> Sequence[int]:
        digits = sum(map(text.count, "0123456789"))
        found = set(self._unfiltered)
        for keyword in self._keywords_in(text):
            found.update(self._by_keyword[keyword])
        found.update(index for least, index in self._by_digits if digits >= least)
        longest = max(map(len, text.split()), default=0)
        return sorted(
            index
            for index in found
            if _may_match(self._rules[index].facts, text, digits=digits, longest=longest)
        )

    def _keywords_in(self, text: str) -> Iterator[str]:
        if len(text) > _GRAMS_PAY_UP_TO:
            yield from (keyword for keyword in self._by_keyword if keyword in text)
            return
        # Collecting the text's four-byte runs once rules most keywords out without a search.
        data = text.encode()
        for size, by_gram in self._by_gram.items():
            for gram in by_gram.keys() & _grams(data, size):
                yield from (keyword for keyword in by_gram[gram] if keyword in text)

    def matches(self, index: int, text: str) -> Iterator[Match]:
        rule = self._rules[index]
        compiled = _compile_stdlib(rule.compiled_source)
        group = "value" if "value" in compiled.groupindex else 0
        end_of_last = 0
        for start, end in _windows(text, rule.facts):
            position = max(start, end_of_last)
            for match in compiled.finditer(text, position, end):
                end_of_last = match.end()
                yield Match(match.start(), match.end(), *_group_or_whole(match, group))


_GRAM_TYPES: Final[dict[int, Literal["I", "H", "B"]]] = {4: "I", 2: "H", 1: "B"}


def _grams(data: bytes, size: int) -> set[int]:
    """Every run of ``size`` bytes in ``data``, as a number in the machine's byte order."""
    found: set[int] = set()
    for shift in range(size):
        end = len(data) - (len(data) - shift) % size
        if end > shift:
            found.update(memoryview(data[shift:end]).cast(_GRAM_TYPES[size]))
    return found


def _rarest_gram(keyword: bytes, size: int) -> int:
    """The run of bytes in ``keyword`` that texts are least likely to hold."""
    grams = (keyword[at : at + size] for at in range(len(keyword) - size + 1))
    return int.from_bytes(max(grams, key=lambda gram: sum(map(_rarity, gram))), sys.byteorder)


def _rarity(byte: int) -> int:
    # By how often English uses the letters; what is no letter is rarer still.
    at = b" etaoinsrhldcumfpgwybvkxjqz".find(byte | 0x20 if 0x41 <= byte <= 0x5A else byte)
    return at if at >= 0 else 30


def _may_match(facts: patterns.Facts, text: str, *, digits: int, longest: int) -> bool:
    """Whether a text with so many digits and so long a word can hold a match."""
    return (
        digits >= facts.min_digits
        and longest >= facts.min_run
        and all(any(keyword in text for keyword in keywords) for keywords in facts.also)
    )


def _windows(text: str, facts: patterns.Facts) -> Iterator[tuple[int, int]]:
    """Stretches of ``text`` outside which a pattern with these facts cannot match."""
    if facts.keywords:
        positions = sorted(
            position for keyword in facts.keywords for position in _find_all(text, keyword)
        )
        least = 1
    elif facts.min_digits:
        positions = [match.start() for match in _DIGIT.finditer(text)]
        least = facts.min_digits
    else:
        yield 0, len(text)
        return
    reach = facts.max_width + _LOOKAROUND
    first = 0
    for index, position in enumerate(positions):
        # A cluster ends where no match could reach from one position to the next.
        last = index + 1 == len(positions) or positions[index + 1] - position > 2 * reach
        if not last:
            continue
        if index + 1 - first >= least:
            yield max(0, positions[first] - reach), min(position + reach, len(text))
        first = index + 1


def _find_all(text: str, keyword: str) -> Iterator[int]:
    position = text.find(keyword)
    while position >= 0:
        yield position
        position = text.find(keyword, position + 1)


@cache
def _compile_stdlib(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, patterns.FLAGS)


def _group_or_whole(match: Any, group: str | int) -> tuple[int, int]:
    start, end = match.span(group)
    # The group may sit in an alternative that was not taken.
    return (start, end) if start >= 0 else match.span()


class Re2Engine:
    """RE2 Sets name the rules that may match, then each of those gives its spans.

    One automaton of all patterns would have states that are products of all their states, and
    would meet new ones in every new text. So one Set looks for the patterns' keywords, whose
    states cannot multiply, and groups of Sets take the patterns that have none.
    """

    name = "re2"

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._compiled: list[tuple[Any, str | int] | None] = [None] * len(rules)
        self._last: tuple[str, bytes] = ("", b"")
        self._keywords = _KeywordSet(rules)
        without = [index for index, rule in enumerate(rules) if not rule.facts.keywords]
        self._groups = [
            _PatternSet(without[start : start + _GROUP_SIZE], rules)
            for start in range(0, len(without), _GROUP_SIZE)
        ]

    def candidates(self, text: str) -> Sequence[int]:
        data = self._encoded(text)
        found = self._keywords.candidates(data)
        if found is None:
            found = [index for index, rule in enumerate(self._rules) if rule.facts.keywords]
        for group in self._groups:
            matched = group.candidates(data)
            found += group.indexes if matched is None else matched
        return sorted(self._plausible(found, text))

    def _plausible(self, found: Iterable[int], text: str) -> Iterator[int]:
        """Those of ``found`` for which the text has digits enough, and a long enough word."""
        digits = longest = -1
        for index in found:
            facts = self._rules[index].facts
            if facts.min_digits:
                digits = digits if digits >= 0 else sum(map(text.count, "0123456789"))
                if digits < facts.min_digits:
                    continue
            # Prose has no words this long, so only then is looking for one worth it.
            if facts.min_run >= _LONG_WORD:
                longest = longest if longest >= 0 else max(map(len, text.split()), default=0)
                if longest < facts.min_run:
                    continue
            yield index

    def matches(self, index: int, text: str) -> Iterator[Match]:
        compiled, group = self._compiled[index] or self._compile(index)
        data = self._encoded(text)
        if len(data) == len(text):
            for match in compiled.finditer(data):
                yield Match(match.start(), match.end(), *_group_or_whole(match, group))
            return
        byte = char = 0
        for match in compiled.finditer(data):
            start, end = match.span()
            value_start, value_end = _group_or_whole(match, group)
            char += len(data[byte:start].decode())
            byte = start
            offsets = [char + len(data[byte:at].decode()) for at in (end, value_start, value_end)]
            yield Match(char, *offsets)

    def _encoded(self, text: str) -> bytes:
        # A text is asked about once for each rule that may match it; it is encoded once.
        last, data = self._last
        if last is not text:
            data = text.encode()
            self._last = (text, data)
        return data

    def _compile(self, index: int) -> tuple[Any, str | int]:
        compiled = self._compiled[index] = _compile_re2(self._rules[index].compiled_source)
        return compiled


class _Set:
    """An RE2 Set that can tell "nothing matched" from "gave up"."""

    def __init__(self) -> None:
        import re2

        options = re2.Options()
        options.max_mem = _SET_MEMORY
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        self._sentinel = -1

    def add(self, pattern: bytes, rule: Rule) -> None:
        """Add a pattern; its index is the number of patterns before it."""
        import re2

        try:
            self._set.Add(pattern)
        except re2.error as error:
            raise ScannerError(
                f"{rule.path or rule.id}: pattern: RE2 refuses it; check it with "
                "`rune rules test`, and shorten repeats of long alternatives"
            ) from error

    def compile(self) -> None:
        """Make the set ready to match."""
        # The set answers "nothing" when it runs out of memory. A pattern that always matches
        # tells that apart from a text in which nothing was found.
        self._sentinel = self._set.Add(b"")
        self._set.Compile()

    def match(self, data: bytes) -> list[int] | None:
        """Indexes of the patterns that match, in any order; None when the set gave up."""
        matched: list[int] | None = self._set.Match(data)
        if not matched or self._sentinel not in matched:
            return None
        return [index for index in matched if index != self._sentinel]


class _KeywordSet:
    """Names the rules of which a text holds a keyword."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        import re2

        self._set = _Set()
        self._rules_of: list[list[int]] = []
        known: dict[str, int] = {}
        for index, rule in enumerate(rules):
            # One keyword of the rarest kind is asked for. Asking for one of every kind would
            # rule more out, and cost more than trying what it rules out.
            for keyword in rule.facts.keywords:
                if keyword not in known:
                    known[keyword] = len(known)
                    self._rules_of.append([])
                    self._set.add(re2.escape(keyword).encode(), rule)
                self._rules_of[known[keyword]].append(index)
        self._set.compile()

    def candidates(self, data: bytes) -> list[int] | None:
        """Indexes of the rules that may match; None when the set gave up."""
        matched = self._set.match(data)
        if matched is None:
            return None
        return list({index for keyword in matched for index in self._rules_of[keyword]})


class _PatternSet:
    """Relaxed patterns of some of the rules."""

    def __init__(self, indexes: Sequence[int], rules: Sequence[Rule]) -> None:
        self.indexes = indexes
        self._set = _Set()
        for index in indexes:
            relaxed = patterns.relax(rules[index].compiled_source)
            self._set.add(_multiline(relaxed), rules[index])
        self._set.compile()

    def candidates(self, data: bytes) -> list[int] | None:
        """Indexes of the rules that may match; None when the set gave up."""
        matched = self._set.match(data)
        return None if matched is None else [self.indexes[index] for index in matched]


def _multiline(pattern: str) -> bytes:
    return f"(?m:{patterns.to_re2(pattern)})".encode()


@cache
def _compile_re2(pattern: str) -> tuple[Any, str | int]:
    import re2

    options = re2.Options()
    options.log_errors = False
    compiled = re2.compile(_multiline(pattern), options)
    groups = compiled.groupindex
    return compiled, groups.get(b"value", groups.get("value", 0))
