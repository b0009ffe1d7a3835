"""Readable to a person who plays along: leetspeak, spaced letters, rot13, reversed text.

None of these can be told from honest text by form alone, so each needs evidence that undoing
it gives words: mostly that words which attacks cannot do without appear.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from rune_scanner.views.base import OffsetMap
from rune_scanner.views.clues import letters_alone
from rune_scanner.views.rewrite import Edit, Reading, edit
from rune_scanner.views.unicode import ascii_letters, unaccented

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_scanner.views.clues import Clues

# Searched for as they would stand in a disguised text, so few and long.
ANCHORS = ("ignore", "instruction", "previous", "system", "prompt", "password")

_ROT13 = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "nopqrstuvwxyzabcdefghijklmNOPQRSTUVWXYZABCDEFGHIJKLM",
)
# French and German have their own "système" and "System".
_HIDEABLE = tuple(word for word in ANCHORS if word != "system")
_ROTATED_ANCHORS = tuple(word.translate(_ROT13) for word in ANCHORS)
_REVERSED_ANCHORS = tuple(word[::-1] for word in ANCHORS)

# Words that tell a disguised sentence from a product code, and where letters run together.
_LIST = """
    a above access account act admin all also always and answer any anything as at bank be
    before bomb build bypass can card code command confidential context conversation
    credential credentials dan data delete developer disable discard disregard do drug drugs
    email everything execute explain file filter filters following for forget from full give
    given guidelines hack hacker hidden how i ignore in information instruction instructions
    into is it jailbreak key keys kill leak letter limits list mail make malware me message
    mode money my never new no not now of on only open or original output override pass
    password passwords please policies policy previous print prior prompt prompts repeat reply
    reset respond restriction restrictions reveal root rule rules run safety say secret
    secrets send shell show skip start steal stop system tell text that the them these this to
    token tokens told tool transfer unlimited unrestricted up use user virus want was weapon
    were what with without word words write you your
