"""National identity, tax, social-security and health numbers with their check digits.

Each function takes the number as written; separators are ignored. Sources are the issuing
offices' published algorithms, named in the references of the rules that use them.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from rune_scanner.validators.checksums import digits_of, luhn, mod11_10, verhoeff, weighted


def _compact(text: str) -> str:
    return "".join(char for char in text.upper() if char.isascii() and char.isalnum())


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _is_short_date(year: int, month: int, day: int) -> bool:
    """Whether the date exists in the 20th or the 21st century (for 29 February)."""
    return _is_date(1900 + year, month, day) or _is_date(2000 + year, month, day)


def _pairs(digits: list[int]) -> list[int]:
    return [tens * 10 + ones for tens, ones in zip(digits[::2], digits[1::2], strict=False)]


# North America


def us_ssn(text: str) -> bool:
    """United States: area not 000, 666, 9xx; no part all zero; not a published sample."""
    digits = digits_of(text)
    if len(digits) != 9:
        return False
    area = digits[0] * 100 + digits[1] * 10 + digits[2]
    if area in (0, 666) or area >= 900 or not any(digits[3:5]) or not any(digits[5:]):
        return False
    number = "".join(map(str, digits))
    return number not in ("078051120", "219099999", "123456789") and len(set(number)) > 2


def us_itin(text: str) -> bool:
    """United States taxpayer id: 9xx with a group that was issued."""
    digits = digits_of(text)
    if len(digits) != 9 or digits[0] != 9:
        return False
    group = digits[3] * 10 + digits[4]
    return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99


def ca_sin(text: str) -> bool:
    """Canada: nine digits, Luhn, not beginning with 0 or 8."""
    digits = digits_of(text)
    return len(digits) == 9 and digits[0] not in (0, 8) and luhn(text) and len(set(digits)) > 2


_CURP_CHARS: Final = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def mx_curp(text: str) -> bool:
    """Mexico: eighteen characters with a date and a check digit."""
    code = text.upper()
    if len(code) != 18 or not code[4:10].isdecimal() or not code[17].isdecimal():
        return False
    if not _is_short_date(int(code[4:6]), int(code[6:8]), int(code[8:10])):
        return False
    values = [_CURP_CHARS.find(char) for char in code[:17]]
    total = sum(value * (18 - index) for index, value in enumerate(values))
    return min(values) >= 0 and (10 - total % 10) % 10 == int(code[17])


# Europe


def uk_nhs(text: str) -> bool:
    """England: ten digits, weights 10 to 2, modulo 11."""
    digits = digits_of(text)
    if len(digits) != 10 or len(set(digits)) < 3:
        return False
    return (11 - weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11) % 11 == digits[9]


def uk_nino(text: str) -> bool:
    """United Kingdom: two letters that were issued, six digits, A to D."""
    code = _compact(text)
    if len(code) != 9 or not code[2:8].isdecimal() or code[8] not in "ABCD":
        return False
    if code[0] in "DFIQUV" or code[1] in "DFIOQUV" or len(set(code[2:8])) < 2:
        return False
    return code[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ", "QQ")


def de_tax_id(text: str) -> bool:
    """Germany (Steuer-ID): one digit twice or thrice in the first ten, ISO 7064 MOD 11,10."""
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] == 0:
        return False
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    return counts[-1] in (2, 3) and counts[-2:-1] != [counts[-1]] and mod11_10(text)


def fr_nir(text: str) -> bool:
    """France (INSEE): sex, month, and 97 minus the number modulo 97; 2A and 2B for Corsica."""
    code = _compact(text)
    if len(code) != 15 or code[0] not in "123478":
        return False
    number = code[:13].replace("2A", "19", 1) if code[5:7] == "2A" else code[:13]
    number = number.replace("2B", "18", 1) if code[5:7] == "2B" else number
    if not (number + code[13:]).isdecimal():
        return False
    month = int(code[3:5])
    known = 1 <= month <= 12 or 20 <= month <= 42 or 50 <= month <= 99
    return known and 97 - int(number) % 97 == int(code[13:])


_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"


def es_dni(text: str) -> bool:
    """Spain: DNI and NIE, a letter by the number modulo 23."""
    code = _compact(text)
    if len(code) != 9:
        return False
    number = str("XYZ".find(code[0])) + code[1:8] if code[0] in "XYZ" else code[:8]
    return number.isdecimal() and len(set(number)) > 1 and _DNI_LETTERS[int(number) % 23] == code[8]


_CF_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10)
_CF_ODD_REST: Final = (22, 25, 24, 23)
_CF_OMOCODIA: Final = str.maketrans("LMNPQRSTUV", "0123456789")


def it_codice_fiscale(text: str) -> bool:
    """Italy: sixteen characters, month letter, day, check letter; omocodia letters allowed."""
    code = _compact(text)
    if len(code) != 16 or not code[:6].isalpha() or code[8] not in "ABCDEHLMPRST":
        return False
    day = code[9:11].translate(_CF_OMOCODIA)
    if not day.isdecimal() or not (1 <= int(day) <= 31 or 41 <= int(day) <= 71):
        return False
    total = 0
    for index, char in enumerate(code[:15]):
        value = int(char) if char.isdecimal() else ord(char) - 65
        total += value if index % 2 else (_CF_ODD + _CF_ODD_REST)[value]
    return chr(65 + total % 26) == code[15]


def nl_bsn(text: str) -> bool:
    """Netherlands: eight or nine digits, the eleven test."""
    digits = digits_of(text)
    if len(digits) == 8:
        digits = [0, *digits]
    if len(digits) != 9 or len(set(digits)) < 3:
        return False
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def be_national_number(text: str) -> bool:
    """Belgium (rijksregisternummer): 97 minus the number modulo 97, with a 2 before from 2000."""
    digits = "".join(map(str, digits_of(text)))
    if len(digits) != 11 or int(digits[2:4]) % 20 > 12 or int(digits[4:6]) > 31:
        return False
    number, check = int(digits[:9]), int(digits[9:])
    return check in (97 - number % 97, 97 - (2_000_000_000 + number) % 97) and number > 0


def pl_pesel(text: str) -> bool:
    """Poland: a date with the century in the month, weights 1 3 7 9."""
    digits = digits_of(text)
    if len(digits) != 11:
        return False
    year, month, day, *_ = _pairs(digits)
    if not _is_short_date(year, month % 20, day):
        return False
    total = weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))
    return (10 - total % 10) % 10 == digits[10]


def se_personnummer(text: str) -> bool:
    """Sweden: a date (day plus 60 for coordination numbers) and Luhn over the last ten digits."""
    digits = digits_of(text)
    if len(digits) == 12:
        if digits[:2] not in ([1, 8], [1, 9], [2, 0]):
            return False
        digits = digits[2:]
    if len(digits) != 10:
        return False
    year, month, day, *_ = _pairs(digits)
    return _is_short_date(year, month, day - 60 if day > 60 else day) and luhn(
        "".join(map(str, digits))
    )


_HETU_CHARS: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def fi_hetu(text: str) -> bool:
    """Finland: a date, a century sign, and a check character by modulo 31."""
    code = text.upper()
    if len(code) != 11 or not (code[:6] + code[7:10]).isdecimal():
        return False
    if not _is_short_date(int(code[4:6]), int(code[2:4]), int(code[:2])):
        return False
    return _HETU_CHARS[int(code[:6] + code[7:10]) % 31] == code[10]


def no_fodselsnummer(text: str) -> bool:
    """Norway: a date (day plus 40 for D-numbers) and two check digits by modulo 11."""
    digits = digits_of(text)
    if len(digits) != 11:
        return False
    day, month, year, *_ = _pairs(digits)
    if not _is_short_date(year, month, day - 40 if day > 40 else day):
        return False
    first = weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    second = weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11
    return first == second == 0


def dk_cpr(text: str) -> bool:
    """Denmark: a date; the check digit of before 2007 is no longer required."""
    digits = digits_of(text)
    if len(digits) != 10:
        return False
    day, month, year, *_ = _pairs(digits)
    return _is_short_date(year, month, day) and any(digits[6:])


def pt_nif(text: str) -> bool:
    """Portugal: nine digits, a known first digit, modulo 11."""
    digits = digits_of(text)
    if len(digits) != 9 or digits[0] in (0, 4, 7) or len(set(digits)) < 3:
        return False
    check = 11 - weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if check > 9 else check) == digits[8]


def ch_ahv(text: str) -> bool:
    """Switzerland (AHV/AVS): thirteen digits from 756, EAN-13 check."""
    digits = digits_of(text)
    if len(digits) != 13 or digits[:3] != [7, 5, 6]:
        return False
    total = weighted(digits, (1, 3) * 6)
    return (10 - total % 10) % 10 == digits[12]


def tr_kimlik(text: str) -> bool:
    """Turkey: eleven digits with two check digits."""
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] == 0:
        return False
    tenth = (sum(digits[0:9:2]) * 7 - sum(digits[1:8:2])) % 10
    return tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


def il_id(text: str) -> bool:
    """Israel: nine digits, Luhn counted from the left."""
    digits = digits_of(text)
    return len(digits) == 9 and len(set(digits)) > 2 and luhn(text)


# South America, Africa, Asia, Oceania


def _br_check(digits: list[int], weights: tuple[int, ...]) -> int:
    rest = weighted(digits, weights) % 11
    return 0 if rest < 2 else 11 - rest


def br_cpf(text: str) -> bool:
    """Brazil, persons: eleven digits, two check digits by modulo 11."""
    d = digits_of(text)
    if len(d) != 11 or len(set(d)) == 1:
        return False
    first = _br_check(d, (10, 9, 8, 7, 6, 5, 4, 3, 2))
    return first == d[9] and _br_check(d, (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == d[10]


def br_cnpj(text: str) -> bool:
    """Brazil, companies: fourteen digits, two check digits by modulo 11."""
    d = digits_of(text)
    if len(d) != 14 or len(set(d)) == 1:
        return False
    weights = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return _br_check(d, weights) == d[12] and _br_check(d, (6, *weights)) == d[13]


_RUT_WEIGHTS: Final = (2, 3, 4, 5, 6, 7, 2, 3)


def cl_rut(text: str) -> bool:
    """Chile: seven or eight digits and a check character by modulo 11 (K for ten)."""
    code = _compact(text)
    body, check = code[:-1], code[-1:]
    if not body.isdecimal() or not 7 <= len(body) <= 8:
        return False
    total = weighted([int(char) for char in reversed(body)], _RUT_WEIGHTS)
    return "0K987654321"[total % 11] == check


def za_id(text: str) -> bool:
    """South Africa: a date, citizenship 0 to 2, Luhn."""
    digits = digits_of(text)
    if len(digits) != 13:
        return False
    year, month, day, *_ = _pairs(digits)
    return _is_short_date(year, month, day) and digits[10] <= 2 and luhn(text)


def in_aadhaar(text: str) -> bool:
    """India: twelve digits from 2 up, Verhoeff."""
    digits = digits_of(text)
    return len(digits) == 12 and digits[0] > 1 and len(set(digits)) > 2 and verhoeff(text)


def in_pan(text: str) -> bool:
    """India, tax: the fourth letter names the kind of holder; the number is not 0000."""
    return text[3:4].upper() in set("ABCFGHJLPT") and text[5:9] != "0000"


_CN_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def cn_resident_id(text: str) -> bool:
    """China: seventeen digits with a date, and a check character by ISO 7064 MOD 11-2."""
    code = text.upper()
    if len(code) != 18 or not code[:17].isdecimal() or code[0] in "09":
        return False
    if not 1880 <= int(code[6:10]) <= 2100:
        return False
    if not _is_date(int(code[6:10]), int(code[10:12]), int(code[12:14])):
        return False
    total = weighted([int(char) for char in code[:17]], _CN_WEIGHTS)
    return "10X98765432"[total % 11] == code[17]


def kr_rrn(text: str) -> bool:
    """South Korea: a date, a century digit, modulo 11 (not required of numbers from late 2020)."""
    digits = digits_of(text)
    if len(digits) != 13 or digits[6] not in range(1, 9):
        return False
    year, month, day, *_ = _pairs(digits)
    if not _is_short_date(year, month, day):
        return False
    total = weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    return (11 - total % 11) % 10 == digits[12]


def jp_my_number(text: str) -> bool:
    """Japan: twelve digits, modulo 11."""
    digits = digits_of(text)
    if len(digits) != 12 or len(set(digits)) < 3:
        return False
    rest = weighted(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == digits[11]


def sg_nric(text: str) -> bool:
    """Singapore: S, T, F, G or M, seven digits, a check letter by the series."""
    code = _compact(text)
    if len(code) != 9 or not code[1:8].isdecimal() or code[0] not in "STFGM":
        return False
    total = weighted([int(char) for char in code[1:8]], (2, 7, 6, 5, 4, 3, 2))
    total += {"T": 4, "G": 4, "M": 3}.get(code[0], 0)
    if code[0] == "M":
        return "KLJNPQRTUWX"[10 - total % 11] == code[8]
    letters = "JZIHGFEDCBA" if code[0] in "ST" else "XWUTRQPNMLK"
    return letters[total % 11] == code[8]


def au_tfn(text: str) -> bool:
    """Australia, tax: nine digits, modulo 11."""
    digits = digits_of(text)
    if len(digits) != 9 or len(set(digits)) < 3:
        return False
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def au_medicare(text: str) -> bool:
    """Australia, health: ten or eleven digits from 2 to 6, the ninth is the check digit."""
    digits = digits_of(text)
    if len(digits) not in (10, 11) or digits[0] not in range(2, 7) or digits[9] == 0:
        return False
    return weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == digits[8]
