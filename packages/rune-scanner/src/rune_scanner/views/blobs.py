"""Encoded runs: base64, base32, hex, binary digits, decimal codes, punycode hosts.

A run counts only if it decodes to text. All runs of one encoding make one view, a line each;
the text around them is not repeated.
"""

from __future__ import annotations

import re
from base64 import b32decode
from binascii import a2b_base64
from typing import TYPE_CHECKING

from rune_scanner.views.clues import SHORTEST_RUN
from rune_scanner.views.rewrite import Collage, Reading
from rune_scanner.views.textual import looks_textual, text_of_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_scanner.finding import Span
    from rune_scanner.views.clues import Clues

# Sixteen literal characters let the regex engine search for them instead of stepping.
_RUNS = re.compile(b"x" * SHORTEST_RUN + b"x*+")
_HEX = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}){8,})")
_BASE32 = re.compile(r"[A-Z2-7]+")
_BINARY = re.compile(r"[01]{32,}")
_SPLIT = re.compile(r"[A-Za-z0-9+]{16,}")
_LINE = re.compile(r"\r?\n[ \t]{0,8}([A-Za-z0-9+/_-]++)={0,2}(?=\s|$|[\"'<])")
_PADDING = re.compile(r"={0,6}")

_HEX_PAIRS = re.compile(
    r"(?<![0-9A-Za-z])(?:0[xX])?[0-9A-Fa-f]{2}"
    r"(?:[ ,:;-]{1,2}(?:0[xX])?[0-9A-Fa-f]{2}){7,}+(?![0-9A-Za-z])"
)
_BINARY_BYTES = re.compile(r"(?<![0-9A-Za-z])[01]{8}(?:[ ,]{1,2}[01]{8}){3,}+(?![0-9A-Za-z])")
_DECIMALS = re.compile(r"(?<![\w.])[0-9]{2,3}(?:[ ,;]{1,2}[0-9]{2,3}){9,}+(?![\w.])")
_NUMBER = re.compile("[0-9]+")
_ASCII = 128
_LONGEST_WORD = 15
_HEX_DIGITS = re.compile(r"(?<![0-9A-Za-z])0[xX]|[ ,:;-]")

_URL_SAFE = str.maketrans("-_", "+/")
_WRAPPED = 32  # a line of base64 shorter than this is not continued on the next
_REMEMBERED = 10_000
_PROBE = 40  # characters decoded to see whether it is worth while
_HOST_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
_LONGEST_HOST = 253
_PUNYCODE = re.compile(r"xn--([A-Za-z0-9-]{1,59})", re.IGNORECASE)


class SeenRuns:
    """The runs of one original, so that views which share them do not each decode them.

    Attributes:
        decoded: Those that held text, with their places in the original.
        dead: Those that held none.
    """

    __slots__ = ("dead", "decoded")

    def __init__(self) -> None:
        self.decoded: set[tuple[str, Span]] = set()
        self.dead: set[str] = set()


def blobs(reading: Reading, clues: Clues, seen: SeenRuns) -> Iterator[Reading]:
    """One reading for each encoding that occurs in ``reading``.

    Args:
        reading: What to look through.
        clues: What ``clues_in(reading.text)`` said.
        seen: What became of runs in other readings of the same original; updated.
    """
    if not clues.runs and not clues.pairs:
        return
    collages: dict[str, Collage] = {}
    last: dict[str, int] = {}
    for kind, decoded, start, end, stride in _decoded(reading.text, clues, seen):
        if last.get(kind, 0) > start:
            continue
        key = (decoded, reading.offsets.to_original(start, end))
        if key in seen.decoded:
            continue
        seen.decoded.add(key)
        last[kind] = end
        collage = collages.setdefault(kind, Collage())
        collage.line_break(start)
        collage.paste(decoded, start, end, stride)
    for kind, collage in collages.items():
        yield Reading(reading.named(kind), *collage.finish(reading.offsets), hidden=True)


def punycode(reading: Reading) -> Iterator[Reading]:
    """Hosts with ``xn--`` labels, as a browser would show them."""
    if "xn--" in reading.text:
        collage = Collage()
        _punycode(reading.text, collage)
        if collage:
            yield Reading(reading.named("punycode"), *collage.finish(reading.offsets))


def _decoded(text: str, clues: Clues, seen: SeenRuns) -> Iterator[tuple[str, str, int, int, int]]:
    """``(encoding, decoded, start, end, stride)`` of each run that holds text."""
    if clues.runs:
        reached = joined = 0
        for found in _RUNS.finditer(clues.runs):
            start, end = found.span()
            if start < reached:
                continue
            run = text[start:end]
            if run.islower() and not _HEX.fullmatch(run):
                continue  # words and paths: base64 of text always has capitals
            if run in seen.dead:
                continue
            if len(run) >= _WRAPPED and start >= joined:
                # Tried once for all of its lines, so that a wrapped picture costs no more.
                whole, joined = _continued(text, start, end)
                decoded = _base64(whole)[1] if joined > end else ""
                if decoded and "\ufffd" not in decoded:
                    reached = _padded(text, joined)
                    yield "base64", decoded, start, reached, 0
                    continue
            results = list(_run(text, start, end))
            if results:
                yield from results
                reached = results[-1][3]
            elif len(seen.dead) < _REMEMBERED:
                seen.dead.add(run)
    if clues.pairs:
        for pairs in _HEX_PAIRS.finditer(text):
            digits = _HEX_DIGITS.sub("", pairs.group())
            decoded = text_of_bytes(bytes.fromhex(digits)) if len(digits) % 2 == 0 else ""
            if decoded:
                yield "hex", decoded, *pairs.span(), 0
        for bits in _BINARY_BYTES.finditer(text):
            decoded = _binary(re.sub("[ ,]", "", bits.group()), shortest=4)
            if decoded:
                yield "binary", decoded, *bits.span(), 0
        for codes in _DECIMALS.finditer(text):
            decoded = _decimal(codes.group())
            if decoded:
                yield "decimal", decoded, *codes.span(), 0


