"""Which rules a text's words let match: the prefilter that both engines share.

Every rule names sets of strings (:attr:`~rune_scanner.rules.patterns.Facts.needs`), and a text
that lacks all strings of one set cannot match it. Texts are made of words met before, so what a
word holds is worked out once and remembered; a text then costs one look-up for each word.

A word here is a run of letters, in UTF-8. Of a string such as ``--api-key`` its longest word
stands for it, and of one without letters its rarest character.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from string import ascii_letters
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

from rune_scanner.grams import Grams
from rune_scanner.rules.required import EDGE, plain
from rune_scanner.rules.schema import Form

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rune_scanner.rules.schema import Rule

_SETS: Final = 4  # sets of a rule that are asked for; few rules have more
_REMEMBERED: Final = 30_000
_LEARNT_AT_ONCE: Final = 1_000
_READ_ONE_BY_ONE: Final = 100
# Words of people and programs come again; pieces of keys and hashes do not.
_MEMORABLE: Final = re.compile(
    rb"[A-Z]?[a-z\x80-\xff]{1,24}|[A-Z]{1,24}|(?:[A-Z]{0,4}[a-z]{2,12}){2,4}"
)
_LETTERS: Final = frozenset(ascii_letters.encode())
_WORDS: Final = bytes(code if code in _LETTERS or code >= 0x80 else ord(" ") for code in range(256))
_WORD: Final = re.compile(rb"[A-Za-z\x80-\xff]+")
_COMMON_SIGNS: Final = " .,\n-'\"():/0123456789_#*[]=`<>|"  # the commonest first
# Where a word of ASCII begins or ends for patterns, and ours goes on.
_SEAM: Final = re.compile(rb"(?<=[A-Za-z])(?=[\x80-\xff])|(?<=[\x80-\xff])(?=[A-Za-z])")

_Kind: TypeAlias = int
"""What a word holds: a bit for each set of each rule that one of its strings may belong to."""


class Keywords:
    """The keywords of a fixed list of rules. Safe to share by threads.

    Args:
        rules: The rules; those without keywords are never named.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._count = len(rules)
        self._needing = 0
        self._bits_of = dict.fromkeys(Form, 0)
        self._missing = 0  # stands for the sets that a rule has fewer of
        tables = {form: _Table() for form in Form}
        self._both = _Table()  # for words in lower case, which both forms read alike
        for index, rule in enumerate(rules):
            needs = rule.facts.needs[:_SETS]
            self._needing |= bool(needs) << index
            for number in range(_SETS if needs else 0):
                bit = 1 << index + number * self._count
                self._bits_of[rule.form] |= bit
                if number >= len(needs):
                    self._missing |= bit
                    continue
                for keyword in needs[number]:
                    tables[rule.form].add(keyword, bit)
                    self._both.add(keyword, bit)
        self._tables = tables
        self._memory = _Memory()
        self._learning = Lock()

    def rules_for(self, text: str, folded: str, *, cased_alike: bool) -> int:
        """Bit ``i`` is set unless rule ``i`` needs strings that its reading of the text lacks.

        Args:
            text: What rules of the raw form read.
            folded: What the others read.
            cased_alike: Whether the two differ in the case of ASCII letters only.
        """
        if cased_alike:
            bits = self._words_of(text.encode())
        else:
            bits = self._words_of(text.encode()) & self._bits_of[Form.RAW]
            bits |= self._words_of(folded.encode()) & self._bits_of[Form.FOLDED]
        bits |= self._missing
        bits |= self._tables[Form.RAW].signs_in(text) | self._tables[Form.FOLDED].signs_in(folded)
        rules = self._needing
        for _ in range(_SETS):
            rules &= bits
            bits >>= self._count
        return rules

    def _words_of(self, data: bytes) -> int:
        """What the words of a text hold, for rules of both forms if it is ASCII."""
        memory = self._memory
        words = set(data.translate(_WORDS).split())
        numbers = list(map(memory.known.get, words))
        bits = 0
        if None in numbers:
            new = [word for word, number in zip(words, numbers, strict=True) if number is None]
            few = len(new) <= _READ_ONE_BY_ONE
            learnt: list[bytes] = []
            passing: list[bytes] = []
            for word in new:
                keep = len(learnt) < _LEARNT_AT_ONCE and (few or _MEMORABLE.fullmatch(word))
                (learnt if keep else passing).append(word)
            bits |= self._learnt(learnt)
            if passing:
                bits |= self._tables[Form.RAW].held_by_all(passing)
                bits |= self._tables[Form.FOLDED].held_by_all([word.lower() for word in passing])
        for known in set(numbers):
            if known is not None:
                bits |= memory.kinds[known]
        return bits

    def _learnt(self, words: Sequence[bytes]) -> int:
        """What ``words`` hold together; what most of them hold is remembered."""
        kinds = dict.fromkeys(words, 0)
        lowered = [(word, word.lower()) for word in words]
        cased = [(word, lower) for word, lower in lowered if word != lower]
        for table, asked in (
            (self._both, [(word, word) for word, lower in lowered if word == lower]),
            (self._tables[Form.RAW], [(word, word) for word, _ in cased]),
            (self._tables[Form.FOLDED], cased),
        ):
            for (word, _), kind in zip(
                asked, table.held_by([read for _, read in asked]), strict=True
            ):
                kinds[word] |= kind
        bits = 0
        with self._learning:
            memory = self._memory
            if len(memory.known) >= _REMEMBERED:
                # Texts being read hold on to the memory they began with.
                memory = self._memory = _Memory()
            for word, kind in kinds.items():
                bits |= kind
                if not _MEMORABLE.fullmatch(word):
                    continue
                number = memory.numbers.get(kind)
                if number is None:
                    number = memory.numbers[kind] = len(memory.kinds)
                    memory.kinds.append(kind)
                memory.known[word] = number
        return bits


