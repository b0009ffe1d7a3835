"""Numbers of documents and things: passports' machine-readable zones, vehicles, devices."""

from __future__ import annotations

from datetime import date
from typing import Final

from rune_scanner.validators.checksums import digits_of, luhn

_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VIN_VALUES: Final = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True)
)


def mrz_check(field: str) -> int:
    """The check digit of a field of a machine-readable zone (ICAO 9303): weights 7, 3, 1."""
    total = 0
    for index, char in enumerate(field):
        value = 0 if char == "<" else int(char, 36)
        total += value * (7, 3, 1)[index % 3]
    return total % 10


def mrz(text: str) -> bool:
    """Whether the line with the numbers has right check digits for number, birth and expiry.

    Reads passports (two lines of 44) and visas or cards of two lines (36).
    """
    line = text.replace("\\n", "\n").split("\n")[-1].strip().upper()
    if len(line) not in (36, 44) or not line.isascii() or not line.replace("<", "").isalnum():
        return False
    fields = ((line[0:9], line[9]), (line[13:19], line[19]), (line[21:27], line[27]))
    return all(check.isdecimal() and mrz_check(field) == int(check) for field, check in fields)


def vin(text: str) -> bool:
    """Whether the ninth character of a vehicle identification number is its check digit."""
    code = text.upper()
    if len(code) != 17 or len(set(code)) < 6:
        return False
    total = 0
    for char, weight in zip(code, _VIN_WEIGHTS, strict=True):
        value = int(char) if char.isdecimal() else _VIN_VALUES.get(char)
        if value is None:
            return False
        total += value * weight
    return "0123456789X"[total % 11] == code[8]


def imei(text: str) -> bool:
    """Whether ``text`` is a mobile device's number: fifteen digits, Luhn, not a filler."""
    digits = digits_of(text)
    return len(digits) == 15 and len(set(digits)) > 3 and digits[0] != 0 and luhn(text)


def npi(text: str) -> bool:
    """Whether ``text`` is a US provider id: ten digits, Luhn with 80840 before them."""
    digits = digits_of(text)
    number = "".join(map(str, digits))
    return len(digits) == 10 and digits[0] in (1, 2) and luhn("80840" + number)


_DEA_LETTERS: Final = frozenset("ABCDEFGHJKLMPRSTUX")


def dea(text: str) -> bool:
    """Whether ``text`` is a US DEA registration: two letters, seven digits, check digit."""
    digits = digits_of(text[2:])
    if len(digits) != 7 or text[:1].upper() not in _DEA_LETTERS:
        return False
    odd, even = digits[0] + digits[2] + digits[4], digits[1] + digits[3] + digits[5]
    return (odd + 2 * even) % 10 == digits[6]


def birth_date(text: str) -> bool:
    """Whether the digits of ``text`` can be a date of birth, day or month first, or ISO."""
    parts = [int(part) for part in _split_digits(text)]
    if len(parts) == 2:  # the month is a word
        day, year = (parts[0], parts[1]) if parts[0] <= 31 else (parts[1], parts[0])
        return 1 <= day <= 31 and 1900 <= year <= date.today().year  # noqa: DTZ011 # a year will do
    if len(parts) != 3:
        return False
    year, first, second = parts if parts[0] > 31 else (parts[2], parts[0], parts[1])
    if year < 100:
        year += 1900
    plausible = 1900 <= year <= date.today().year  # noqa: DTZ011 # a year will do
    return plausible and (
        (1 <= first <= 12 and 1 <= second <= 31) or (1 <= first <= 31 and 1 <= second <= 12)
    )


def _split_digits(text: str) -> list[str]:
    return "".join(char if char.isdecimal() and char.isascii() else " " for char in text).split()
