"""Which parts of a value are distinctive enough to say where the value came from.

``meeting`` stands in every mailbox and proves nothing; ``DE44 5001 0517 5407 3249 31`` stands in
one. Only distinctive parts are looked up, each in a canonical spelling that survives letter
case, spacing, punctuation, thousands separators and the many ways to write a date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PARTS: Final = 64
"""Parts of one value that are looked up; a longer value is judged by its first ones."""
MIN_PHRASE_WORDS: Final = 4
MIN_PHRASE_CHARS: Final = 18


class PartKind(StrEnum):
    """What a distinctive part is."""

    EMAIL = "email"
    URL = "url"
    HOST = "host"
    PATH = "path"
    IDENTIFIER = "identifier"
    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    PHRASE = "phrase"


@dataclass(frozen=True, slots=True)
class Part:
    """One distinctive part of a value.

    Attributes:
        kind: What it is.
        key: Its canonical spelling: letters and digits in lower case, a plain decimal number
            for ``number``, ``YYYYMMDD`` for ``date``.
    """

    kind: PartKind
    key: str


_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@((?:[\w-]{1,63}\.){1,8}[\w-]{2,24})")
_URL: Final = re.compile(
    r"[a-z][a-z0-9+.-]{1,20}://([^\s/?#\"'<>()\[\]{}|\\^`]{1,255})([^\s\"'<>|\\^`]{0,2000})"
)
_HOST: Final = re.compile(r"(?<![\w@.-])(?:www\.)?((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})(?![\w-])")
_PATH: Final = re.compile(
    r"(?<![\w/.])(?:~|\.{1,2})?(?:/[\w.@%+=-]{1,100}){2,20}"  # /srv/data/report
    r"|\b[\w-]{2,80}\.[a-z][a-z0-9]{1,5}\b"  # report.pdf
    r"|\b[a-z]:\\[\w\\ .-]{3,200}"  # c:\data\report
)
_COMPACT_IDENTIFIER: Final = re.compile(r"(?<!\w)(?=\w*\d)[a-z0-9][a-z0-9_-]{4,120}(?!\w)")
_GROUPED_DIGITS: Final = re.compile(
    r"(?<![\w.])(?:[a-z]{1,4}[ -]?)?\+?\(?\d[\d ()./-]{5,40}\d(?!\w)"
)
_NUMBER: Final = re.compile(
    r"(?<![\w.,])[+-]?(?:"
    r"\d{1,3}(?:[,' \u00a0\u202f]\d{3}){1,5}(?:\.\d{1,8})?"  # 1,234.50
    r"|\d{1,3}(?:\.\d{3}){1,5},\d{1,8}"  # 1.234,50
    r"|\d{1,18}(?:[.,]\d{1,8})?"  # 1234.5
    r")(?!\w)"
)
_NAME: Final = re.compile(
    r"\b[A-Z\u00c0-\u00de][\w'’-]{1,30}(?: (?:[A-Z]\.|van|von|de|da|der|el|al|bin))?"
    r" [A-Z\u00c0-\u00de][\w'’-]{2,30}\b"
)
_WORD: Final = re.compile(r"\w+")
_DIGIT: Final = re.compile(r"\d")
_BETWEEN: Final = re.compile(r"[\W_]+")
_THOUSANDS: Final = re.compile(r"[' \u00a0\u202f]")
_DOTTED: Final = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_COMMAED: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_MIN_GROUPED_DIGITS: Final = 6
_SENTENCE: Final = re.compile(r"[^.!?\n\r\u3002\uff01\uff1f]{12,600}")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan january", "feb february", "mar march", "apr april", "may may", "jun june",
            "jul july", "aug august", "sep september sept", "oct october", "nov november",
            "dec december",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_ISO_DATE: Final = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-/.]?(0[1-9]|1[0-2])[-/.]?(0[1-9]|[12]\d|3[01])(?!\d)"
)
_TEXT_DATE: Final = re.compile(
    rf"\b(?:(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})"
    rf"|({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?),? ((?:19|20)\d\d)\b"
)
_SLASH_DATE: Final = re.compile(r"(?<!\d)(\d{1,2})[/.](\d{1,2})[/.]((?:19|20)\d\d)(?!\d)")

_COMMON_HOST_ENDINGS: Final = frozenset(
    [
        "txt",
        "md",
        "csv",
        "json",
        "pdf",
        "docx",
        "xlsx",
        "html",
        "htm",
        "py",
        "js",
        "ts",
        "yaml",
        "yml",
        "toml",
        "xml",
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "log",
        "ini",
        "cfg",
        "conf",
        "doc",
        "xls",
        "ppt",
        "pptx",
        "zip",
        "gz",
        "tar",
        "sh",
        "sql",
        "ipynb",
    ]
)


def squash(text: str) -> str:
    """The letters and digits of ``text`` in lower case, everything else left out."""
    return _BETWEEN.sub("", text.lower())


def parts_of(value: str) -> list[Part]:
    """The distinctive parts of ``value``, without doubles, at most :data:`MAX_PARTS`."""
    found: dict[Part, None] = {}
    for part in _all_parts(value):
        if part.key:
            found[part] = None
            if len(found) == MAX_PARTS:
                break
    return list(found)


def _all_parts(value: str) -> Iterator[Part]:
    # Most texts lack what most kinds of parts cannot be without: a look saves a search.
    lower = value.lower()
    if "://" in lower:
        yield from _urls(lower)
    if "@" in lower:
        for match in _EMAIL.finditer(lower):
            yield Part(PartKind.EMAIL, squash(match[0]))
    if "." in lower:
        for match in _HOST.finditer(lower):
            if match[1].rpartition(".")[2] in _COMMON_HOST_ENDINGS:
                yield Part(PartKind.PATH, squash(match[1]))
            elif not _is_common_host(match[1]):
                yield Part(PartKind.HOST, squash(match[1]))
    if "." in lower or "/" in lower or "\\" in lower:
        for match in _PATH.finditer(lower):
            if len(squash(match[0])) >= 6:
                yield Part(PartKind.PATH, squash(match[0]))
    if _DIGIT.search(lower):
        yield from _with_digits(lower)
    for match in _NAME.finditer(value):
        yield Part(PartKind.NAME, squash(match[0]))
    for match in _SENTENCE.finditer(lower):
        sentence = match[0]
        key = squash(sentence)
        if len(key) >= MIN_PHRASE_CHARS and (
            len(_WORD.findall(sentence)) >= MIN_PHRASE_WORDS or _CJK.search(sentence)
        ):
            yield Part(PartKind.PHRASE, key)


def _urls(lower: str) -> Iterator[Part]:
    for match in _URL.finditer(lower):
        yield Part(PartKind.URL, squash(match[0]))
        host = match[1].rpartition("@")[2].partition(":")[0].removeprefix("www.")
        if not _is_common_host(host):
            yield Part(PartKind.HOST, squash(host))


def _with_digits(lower: str) -> Iterator[Part]:
    for key in dates_in(lower):
        yield Part(PartKind.DATE, key)
    grouped = len(_DIGIT.findall(lower)) >= _MIN_GROUPED_DIGITS
    for match in _GROUPED_DIGITS.finditer(lower) if grouped else ():
        key = squash(match[0])
        if sum(map(str.isdecimal, key)) >= _MIN_GROUPED_DIGITS and not _ISO_DATE.fullmatch(
            match[0]
        ):
            yield Part(PartKind.IDENTIFIER, key)
    for match in _COMPACT_IDENTIFIER.finditer(lower):
        key = squash(match[0])
        digits = sum(map(str.isdecimal, key))
        if (digits >= 5 and digits == len(key)) or (
            digits and len(key) >= 6 and digits != len(key)
        ):
            yield Part(PartKind.IDENTIFIER, key)
    for match in _NUMBER.finditer(lower):
        key = number_key(match[0])
        if key and is_distinctive_number(key):
            yield Part(PartKind.NUMBER, key)


def dates_in(lower: str) -> Iterator[str]:
    """Every date in ``lower`` (lower-case text) as ``YYYYMMDD``.

    A date like ``03/04/2026`` may mean two days; both are given.
    """
    if not _YEAR.search(lower):
        return
    for match in _ISO_DATE.finditer(lower):
        yield match[1] + match[2] + match[3]
    for match in _TEXT_DATE.finditer(lower):
        day, month = (match[1], match[2]) if match[1] else (match[4], match[3])
        yield f"{match[5]}{_MONTHS[month]:02}{int(day):02}"
    for match in _SLASH_DATE.finditer(lower):
        for day, month in ((match[1], match[2]), (match[2], match[1])):
            if 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
                yield f"{match[3]}{int(month):02}{int(day):02}"


def numbers_in(lower: str) -> Iterator[tuple[str, int, int]]:
    """Every number in ``lower`` as ``(key, start, end)``."""
    for match in _NUMBER.finditer(lower):
        key = number_key(match[0])
        if key:
            yield key, match.start(), match.end()


def number_key(text: str) -> str:
    """One spelling for ``1,234.50``, ``1.234,50`` and ``1 234.5``: ``1234.5``; "" if no number."""
    plain = _THOUSANDS.sub("", text)
    if _DOTTED.fullmatch(plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif _COMMAED.fullmatch(plain):
        plain = plain.replace(",", "")
    else:
        plain = plain.replace(",", ".")
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return ""
    text = format(number.copy_abs().normalize(), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_distinctive_number(key: str) -> bool:
    """Whether a number says where it came from: 98.71 and 48213 do; 7, 2026 and 5000 do not."""
    whole, _, fraction = key.partition(".")
    significant = len((whole + fraction).strip("0"))
    if fraction:
        return significant >= 3
    if len(whole) == 4 and whole[:2] in ("19", "20"):
        return False
    return significant >= 4 or (significant == 3 and len(whole) >= 4)


def _is_common_host(host: str) -> bool:
    """Hosts that everyone names, so that naming one proves nothing."""
    return host in _EVERYONES_HOSTS


_EVERYONES_HOSTS: Final = frozenset(
    [
        "google.com",
        "github.com",
        "gmail.com",
        "youtube.com",
        "wikipedia.org",
        "en.wikipedia.org",
        "example.com",
        "microsoft.com",
        "outlook.com",
        "hotmail.com",
        "yahoo.com",
        "linkedin.com",
        "twitter.com",
        "x.com",
        "facebook.com",
        "localhost",
        "openai.com",
        "amazon.com",
        "apple.com",
    ]
)
