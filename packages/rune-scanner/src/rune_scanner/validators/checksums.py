"""Check digits and checksums that several formats share. All take plain strings."""

from __future__ import annotations

import zlib
from typing import Final

BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CRC_CHARS: Final = 6


def digits_of(text: str) -> list[int]:
    """The ASCII digits of ``text`` in order, whatever stands between them."""
    return [ord(char) - 48 for char in text if "0" <= char <= "9"]


def luhn(text: str) -> bool:
    """Whether the digits of ``text`` pass the Luhn check (payment cards, some ids)."""
    digits = digits_of(text)
    if len(digits) < 2:
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if position % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def weighted(digits: list[int], weights: tuple[int, ...]) -> int:
    """The sum of digits times weights; digits beyond the weights are left out."""
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def mod97(text: str) -> int:
    """``text`` modulo 97 with letters read as 10 to 35 (ISO 7064 MOD 97-10)."""
    remainder = 0
    for char in text:
        value = int(char, 36)
        remainder = (remainder * (100 if value > 9 else 10) + value) % 97
    return remainder


_D5: Final = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_VERHOEFF_PERMUTATION: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _permutations() -> tuple[tuple[int, ...], ...]:
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(_VERHOEFF_PERMUTATION[digit] for digit in rows[-1]))
    return tuple(rows)


_P: Final = _permutations()


def verhoeff(text: str) -> bool:
    """Whether the digits of ``text`` pass the Verhoeff check (dihedral group D5)."""
    digits = digits_of(text)
    state = 0
    for position, digit in enumerate(reversed(digits)):
        state = int(_D5[state][_P[position % 8][digit]])
    return bool(digits) and state == 0


def mod11_10(text: str) -> bool:
    """Whether the digits pass ISO 7064 MOD 11,10 (German tax id)."""
    digits = digits_of(text)
    if len(digits) < 2:
        return False
    product = 10
    for digit in digits[:-1]:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == digits[-1]


def crc32_base62(body: str) -> str:
    """The six base-62 digits of the CRC-32 of ``body``, as GitHub and npm append to tokens."""
    value = zlib.crc32(body.encode("ascii", "replace"))
    out = ""
    while value:
        value, digit = divmod(value, 62)
        out = BASE62[digit] + out
    return out.rjust(_CRC_CHARS, "0")


def github_token(text: str) -> bool:
    """Whether the last six characters are the checksum of what follows the prefix (``ghp_…``)."""
    body = text.partition("_")[2]
    return len(body) > _CRC_CHARS and crc32_base62(body[:-_CRC_CHARS]) == body[-_CRC_CHARS:]


def grafana_token(text: str) -> bool:
    """Whether the hex digits after the last ``_`` are the CRC-32 of what stands before it."""
    body, _, check = text.rpartition("_")
    crc = zlib.crc32(body.encode("ascii", "replace"))
    return check.lower() == crc.to_bytes(4, "little").hex()
