"""The two engines that match rules: RE2, and the standard library's ``re``.

Both give the same matches for every pattern of the dialect (:mod:`rune_scanner.rules.patterns`),
and both ask the same prefilter (:mod:`rune_scanner.keywords`) which rules are worth trying.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from rune_scanner.errors import ScannerError
from rune_scanner.keywords import Keywords
from rune_scanner.rules import patterns
from rune_scanner.rules.required import plain
from rune_scanner.rules.schema import Form

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rune_scanner.rules.schema import Rule

ENGINES: Final = ("re2", "re")
_SET_MEMORY: Final = 32 << 20
_GROUP_SIZE: Final = 40
_LONG_WORD: Final = 14
_SHAPE: Final = bytes(ord(" ") if chr(code).isspace() else ord("x") for code in range(256))
_LONG_SHAPE: Final = b"x" * (_LONG_WORD + 1)
ALL_RULES: Final = -1
_FEW: Final = 4  # trying so many patterns one by one costs less than asking a Set
_LOOKAROUND: Final = 2
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

    def candidates(
        self, text: str, folded: str | None = None, among: int = ALL_RULES
    ) -> Sequence[int]:
        """Indexes of rules that may match, in any order; those left out cannot.

        Args:
            text: What rules of the raw form read.
            folded: What the others read; ``text`` itself if None.
            among: Bit ``i`` is set if rule ``i`` is asked about.
        """
        ...

    def matches(self, index: int, text: str) -> Iterator[Match]:
        """Every match of rule ``index``, left to right, without overlaps."""
        ...


def default_engine() -> str:
    """``re2`` where google-re2 is installed, else ``re``."""
    return "re2" if find_spec("re2") else "re"


def compile_engine(rules: Sequence[Rule], engine: str | None = None) -> Engine:
    """Compile ``rules`` for matching.

    Args:
        rules: The rules, of both forms; indexes in the engine's answers are indexes here.
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


class _Reading:
    """What patterns need of a text, counted once.

    Args:
        text: The text.
        like: The reading of a text that differs in the case of ASCII letters only.
    """

    __slots__ = ("_data", "_longest", "digits", "is_ascii", "text")

    def __init__(self, text: str, like: _Reading | None = None) -> None:
        self._data: bytes
        self._longest: int
        self.digits: int
        self.is_ascii: bool
        self.text = text
        if like is not None:
            self._data, self._longest = like._data, like._longest
            self.digits, self.is_ascii = like.digits, like.is_ascii
            return
        self.is_ascii = text.isascii()
        self._data = text.encode()
        self.digits = len(self._data) - len(self._data.translate(None, b"0123456789"))
        self._longest = -1

    def has_word_of(self, length: int) -> bool:
        """Whether so many characters stand in a row without white space."""
        if self._longest < 0:
            # Prose has no words this long, and finding that out is quick.
            shape = self._data.translate(_SHAPE)
            self._longest = (
                max(map(len, self.text.split()), default=0) if _LONG_SHAPE in shape else _LONG_WORD
            )
        return self._longest >= length


class _Demands:
    """What the rules of one form need of a text besides keywords, each need as the rules' bits."""

    def __init__(self, rules: Sequence[Rule], form: Form) -> None:
        own = {1 << i: rule.facts for i, rule in enumerate(rules) if rule.form is form}
        most = max((facts.min_digits for facts in own.values()), default=0)
        self._with_digits = [
            sum(bit for bit, facts in own.items() if facts.min_digits <= digits)
            for digits in range(most + 1)
        ]
        self._beyond_ascii = sum(bit for bit, facts in own.items() if facts.beyond_ascii)
        self._long = sum(bit for bit, facts in own.items() if facts.min_run > _LONG_WORD)
        self._longer = {bit: f.min_run for bit, f in own.items() if f.min_run > _LONG_WORD + 1}
        signs: dict[tuple[str, int], int] = {}
        for bit, facts in own.items():
            for sign in facts.signs:
                signs[sign] = signs.get(sign, 0) | bit
        self._signs = [(sign, count, bits) for (sign, count), bits in signs.items()]
        self._strings = {bit: strings for bit, f in own.items() if (strings := _confirming(f))}
        self._looked_at = sum(self._longer.keys() | self._strings.keys())

    def met(self, bits: int, reading: _Reading) -> int:
        """Those of some rules, of whatever form, that are of this one and may match."""
        bits &= self._with_digits[min(reading.digits, len(self._with_digits) - 1)]
        if reading.is_ascii:
            bits &= ~self._beyond_ascii
        if bits & self._long and not reading.has_word_of(_LONG_WORD + 1):
            bits &= ~self._long
        text = reading.text
        for sign, count, needing in self._signs:
            if bits & needing and text.count(sign) < count:
                bits &= ~needing
        left = bits & self._looked_at
        while left:
            bit = left & -left
            left ^= bit
            strings = self._strings.get(bit)
            if (strings is not None and not any(map(text.__contains__, strings))) or not (
                reading.has_word_of(self._longer.get(bit, 0))
            ):
                bits ^= bit
        return bits