"""
WORDS = frozenset(_LIST.split())
_LONGEST_WORD = max(map(len, WORDS))
_LEET = str.maketrans("013457@$!|8", "oieastasilb")
_LEET_TOKEN = re.compile(
    r"(?<![A-Za-z0-9@$!|])(?=[A-Za-z]*+[0134578@$!|])[A-Za-z0134578@$!|]{2,40}+(?![A-Za-z0-9@$|])"
)
# For telling, i and l are one letter: both are written 1.
_LEET_TELLING = bytes.maketrans(b"013457@$!|8l", b"oieastasiibi")
_LEET_ANCHORS = tuple(word.replace("l", "i").encode() for word in (*ANCHORS, "bypass", "secret"))
_LEET_WORD = re.compile(r"[A-Za-z]++[013457](?=[A-Za-z])[A-Za-z013457]++")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_NUMBER = re.compile(r"[0-9]+|[$@!|]*[0-9][0-9@$!|]*[A-Za-z]{0,2}|[0-9@$!|]+")
_LEET_ENOUGH = 3
_LEET_EVERY = 60  # characters, on average, in a text that is written this way
_LONGEST_LEET = 24

_APART = re.compile(r"(?<![^\W_])[^\W\d_](?:(?:[ \t\n]{1,3}|[.\-_*/])[^\W\d_](?![^\W_])){3,}+")

_JOINT = re.compile(r"""(["'])\s{0,4}[+.]\s{0,4}(["'])(?=\w)""")
_WORDS_APART = re.compile(r"[^\W\d_]{2,}")
_UPRIGHT = str.maketrans("ɐqɔpǝɟƃɥᴉıɾʞןɯuodbɹsʇnʌʍxʎz", "abcdefghiijklmnopqrstuvwxyz")
_TURNED = "ɐɔǝɟƃɥɾʞɯɹʇʌʍʎ"
_TURNED_E = "ǝ"
_TURNED_ENOUGH = 4

_MARK = re.compile("[\u0300-\u036f\u0489\u20d0-\u20dc]")
_ZALGO = re.compile("[\u0300-\u036f\u0489\u20d0-\u20dc](?![\u0300-\u036f])")
_ZALGO_ENOUGH = 3


def disguises(
    reading: Reading, folded: str, folded_offsets: OffsetMap, clues: Clues
) -> Iterator[tuple[Reading, bool]]:
    """Readings of a text as what it pretends not to be, and whether each is the end of it.

    Rotated and reversed text may hold further encodings, the others are plain already.
    """
    text = reading.text
    if clues.leet:
        plain = _without_leet(text, clues.leet)
        if plain != text:
            yield Reading(reading.named("leet"), plain, reading.offsets), True
    if clues.letters_apart:
        edited = edit(text, reading.offsets, together)
        if edited:
            yield Reading(reading.named("spaced"), *edited), True
    if _may_join(text):
        edited = edit(text, reading.offsets, _unjoint)
        if edited:
            yield Reading(reading.named("joined"), *edited), True
    if _any_of(_ROTATED_ANCHORS, folded):
        yield (
            Reading(reading.named("rot13"), text.translate(_ROT13), reading.offsets, hidden=True),
            False,
        )
    if _any_of(_REVERSED_ANCHORS, folded):
        whole = OffsetMap(((0, 0, len(text), -1),), len(text), reading.offsets)
        yield Reading(reading.named("reversed"), text[::-1], whole), False
        edited = edit(text, reading.offsets, _each_reversed)
        if edited:
            yield Reading(reading.named("reversed_words"), *edited), True
    if not folded.isascii():
        if _TURNED_E in text and sum(map(text.count, _TURNED)) >= _TURNED_ENOUGH:
            whole = OffsetMap(((0, 0, len(text), -1),), len(text), reading.offsets)
            upright = text[::-1].translate(_UPRIGHT)
            yield Reading(reading.named("upside_down"), upright, whole), True
        accents = _abused_accents(folded, folded_offsets)
        if accents:
            yield Reading(reading.named("unaccented"), *accents), True


def _may_join(text: str) -> bool:
    if "+" in text and ('"' in text or "'" in text):
        return True
    return '"' in text and ('"."' in text or '" . "' in text)


def _any_of(words: tuple[str, ...], text: str) -> bool:
    for word in words:  # noqa: SIM110 - half the time of any()
        if word in text:
            return True
    return False


def _without_leet(text: str, inside: int) -> str:
    """``text`` with leetspeak undone, or as it is if nothing proves that there is any.

    Ids and dates mix letters and digits as well. Proof is a telling word that is there only
    when the signs are read as letters, or several words that have digits inside letters.
    """
    lowered = text.lower().encode("latin-1", "replace")
    plain = lowered.translate(_LEET_TELLING)
    proven = False
    for word in _LEET_ANCHORS:
        if word in plain and plain.count(word) > lowered.replace(b"l", b"i").count(word):
            proven = True
            break
    if not proven and inside >= _LEET_ENOUGH and inside * _LEET_EVERY >= len(text):
        words = {word.strip(".,;:!?\"'()") for word in text.split() if len(word) <= _LONGEST_LEET}
        likely = [word for word in words if _LEET_WORD.fullmatch(word) and not _HEX.fullmatch(word)]
        proven = len(likely) >= _LEET_ENOUGH
    return _LEET_TOKEN.sub(_unleet, text) if proven else text


def _unleet(found: re.Match[str]) -> str:
    token = found.group()
    core = token.rstrip("!|")
    if _NUMBER.fullmatch(core):
        return token
    # No word has two i in a row, many have two l.
    return core.replace("11", "ll").translate(_LEET) + token[len(core) :]


def together(text: str) -> Iterator[Edit]:
    """Edits that close up letters standing apart, with a space where a word seems to end."""
    for found in _runs_apart(text):
        run = found.group()
        places = [at for at, char in enumerate(run) if char.isalnum()]
        letters = "".join(run[at] for at in places)
        steps = {ord(after) - ord(before) for before, after in pairwise(letters)}
        if steps in ({0}, {1}):
            continue  # a b c d, x x x x
        breaks = _breaks(places, letters.lower())
        at = 0
        for index, place in enumerate(places):
            gap = " " if index in breaks else ""
            if place > at:
                yield found.start() + at, found.start() + place, gap, 0
            at = place + 1


def _runs_apart(text: str) -> Iterator[re.Match[str]]:
    """Matches of ``_APART``, looked for only where a letter stands alone."""
    reached = 0
    for near in letters_alone(text):
        # The letter found is the first of a run, or the second.
        for start in range(max(near - 3, reached, 0), near + 2):
            if found := _APART.match(text, start):
                reached = found.end()
                yield found
                break


def _breaks(places: list[int], letters: str) -> set[int]:
    """Which letters begin a word: told by wider gaps if there are any, else by known words."""
    gaps = [places[index] - places[index - 1] for index in range(1, len(places))]
    narrow = min(gaps)
    wide = {index + 1 for index, gap in enumerate(gaps) if gap > narrow}
    return wide or _known_words(letters)


def _known_words(letters: str) -> set[int]:
    """Where words begin if ``letters`` can be cut so that most belong to known words."""
    # cost[i]: the fewest letters outside known words among the first i
    cost = [0] * (len(letters) + 1)
    back = [0] * (len(letters) + 1)
    for end in range(1, len(letters) + 1):
        cost[end], back[end] = cost[end - 1] + 4, end - 1
        for start in range(max(0, end - _LONGEST_WORD), end):
            if cost[start] + 1 < cost[end] and letters[start:end] in WORDS:
                cost[end], back[end] = cost[start] + 1, start
    breaks = set()
    end = len(letters)
    while end > 0:
        start = back[end]
        if end - start > 1 or letters[start:end] in WORDS:
            breaks |= {start, end}
        end = start
    return breaks - {0, len(letters)}


def _unjoint(text: str) -> Iterator[Edit]:
    """Edits that join string literals: ``"ig" + "nore"``."""
    for found in _JOINT.finditer(text):
        if found.group(1) == found.group(2):
            yield found.start(), found.end(), "", 0


def _each_reversed(text: str) -> Iterator[Edit]:
    for found in _WORDS_APART.finditer(text):
        yield found.start(), found.end(), found.group()[::-1], -1


def _abused_accents(folded: str, offsets: OffsetMap) -> tuple[str, OffsetMap] | None:
    """``folded`` without accents, if they hide something: heaps of marks, or words behind them."""
    # What stripping would leave of the ASCII letters, without making the map yet.
    plain = ascii_letters(folded)
    loose = _MARK.search(folded) is not None and len(_ZALGO.findall(folded)) >= _ZALGO_ENOUGH
    hiding = any(word in plain and plain.count(word) > folded.count(word) for word in _HIDEABLE)
    return unaccented(folded, offsets) if loose or hiding else None