def _run(text: str, start: int, end: int) -> Iterator[tuple[str, str, int, int, int]]:
    """What a run of characters that encodings use decodes to, if anything."""
    run = text[start:end]
    hexes = _HEX.fullmatch(run)
    if hexes:
        decoded = _binary(run) if _BINARY.fullmatch(run) else ""
        if decoded:
            yield "binary", decoded, start, end, 0
            return
        decoded = text_of_bytes(bytes.fromhex(hexes.group(1)))
        if decoded:
            skipped = hexes.start(1)
            stride = 2 if len(decoded) * 2 + skipped == len(run) and not skipped else 0
            yield "hex", decoded, start, end, stride
        return  # a hash or an id: base64 of text is never made of hex digits alone
    if run.isupper():
        decoded = _base32(run) if _BASE32.fullmatch(run) else ""
        if decoded:
            yield "base32", decoded, start, _padded(text, end), 0
        return
    shift, decoded = _base64(run)
    if decoded:
        yield "base64", decoded, start + shift, _padded(text, end), 0
        return
    if not run.isalnum():
        # In paths and file names, the signs of the alphabet are separators.
        for found in _SPLIT.finditer(run):
            shift, decoded = _base64(found.group())
            if decoded and found.group() != run:
                stop = start + found.end()
                yield "base64", decoded, start + found.start() + shift, _padded(text, stop), 0


def _continued(text: str, start: int, end: int) -> tuple[str, int]:
    """A run with the lines it is continued on, and where the last of them ends."""
    lines = [text[start:end]]
    width = len(lines[0])
    line = _LINE.match(text, end)
    while line and len(line.group(1)) <= width:
        lines.append(line.group(1))
        end = line.end(1)
        if len(line.group(1)) < width:
            break
        line = _LINE.match(text, end)
    return "".join(lines), end


def _padded(text: str, end: int) -> int:
    padding = _PADDING.match(text, end)
    return padding.end() if padding else end


def _base64(run: str) -> tuple[int, str]:
    """The text in ``run`` and how many characters stand before it (letters stuck to it)."""
    if "-" in run or "_" in run:
        run = run.translate(_URL_SAFE)
    for shift in range(4):
        probe = run[shift : shift + _PROBE]
        if looks_textual(a2b_base64(probe[: len(probe) & ~3])):
            body = run[shift:]
            rest = len(body) % 4
            body = body[:-1] if rest == 1 else body + "=" * (-len(body) % 4)
            decoded = text_of_bytes(a2b_base64(body))
            if decoded:
                return shift, decoded
    return 0, ""


def _base32(run: str) -> str:
    usable = len(run) - (len(run) % 8 in {1, 3, 6})
    return text_of_bytes(b32decode(run[:usable] + "=" * (-usable % 8)))


def _binary(digits: str, shortest: int = 5) -> str:
    data = [int(digits[at : at + 8], 2) for at in range(0, len(digits) - 7, 8)]
    return text_of_bytes(bytes(data), shortest) if len(digits) % 8 == 0 else ""


def _decimal(codes: str) -> str:
    """Character codes as text, if they make words: most lists of numbers are just numbers."""
    numbers = [int(code) for code in _NUMBER.findall(codes)]
    if max(numbers) >= _ASCII:
        return ""
    decoded = text_of_bytes(bytes(numbers))
    small = sum(map(str.islower, decoded))
    wordy = decoded.count(" ") * _LONGEST_WORD >= len(decoded) and small * 2 >= len(decoded)
    return decoded if wordy else ""


def _punycode(text: str, collage: Collage) -> None:
    reached = 0
    found = _PUNYCODE.search(text)
    while found:
        start, end = found.span()
        while (
            start > max(reached, found.start() - _LONGEST_HOST) and text[start - 1] in _HOST_CHARS
        ):
            start -= 1
        while end < min(len(text), start + _LONGEST_HOST) and text[end] in _HOST_CHARS:
            end += 1
        host = _PUNYCODE.sub(_label, text[start:end])
        if host != text[start:end]:
            collage.line_break(start)
            collage.paste(host, start, end, 0)
        reached = end
        found = _PUNYCODE.search(text, end)


def _label(found: re.Match[str]) -> str:
    try:
        label = found.group(1).encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return found.group()
    return "".join(char for char in label if not "\ud800" <= char <= "\udfff")