class _Prefilter:
    """Names the rules that may match a text: what both engines share.

    Rules with keywords are found by the text's words, the others by what else they need.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._keywords = Keywords(rules)
        self._without = [index for index, rule in enumerate(rules) if not rule.facts.keywords]
        # Rules that ask for as many digits are asked about together: see Re2Engine.
        self._without.sort(key=lambda index: rules[index].facts.min_digits)
        self._without_bits = sum(1 << index for index in self._without)
        self._demands = {form: _Demands(rules, form) for form in Form}

    def candidates(
        self, text: str, folded: str | None = None, among: int = ALL_RULES
    ) -> Sequence[int]:
        if folded is None:
            folded = text
        raw = _Reading(text)
        cased = folded is text or (raw.is_ascii and text.lower() == folded)
        readings = {Form.RAW: raw, Form.FOLDED: _Reading(folded, raw if cased else None)}
        bits = self._keywords.rules_for(text, folded, cased_alike=cased) | self._without_bits
        bits &= among
        met = 0
        for form, reading in readings.items():
            met |= self._demands[form].met(bits, reading)
        return [
            *_bits(met & ~self._without_bits),
            *self._narrowed([*_bits(met & self._without_bits)], readings),
        ]

    def _narrowed(self, indexes: list[int], readings: dict[Form, _Reading]) -> list[int]:
        """Those of some rules without keywords that may match."""
        del readings
        return indexes


def _confirming(facts: patterns.Facts) -> tuple[str, ...]:
    """A few strings of which every match holds one, and of which words alone say little."""
    for needs in sorted(facts.needs, key=len):
        strings = tuple(sorted(set(map(plain, needs))))
        if len(strings) <= _FEW and not all(string.isalpha() for string in strings):
            return strings
    return ()


def _bits(number: int) -> Iterator[int]:
    """The places of the bits that are set, ascending."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


class StdlibEngine(_Prefilter):
    """The prefilter, then ``re`` around the keywords and digits that it found."""

    name = "re"

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


class Re2Engine(_Prefilter):
    """The prefilter, with RE2 Sets for what its words cannot tell, then RE2 for the spans.

    One automaton of all patterns would have states that are products of all their states, and
    would meet new ones in every new text. So groups of Sets take only the patterns that have
    no keywords, and are asked only about those that the text can hold by its digits.
    """

    name = "re2"

    def __init__(self, rules: Sequence[Rule]) -> None:
        super().__init__(rules)
        self._compiled: list[tuple[Any, str | int] | None] = [None] * len(rules)
        self._last: tuple[str, bytes] = ("", b"")
        self._groups = {
            form: [
                _PatternSet(indexes[start : start + _GROUP_SIZE], rules)
                for indexes in [[i for i in self._without if rules[i].form is form]]
                for start in range(0, len(indexes), _GROUP_SIZE)
            ]
            for form in Form
        }

    def _narrowed(self, indexes: list[int], readings: dict[Form, _Reading]) -> list[int]:
        if len(indexes) <= _FEW:
            return indexes
        wanted = set(indexes)
        found: list[int] = []
        for form, groups in self._groups.items():
            for group in groups:
                asked = wanted.intersection(group.indexes)
                if len(asked) > _FEW:
                    matched = group.candidates(self._encoded(readings[form].text))
                    if matched is not None:
                        asked.intersection_update(matched)
                found += asked
        return found

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

    def add(self, pattern: bytes) -> None:
        """Add a pattern; its index is the number of patterns before it."""
        self._set.Add(pattern)

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


class _PatternSet:
    """Relaxed patterns of some of the rules."""

    def __init__(self, indexes: Sequence[int], rules: Sequence[Rule]) -> None:
        import re2

        self.indexes = indexes
        self._set = _Set()
        for index in indexes:
            rule = rules[index]
            try:
                self._set.add(_multiline(patterns.relax(rule.compiled_source)))
            except re2.error as error:
                raise ScannerError(
                    f"{rule.path or rule.id}: pattern: RE2 refuses it; check it with "
                    "`rune rules test`, and shorten repeats of long alternatives"
                ) from error
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