class _Memory:
    """Words met before. What a word holds is a number, since most hold one of a few things."""

    __slots__ = ("kinds", "known", "numbers")

    def __init__(self) -> None:
        self.known: dict[bytes, int] = {}
        self.kinds: list[_Kind] = []
        self.numbers: dict[_Kind, int] = {}


class _Table:
    """The keywords of one form, by the words and signs that stand for them."""

    def __init__(self) -> None:
        self._whole: dict[bytes, int] = {}
        self._beginnings: dict[bytes, int] = {}
        self._endings: dict[bytes, int] = {}
        self._within: dict[bytes, int] = {}
        self._signs: dict[str, int] = {}
        self._inner: Grams | None = None
        self._all: Grams | None = None
        self._longest = 0

    def add(self, keyword: str, bit: int) -> None:
        """Let ``keyword`` set ``bit``."""
        word, begins, ends = _longest_word(keyword)
        if word:
            edged = self._beginnings if begins else self._endings if ends else self._within
            words = self._whole if begins and ends else edged
            self._longest = max(self._longest, len(word))
            words[word] = words.get(word, 0) | bit
            return
        sign = plain(keyword)
        rarest = max(sign, key=lambda char: (_COMMON_SIGNS.find(char) % len(_COMMON_SIGNS), char))
        self._signs[rarest] = self._signs.get(rarest, 0) | bit

    def signs_in(self, text: str) -> int:
        """What the keywords without letters set of which ``text`` has the rarest character."""
        bits = 0
        for char, sets in self._signs.items():
            if char in text:
                bits |= sets
        return bits

    def held_by(self, words: Sequence[bytes]) -> list[_Kind]:
        """What each of ``words`` holds."""
        if not words:
            return []
        kinds = [0] * len(words)
        for index, word in enumerate(words):
            # Patterns see an edge where ASCII ends, and ours goes on.
            for part in (word,) if word.isascii() else (word, *_SEAM.split(word)):
                kinds[index] |= self._whole.get(part, 0)
                for size in range(1, min(len(part), self._longest) + 1):
                    if bits := self._beginnings.get(part[:size]):
                        kinds[index] |= bits
                    if bits := self._endings.get(part[-size:]):
                        kinds[index] |= bits
        joined = b"\n".join(words)
        ends = list(accumulate(len(word) + 1 for word in words))
        for text in self._found_within(joined):
            bits = self._within[text]
            at = joined.find(text)
            while at >= 0:
                kinds[bisect_right(ends, at)] |= bits
                at = joined.find(text, at + 1)
        return kinds

    def held_by_all(self, words: Sequence[bytes]) -> int:
        """What ``words`` may hold together, without regard to where they begin and end."""
        bits = 0
        if self._all is None:
            everything = (self._whole, self._beginnings, self._endings, self._within)
            self._all = Grams([*set().union(*everything)])
        for text in self._all.found_in(b"\n".join(words)):
            for known in (self._whole, self._beginnings, self._endings, self._within):
                bits |= known.get(text, 0)
        return bits

    def _found_within(self, joined: bytes) -> Iterable[bytes]:
        if self._inner is None:
            self._inner = Grams([*self._within])
        return self._inner.found_in(joined)


def _longest_word(keyword: str) -> tuple[bytes, bool, bool]:
    """The longest run of letters of a keyword, and whether words begin and end with it."""
    bare = plain(keyword).encode()
    found = max(_WORD.finditer(bare), key=lambda run: len(run[0].decode()), default=None)
    if found is None:
        return b"", False, False
    if not found[0].isascii():
        return found[0], False, False  # it may lie across a seam
    start, end = found.span()
    return found[0], start > 0 or keyword[0] == EDGE, end < len(bare) or keyword[-1] == EDGE
