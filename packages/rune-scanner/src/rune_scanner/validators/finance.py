"""Payment cards, bank accounts and routing numbers."""

from __future__ import annotations

from typing import Final

from rune_scanner.validators.checksums import digits_of, luhn, mod97, weighted

_ABA_WEIGHTS: Final = (3, 7, 1, 3, 7, 1, 3, 7, 1)

_IBAN_REGISTRY: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 "
    "IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 "
    "MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 "
    "SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "
)
IBAN_LENGTHS: Final = {entry[:2]: int(entry[2:]) for entry in _IBAN_REGISTRY.split()}
"""Characters of an IBAN by country (SWIFT IBAN registry)."""

_CARD_RANGES: Final = (
    # (first, last, digits of the prefix, lengths, brand)
    (4, 4, 1, (13, 16, 19), "visa"),
    (51, 55, 2, (16,), "mastercard"),
    (2221, 2720, 4, (16,), "mastercard"),
    (34, 34, 2, (15,), "amex"),
    (37, 37, 2, (15,), "amex"),
    (6011, 6011, 4, (16, 19), "discover"),
    (644, 649, 3, (16, 19), "discover"),
    (65, 65, 2, (16, 19), "discover"),
    (300, 305, 3, (14, 16), "diners"),
    (3095, 3095, 4, (14, 16), "diners"),
    (36, 36, 2, (14, 16), "diners"),
    (38, 39, 2, (14, 16), "diners"),
    (3528, 3589, 4, (16, 19), "jcb"),
    (62, 62, 2, (16, 17, 18, 19), "unionpay"),
    (81, 81, 2, (16,), "unionpay"),
    (2200, 2204, 4, (16, 19), "mir"),
    (5018, 5018, 4, (13, 16, 19), "maestro"),
    (5020, 5020, 4, (13, 16, 19), "maestro"),
    (5038, 5038, 4, (13, 16, 19), "maestro"),
    (5893, 5893, 4, (13, 16, 19), "maestro"),
    (6304, 6304, 4, (13, 16, 19), "maestro"),
    (6759, 6763, 4, (13, 16, 19), "maestro"),
    (60, 60, 2, (16,), "rupay"),
    (508, 508, 3, (16,), "rupay"),
)


def card_brand(digits: str) -> str | None:
    """The brand whose range and length ``digits`` fit, or None."""
    for first, last, width, lengths, brand in _CARD_RANGES:
        if len(digits) in lengths and first <= int(digits[:width]) <= last:
            return brand
    return None


def payment_card(text: str) -> bool:
    """Whether ``text`` is a card number: a brand's range and length, Luhn, not ``4000…0``."""
    digits = "".join(map(str, digits_of(text)))
    if len(digits) < 13 or len(set(digits)) < 2 or any(char.isalpha() for char in text):
        return False
    return bool(card_brand(digits)) and luhn(digits)


def iban(text: str) -> bool:
    """Whether ``text`` is an IBAN: the country's length and MOD 97-10."""
    compact = text.replace(" ", "").replace("-", "").upper()
    if IBAN_LENGTHS.get(compact[:2]) != len(compact) or not compact[2:4].isdecimal():
        return False
    if not compact.isascii() or not compact.isalnum() or len(set(compact[4:])) < 3:
        return False
    return mod97(compact[4:] + compact[:4]) == 1


def aba_routing(text: str) -> bool:
    """Whether ``text`` is a US routing number: a Federal Reserve prefix and the check digit."""
    digits = digits_of(text)
    if len(digits) != 9:
        return False
    prefix = digits[0] * 10 + digits[1]
    if not (prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80):
        return False
    return any(digits) and weighted(digits, _ABA_WEIGHTS) % 10 == 0
