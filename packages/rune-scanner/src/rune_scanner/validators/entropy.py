"""Telling a random secret from a placeholder, a word or an identifier."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter
from itertools import pairwise
from typing import Final

_MIN_BITS_TOKEN: Final = 3.0
_MIN_BITS_HEX: Final = 2.8
_MIN_BITS_KEY: Final = 3.3
_MIN_BITS_PASSWORD: Final = 2.3
_RUN: Final = 6
_SEQUENCE: Final = 8
_MIN_DISTINCT: Final = 4

_PLACEHOLDER: Final = re.compile(
    r"example|placehold|change[-_ ]?(?:me|this|it)|replace|redacted|withheld|masked|censored"
    r"|dummy|sample|insert|x{4,}|\*{3,}|\.{3}|…|foo_?bar|lorem"
    r"|your[-_ ]?(?:own|api|app|key|secret|token|pass|client|access|account|auth|db|user|org)"
    r"|(?:my|the|some|test|fake|mock|invalid|not[-_]?a?)[-_](?:real|api|secret|key|token|pass)"
    r"|_here\b|-here\b|(?:key|token|secret|password|pass)[-_]?here"
    r"|\$\{|\$\(|\{\{|%\(|<[a-z]|^<|^\$|^\[|^%[a-z_]+%$|^\{|^@|^&lt"
    r"|deadbeef|cafebabe|todo|fixme|n/a|to[-_ ]be[-_ ]|qwerty|asdf|abcdefg|1234567890|0123456789",
)
_WORDS_ALONE: Final = re.compile(
    r"(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|none|null|nil|undefined|true|false|string"
    r"|required|optional|hidden|empty|default|admin|root|user(?:name)?|guest|test(?:ing)?|value"
    r"|postgres(?:ql)?|mysql|mongo|redis|rabbitmq|minio|int|str|bool|object|number|optional|secure|encrypted|generated|invalid|wrong|correct)"
    r"[-_.\d]{0,4}"
)
_CODE: Final = re.compile(
    r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+\(?"  # config.secret.key
    r"|[a-z_][\w.]*[(\[].*"  # getenv("…"), form["…"]
    r"|[a-z]+(?:[A-Z][a-z]+)+"  # camelCase
    r"|[A-Z]+(?:_[A-Z]+)+"  # SCREAMING_CASE
    r"|[a-z]+(?:[-_][a-z]+)+[-_]?\d{0,6}"  # snake_case, kebab-case, numbered
    r"|\$[\w{(].*|%\w+%|process\.env.*|os\.environ.*|!\w+\s.*|/\S*|\.{1,2}/\S*"
)


def shannon_bits(text: str) -> float:
    """The Shannon entropy of the characters of ``text``, in bits per character."""
    if not text:
        return 0.0
    length = len(text)
    return -sum(n / length * math.log2(n / length) for n in Counter(text).values())


def not_placeholder(text: str) -> bool:
    """Whether ``text`` is no stand-in for a secret.

    Stand-ins: EXAMPLE, ``xxxx``, ``your-key``, ``<token>``, ``${VAR}``, ``1234567890``,
    ``abcabcabc``, runs of one character.
    """
    lowered = text.lower()
    return not (
        _PLACEHOLDER.search(lowered)
        or len(set(lowered)) < _MIN_DISTINCT
        or _has_run(lowered)
        or _has_sequence(lowered)
        or _is_periodic(text)
    )


def _has_run(text: str) -> bool:
    """Whether one character stands six times in a row. Runs of ``A`` are base64 of zeros."""
    run = 1
    for before, char in pairwise(text):
        run = run + 1 if char == before and char not in "a=-" else 1
        if run >= _RUN:
            return True
    return False


def _has_sequence(text: str) -> bool:
    """Whether eight characters count up or down: ``12345678``, ``hgfedcba``."""
    up = down = 1
    for before, char in pairwise(text):
        step = ord(char) - ord(before)
        up = up + 1 if step == 1 else 1
        down = down + 1 if step == -1 else 1
        if up >= _SEQUENCE or down >= _SEQUENCE:
            return True
    return False


def _is_periodic(text: str) -> bool:
    """Whether ``text`` ends with a unit of 2 to 8 characters said over and over."""
    for unit in range(2, 9):
        times = max(3, -(-8 // unit))
        last = text[-unit:]
        if last.strip("A=-") and text.endswith(last * times):
            return True
    return False


def token_entropy(text: str) -> bool:
    """Whether ``text`` is as mixed as a random token: at least 3 bits a character, and digits."""
    return any(char.isdigit() for char in text) and shannon_bits(text) >= _MIN_BITS_TOKEN


def hex_entropy(text: str) -> bool:
    """Whether hex ``text`` is as mixed as random hex: 2.8 bits of 4, digits and letters."""
    return (
        any(char.isdigit() for char in text)
        and any(char.isalpha() for char in text)
        and shannon_bits(text.lower()) >= _MIN_BITS_HEX
    )


def password_like(text: str) -> bool:
    """Whether ``text`` may be a password somebody set: not a placeholder, a word or code.

    Wants two kinds of characters, one of them a digit or a sign.
    """
    if not not_placeholder(text) or _WORDS_ALONE.fullmatch(text.lower()) or _CODE.fullmatch(text):
        return False
    kinds = (
        any("a" <= char <= "z" for char in text),
        any("A" <= char <= "Z" for char in text),
        any(char.isdigit() for char in text),
        any(not char.isalnum() for char in text),
    )
    if sum(kinds) < 2 or not (kinds[2] or kinds[3]):
        return False
    return shannon_bits(text) >= _MIN_BITS_PASSWORD


def url_password(text: str) -> bool:
    """Whether ``text`` may be the real password in a URL or on a command line.

    Placeholders, variables and the defaults of tutorials (``postgres``, ``guest``) are not.
    """
    if not not_placeholder(text) or _WORDS_ALONE.fullmatch(text.lower()):
        return False
    return not re.fullmatch(
        r"[$%].*|[A-Z]+(?:_[A-Z]+)*|[a-z]{1,6}|[a-z]+(?:[-_][a-z]+)+", text
    ) and (shannon_bits(text) >= 2.0)


def key_like(text: str) -> bool:
    """Whether ``text`` may be a generated key, not a placeholder, an identifier or words."""
    if not not_placeholder(text) or _CODE.fullmatch(text):
        return False
    kinds = [_kind(char) for char in text]
    digits = kinds.count("digit")
    if digits == len(text) or (not digits and not _changes_often(kinds)):
        return False
    if digits == 1 and "other" in kinds and not _changes_often(kinds):
        return False
    pure_hex = all(char in "0123456789abcdefABCDEF-" for char in text)
    return shannon_bits(text) >= (_MIN_BITS_HEX if pure_hex else _MIN_BITS_KEY)


def _kind(char: str) -> str:
    if char.isdigit():
        return "digit"
    if not char.isalpha():
        return "other"
    return "upper" if char.isupper() else "lower"


def _changes_often(kinds: list[str]) -> bool:
    """Whether letter case and digits change as often as in random text, unlike camelCase."""
    changes = sum(before != kind for before, kind in pairwise(kinds))
    return changes >= 0.4 * len(kinds)


def jwt(text: str) -> bool:
    """Whether the first part is a JOSE header with ``alg`` and the second part a JSON object."""
    parts = text.split(".")
    if len(parts) < 3:
        return False
    header = _json_part(parts[0])
    algorithm = header.get("alg") if header else None
    if not isinstance(algorithm, str) or algorithm.lower() == "none" or not parts[2]:
        return False
    return len(parts) > 3 or _json_part(parts[1]) is not None


def _json_part(part: str) -> dict[str, object] | None:
    data = decode_base64(part)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def decode_base64(text: str) -> bytes | None:
    """``text`` decoded from base64 of either alphabet, padded or not; None if it is neither."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def basic_credentials(text: str) -> bool:
    """Whether ``text`` is base64 of ``user:password`` as in an HTTP Basic header."""
    data = decode_base64(text)
    if data is None:
        return False
    user, colon, password = data.partition(b":")
    if not colon or not password or not all(32 <= byte < 127 for byte in user + password):
        return False
    return not _PLACEHOLDER.search(password.decode("ascii").lower())


def discord_token(text: str) -> bool:
    """Whether the first part is base64 of a numeric Discord user id."""
    data = decode_base64(text.partition(".")[0])
    return data is not None and data.isdigit() and 17 <= len(data) <= 20


def private_key_body(text: str) -> bool:
    """Whether a PEM block has a body: some base64 that is no placeholder."""
    body = re.sub(r"-----[^-\n]{4,60}-----|\\[nrt]|[^A-Za-z0-9+/=]", "", text)
    if len(body) < 40:
        return False
    return len(set(body)) >= 16 and not re.search(
        r"example|placeholder|xxxxxx|yourkey", body.lower()
    )
