"""Valid and nearly valid personal data, written from the issuers' published formats."""

# ruff: noqa: E501 (one kind a line, so that the formats read as a table)

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING

from benchmarks.secrets_pii.kinds import (
    HEX,
    UPPER,
    Kind,
    Make,
    changed_digit,
    chars,
    digits,
    personal,
)
from benchmarks.secrets_pii.secrets import _base58check, _swapped

if TYPE_CHECKING:
    from random import Random

_FIRST = ("anna", "joao", "mehmet", "li.wei", "sofia", "piotr", "grace", "noah", "yuki", "omar")
_LAST = ("meyer", "silva", "demir", "kowalska", "okafor", "rossi", "tanaka", "nilsen", "garcia")
_HOSTS = ("acme.dev", "mail.acme.co.uk", "posteo.de", "gmail.com", "firma.com.br", "uni-koeln.de")


def _luhn_digit(body: str) -> str:
    total = 0
    for index, char in enumerate(reversed(body)):
        value = int(char) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _dot(text: str, weights: tuple[int, ...]) -> int:
    return sum(int(char) * weight for char, weight in zip(text, weights, strict=False))


def _birth(random: Random) -> date:
    return date(1945, 1, 1) + timedelta(days=random.randrange(365 * 60))


def _card(random: Random) -> str:
    prefix, length = random.choice(
        (("4", 16), ("4", 16), ("51", 16), ("54", 16), ("2330", 16), ("34", 15), ("37", 15),
         ("6011", 16), ("65", 16), ("36", 14), ("3540", 16), ("62", 16))
    )  # fmt: skip
    body = prefix + digits(random, length - 1 - len(prefix))
    return body + _luhn_digit(body)


def _card_grouped(random: Random) -> str:
    while len(number := _card(random)) != 16:
        pass
    return random.choice((" ", "-")).join(number[at : at + 4] for at in range(0, 16, 4))


_BBAN = {
    "DE": "n18", "GB": "a4n14", "FR": "n10c11n2", "ES": "n20", "IT": "a1n10c12", "NL": "a4n10",
    "BE": "n12", "CH": "n5c12", "AT": "n16", "PL": "n24", "PT": "n21", "SE": "n20", "NO": "n11",
    "DK": "n14", "FI": "n14", "TR": "n5n1c16", "AE": "n3n16", "SA": "n2c18", "BR": "n23a1c1",
}  # fmt: skip


def _iban(random: Random) -> str:
    country, shape = random.choice(list(_BBAN.items()))
    body, count = "", ""
    kind = ""
    for char in shape + "?":
        if char.isdigit():
            count += char
            continue
        if kind:
            alphabet = {"n": "0123456789", "a": UPPER[:26], "c": UPPER}[kind]
            body += "".join(random.choice(alphabet) for _ in range(int(count)))
        kind, count = char, ""
    number = "".join(str(int(char, 36)) for char in body + country + "00")
    return f"{country}{98 - int(number) % 97:02d}{body}"


def _iban_grouped(random: Random) -> str:
    text = _iban(random)
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _ssn(random: Random) -> str:
    area = random.choice([n for n in range(1, 900) if n != 666])
    return f"{area:03d}-{random.randint(1, 99):02d}-{random.randint(1, 9999):04d}"


def _bad_ssn(random: Random) -> str:
    return random.choice(("000-12-", "666-12-", "943-12-", "123-00-")) + digits(random, 4, "1234")


def _itin(random: Random) -> str:
    return f"9{digits(random, 2)}-{random.choice((50, 61, 70, 78, 85, 90, 95))}-{digits(random, 4)}"


def _email(random: Random) -> str:
    joint = random.choice((".", "_", "", "+x."))
    return f"{random.choice(_FIRST)}{joint}{random.choice(_LAST)}@{random.choice(_HOSTS)}"


def _not_email(random: Random) -> str:
    return random.choice(
        ("logo@2x.png", "react@18.2.0", "@acme/ui", "user@localhost", "git@github.com:acme/x.git")
    )


def _phone_e164(random: Random) -> str:
    return random.choice(
        (
            f"+49 30 {digits(random, 6, '23456789')}",
            f"+1 {random.choice((212, 415, 646, 703))} {random.randint(220, 999)} {digits(random, 4)}",
            f"+44 20 7{digits(random, 3)} {digits(random, 4)}",
            f"+33{random.choice('67')}{digits(random, 8)}",
            f"+55 11 9{digits(random, 4)}-{digits(random, 4)}",
            f"+81-90-{digits(random, 4)}-{digits(random, 4)}",
            f"+91 9{digits(random, 4)} {digits(random, 5)}",
            f"+86138{digits(random, 8)}",
            f"+61 4{digits(random, 2)} {digits(random, 3)} {digits(random, 3)}",
        )
    )


def _phone_us(random: Random) -> str:
    area = random.choice((212, 305, 415, 512, 617, 702, 808))
    exchange, line = random.choice([n for n in range(220, 999) if n % 100 != 11]), digits(random, 4)
    return random.choice(
        (f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}", f"{area}.{exchange}.{line}")
    )


def _phone_local(random: Random) -> str:
    return random.choice(
        (
            f"0{random.choice((30, 40, 89, 221))} {digits(random, 7, '23456789')}",
            f"07{digits(random, 3)} {digits(random, 6)}",
            f"06 {' '.join(digits(random, 2) for _ in range(4))}",
            f"0151 {digits(random, 8)}",
            f"{random.choice((212, 415))}5{digits(random, 6, '23456789')}",
        )
    )


def _not_phone(random: Random) -> str:
    return random.choice(
        (
            "2026-11-23",
            "12.5 MB",
            "3.14159",
            "10:45-11:30",
            "1111111111",
            "N/A",
            "unknown",
            "ext 42",
        )
    )


def _ipv4(random: Random) -> str:
    first = random.choice((23, 34, 52, 77, 81, 93, 104, 131, 151, 185, 195, 212))
    return f"{first}.{random.randint(20, 99)}.{random.randint(0, 255)}.{random.randint(1, 254)}"


def _not_ipv4(random: Random) -> str:
    return random.choice(
        (f"10.{random.randint(0, 255)}.0.7", f"192.168.1.{random.randint(2, 250)}", "127.0.0.1",
         "0.0.0.0", f"172.16.4.{random.randint(1, 200)}", "203.0.113.7", "300.400.1.2", "1.2.3.4")
    )  # fmt: skip


def _ipv6(random: Random) -> str:
    net = random.choice(("2a02:8108", "2003:e7", "2600:1f18", "2a00:1450", "2804:14c"))
    return net + ":" + ":".join(f"{random.randint(1, 0xFFFF):x}" for _ in range(6))


def _mac(random: Random) -> str:
    first = random.choice(("3c", "a4", "f0", "00", "b8", "dc"))
    sep = random.choice(":-")
    return sep.join((first, *(f"{random.randint(16, 255):02x}" for _ in range(5))))


def _mrz_digit(field: str) -> str:
    values = [0 if char == "<" else int(char, 36) for char in field]
    return str(sum(value * (7, 3, 1)[at % 3] for at, value in enumerate(values)) % 10)


def _mrz(random: Random, *, broken: bool = False) -> str:
    name = f"P<{random.choice(('D<<', 'UTO', 'BRA', 'POL'))}{random.choice(_LAST).upper()}<<GRACE"
    number = chars(random, "CFGHJKLMNPRTVWXYZ0123456789", 9)
    born = _birth(random).strftime("%y%m%d")
    expiry = f"3{random.randint(0, 5)}{random.randint(1, 12):02d}15"
    check = _mrz_digit(number)
    if broken:
        check = str((int(check) + 3) % 10)
    line = f"{number}{check}UTO{born}{_mrz_digit(born)}F{expiry}{_mrz_digit(expiry)}"
    optional = "<" * 14
    line += optional + "<"
    rest = line[:10] + line[13:20] + line[21:43]
    return name.ljust(44, "<") + "\n" + line.ljust(43, "<") + _mrz_digit(rest)


def _passport(random: Random) -> str:
    return random.choice(
        (digits(random, 9, "123456789"), f"C{digits(random, 8)}", f"AB{digits(random, 7)}")
    )


def _born(random: Random) -> str:
    day = _birth(random)
    forms = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%B %d, %Y")
    return day.strftime(random.choice(forms))


def _address(random: Random) -> str:
    street = random.choice(
        ("Oak Street", "Maple Ave", "N. Lincoln Blvd", "Old Mill Road", "5th Ave")
    )
    town = random.choice(("Springfield, IL", "Austin, TX", "Portland, OR", "Boston, MA"))
    return f"{random.randint(10, 9900)} {street}, {town} {digits(random, 5)}"


# National ids. Each function computes the check digits; the twin with a digit changed is wrong.


def _nhs(random: Random) -> str:
    while True:
        body = digits(random, 9, "4679")
        check = 11 - _dot(body, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
        if check != 10:
            number = body + str(check % 11)
            return random.choice((number, f"{number[:3]} {number[3:6]} {number[6:]}"))


def _nino(random: Random) -> str:
    letters = random.choice(("AB", "CE", "JG", "NX", "WM", "SK"))
    body = digits(random, 6)
    if random.random() < 0.5:
        body = f" {body[:2]} {body[2:4]} {body[4:]} "
    return f"{letters}{body}{random.choice('ABCD')}"


def _steuer(random: Random) -> str:
    pool = list("0123456789")
    random.shuffle(pool)
    ten = [*pool[:9], random.choice(pool[:9])]
    random.shuffle(ten)
    if ten[0] == "0":
        return _steuer(random)
    product = 10
    for char in ten:
        total = (int(char) + product) % 10 or 10
        product = total * 2 % 11
    return "".join(ten) + str((11 - product) % 10)


def _nir(random: Random) -> str:
    born = _birth(random)
    body = f"{random.choice('12')}{born:%y%m}{random.randint(1, 95):02d}{random.randint(1, 899):03d}{random.randint(1, 999):03d}"
    if body[5:7] == "20":
        return _nir(random)
    return f"{body}{97 - int(body) % 97:02d}"


def _dni(random: Random) -> str:
    if random.random() < 0.4:
        number = digits(random, 7)
        first = random.randrange(3)
        return f"{'XYZ'[first]}{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(f'{first}{number}') % 23]}"
    number = digits(random, 8)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(number) % 23]}"


def _codice(random: Random) -> str:
    day = _birth(random)
    number = day.day + random.choice((0, 40))
    names = random.choice(("RSSMRA", "VRDLGI", "BNCNNA", "FRRGPP"))
    body = f"{names}{day:%y}{'ABCDEHLMPRST'[day.month - 1]}{number:02d}{random.choice('AFHL')}{digits(random, 3)}"
    odds = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23), strict=True))  # fmt: skip
    total = 0
    for place, char in enumerate(body, start=1):
        even = int(char) if char.isdigit() else ord(char) - 65
        total += odds[char] if place % 2 else even
    return body + chr(65 + total % 26)


def _bsn(random: Random) -> str:
    while True:
        body = digits(random, 8, "12345678")
        check = _dot(body, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
        if check < 10:
            return body + str(check)


def _rijksregister(random: Random) -> str:
    born = _birth(random)
    serial = random.randint(1, 997)
    number = int(f"{born:%y%m%d}{serial:03d}") + (2_000_000_000 if born.year >= 2000 else 0)
    text = f"{born:%y%m%d}{serial:03d}{97 - number % 97:02d}"
    return random.choice((text, f"{text[:2]}.{text[2:4]}.{text[4:6]}-{text[6:9]}.{text[9:]}"))


def _pesel(random: Random) -> str:
    born = _birth(random)
    month = born.month + (20 if born.year >= 2000 else 0)
    body = f"{born:%y}{month:02d}{born:%d}{digits(random, 4)}"
    return body + str(-_dot(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def _personnummer(random: Random) -> str:
    born = _birth(random)
    body = f"{born:%y%m%d}{digits(random, 3)}"
    century = random.choice(("", str(born.year // 100)))
    return f"{century}{body[:6]}-{body[6:]}{_luhn_digit(body)}"


def _hetu(random: Random) -> str:
    born = _birth(random)
    serial = f"{random.randint(2, 899):03d}"
    check = "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(f"{born:%d%m%y}{serial}") % 31]
    return f"{born:%d%m%y}{'-' if born.year < 2000 else 'A'}{serial}{check}"


def _fodselsnummer(random: Random) -> str:
    while True:
        body = f"{_birth(random):%d%m%y}{digits(random, 3)}"
        first = -_dot(body, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
        second = -_dot(f"{body}{first}", (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        if first < 10 and second < 10:
            return f"{body}{first}{second}"


def _cpr(random: Random) -> str:
    return f"{_birth(random):%d%m%y}{random.choice(('-', ''))}{digits(random, 4, '123456789')}"


def _nif(random: Random) -> str:
    body = digits(random, 8, "12356")
    check = 11 - _dot(body, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return body + str(check if check < 10 else 0)


def _ahv(random: Random) -> str:
    body = "756" + digits(random, 9)
    number = body + str(-_dot(body, (1, 3) * 6) % 10)
    return random.choice((number, f"{number[:3]}.{number[3:7]}.{number[7:11]}.{number[11:]}"))


def _kimlik(random: Random) -> str:
    nine = digits(random, 9, "123456789")
    tenth = (7 * sum(map(int, nine[::2])) - sum(map(int, nine[1:8:2]))) % 10
    return f"{nine}{tenth}{(sum(map(int, nine)) + tenth) % 10}"


def _teudat(random: Random) -> str:
    body = digits(random, 8, "0123")
    return body + _luhn_digit(body)


def _mod11_two(body: str, first: tuple[int, ...]) -> str:
    for weights in (first, (first[0] + 1, *first)):
        rest = _dot(body, weights) % 11
        body += "0" if rest < 2 else str(11 - rest)
    return body


def _cpf(random: Random) -> str:
    number = _mod11_two(digits(random, 9), (10, 9, 8, 7, 6, 5, 4, 3, 2))
    return random.choice((number, f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"))


def _cnpj(random: Random) -> str:
    body = digits(random, 8) + "0001"
    one = _dot(body, (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    body += "0" if one < 2 else str(11 - one)
    two = _dot(body, (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    n = body + ("0" if two < 2 else str(11 - two))
    return f"{n[:2]}.{n[2:5]}.{n[5:8]}/{n[8:12]}-{n[12:]}"


_D5 = [[(a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5 for b in range(10)] for a in range(5)]
_D5 += [[5 + (a - b) % 5 if b < 5 else (a - (b - 5)) % 5 for b in range(10)] for a in range(5)]


def _verhoeff_digit(body: str) -> str:
    turn = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(turn[value] for value in rows[-1]))
    for check in range(10):
        state = 0
        for place, char in enumerate(reversed(body + str(check))):
            state = _D5[state][rows[place % 8][int(char)]]
        if state == 0:
            return str(check)
    raise AssertionError("a Verhoeff digit always exists")


def _aadhaar(random: Random) -> str:
    body = digits(random, 11, "23456789")
    number = body + _verhoeff_digit(body)
    return random.choice((number, f"{number[:4]} {number[4:8]} {number[8:]}"))


def _pan(random: Random) -> str:
    return f"{chars(random, UPPER[:26], 3)}{random.choice('PCFH')}{chars(random, UPPER[:26], 1)}{digits(random, 4, '123456789')}{chars(random, UPPER[:26], 1)}"


def _resident_id(random: Random) -> str:
    body = f"{random.choice(('110101', '310104', '440305', '510107'))}{_birth(random):%Y%m%d}{digits(random, 3)}"
    total = _dot(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return body + "10X98765432"[total % 11]


def _rrn(random: Random) -> str:
    born = _birth(random)
    body = f"{born:%y%m%d}{random.choice('12' if born.year < 2000 else '34')}{digits(random, 5)}"
    check = (11 - _dot(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return f"{body[:6]}-{body[6:]}{check}"


def _my_number(random: Random) -> str:
    body = digits(random, 11)
    rest = _dot(body, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return body + str(0 if rest <= 1 else 11 - rest)


def _nric(random: Random) -> str:
    series, body = random.choice("STFG"), digits(random, 7)
    total = _dot(body, (2, 7, 6, 5, 4, 3, 2)) + (4 if series in "TG" else 0)
    return series + body + ("JZIHGFEDCBA" if series in "ST" else "XWUTRQPNMLK")[total % 11]


def _sa_id(random: Random) -> str:
    body = f"{_birth(random):%y%m%d}{digits(random, 4)}{random.choice('01')}8"
    return body + _luhn_digit(body)


def _tfn(random: Random) -> str:
    while True:
        text = digits(random, 9, "123456789")
        if _dot(text, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0:
            return text


def _medicare(random: Random) -> str:
    body = digits(random, 8, "23456")
    check = _dot(body, (1, 3, 7, 9, 1, 3, 7, 9)) % 10
    return f"{body[:4]} {body[4:]}{check} {random.randint(1, 9)}"


def _sin(random: Random) -> str:
    body = digits(random, 8, "1234567")
    text = body + _luhn_digit(body)
    return random.choice(
        (text, f"{text[:3]}-{text[3:6]}-{text[6:]}", f"{text[:3]} {text[3:6]} {text[6:]}")
    )


def _curp(random: Random) -> str:
    body = f"{random.choice(('GARC', 'LOPM', 'HEGG'))}{_birth(random):%y%m%d}{random.choice('HM')}{random.choice(('DF', 'JC', 'NL'))}{chars(random, 'BCDFGHJKLMNPQRSTVWXYZ', 3)}{random.choice('0A')}"
    alphabet = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    total = sum(alphabet.index(char) * (18 - at) for at, char in enumerate(body))
    return body + str(-total % 10)


def _rut(random: Random) -> str:
    number = random.randint(5_000_000, 24_999_999)
    total = sum(int(c) * (2 + at % 6) for at, c in enumerate(reversed(str(number))))
    check = "0123456789K0"[11 - total % 11]
    return f"{number:,}".replace(",", ".") + "-" + check


# Wallets, banks, vehicles, medicine.


def _bitcoin(random: Random) -> str:
    return _base58check(random.choice((b"\0", b"\5")) + random.randbytes(20))


def _segwit(random: Random) -> str:
    from benchmarks.secrets_pii.secrets import _BECH32, _bech32_checksum

    data = [0] + [random.randrange(32) for _ in range(32)]
    return "bc1" + "".join(_BECH32[value] for value in data + _bech32_checksum("bc", data))


def _ethereum(random: Random) -> str:
    return "0x" + chars(random, HEX, 40)


def _routing(random: Random) -> str:
    body = random.choice(("0210", "1110", "3222", "0710")) + digits(random, 4)
    return body + str(-_dot(body, (3, 7, 1, 3, 7, 1, 3, 7)) % 10)


def _vin(random: Random) -> str:
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))  # fmt: skip
    head = random.choice(("1HGCM", "WVWZZ", "JH4KA", "5YJ3E")) + chars(
        random, "ABCDEFGHJKLMNPRSTUVWXYZ", 3
    )
    tail = random.choice("ABCDEFGHJ") + random.choice("ABCF") + digits(random, 6)
    text = f"{head}0{tail}"
    total = _dot2([values.get(c, 0) or int(c) if c.isdigit() else values[c] for c in text])
    return f"{head}{'0123456789X'[total % 11]}{tail}"


def _dot2(numbers: list[int]) -> int:
    return sum(n * w for n, w in zip(numbers, (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2), strict=True))  # fmt: skip


def _imei(random: Random) -> str:
    body = "35" + digits(random, 12)
    return body + _luhn_digit(body)


def _wrong_letter(make: Make) -> Make:
    def wrong(random: Random) -> str:
        value = make(random)
        return value[:-1] + random.choice([c for c in "BCDEFGHJKMNPRSTW" if c != value[-1]])

    return wrong


def _hash_hex(random: Random) -> str:
    return "0x" + hashlib.sha1(random.randbytes(8)).hexdigest()[:32]


def _checked(name: str, fields: str, make: Make, *, bare: bool = False) -> Kind:
    return personal(name, fields, make, ("checksum", changed_digit(make)), bare=bare)


def _plain(name: str, fields: str, make: Make, *wrong: str) -> Kind:
    return personal(name, fields, make, ("form", lambda random: random.choice(wrong)))


PERSONAL: tuple[Kind, ...] = (
    _checked("payment card", "card_number,credit card,pan", _card),
    _checked("payment card, grouped", "card,Card number", _card_grouped, bare=True),
    _checked("iban", "iban,IBAN", _iban, bare=True),
    _checked("iban, grouped", "IBAN,account", _iban_grouped, bare=True),
    personal("us ssn", "ssn,SSN,social security number", _ssn, ("range", _bad_ssn), bare=True),
    personal("us itin", "itin,ITIN", _itin, ("range", lambda r: f"9{digits(r, 2)}-4{digits(r, 1, '0123456')}-{digits(r, 4)}")),
    personal("e-mail", "email,contact,from", _email, ("form", _not_email), bare=True),
    personal("phone, international", "phone,tel,mobile", _phone_e164, ("form", _not_phone), bare=True),
    personal("phone, american", "phone,fax,contact", _phone_us, ("form", _not_phone), bare=True),
    personal("phone, local", "phone,mobile,telefon", _phone_local, ("form", _not_phone)),
    personal("ipv4", "ip,client_ip,remote_addr", _ipv4, ("range", _not_ipv4), bare=True),
    personal("ipv6", "ip,addr", _ipv6, ("range", lambda r: "fe80::" + chars(r, HEX, 4)), bare=True),
    personal("mac", "mac,hwaddr", _mac, ("form", lambda r: r.choice(("ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "12:30:45"))), bare=True),
    personal("passport mrz", "mrz", _mrz, ("checksum", lambda r: _mrz(r, broken=True)), bare=True),
    _plain("passport number", "passport_number,passport no,Passport", _passport, "required", "n/a", "12", "expired"),
    _plain("date of birth", "date_of_birth,dob,birthdate,Date of birth", _born, "unknown", "45/45/1986", "1986", "12:30"),
    personal("us address", "address,ship_to,home", _address, ("form", lambda r: f"{r.randint(2, 90)} Oak Street"), bare=True),
    _checked("uk nhs", "nhs_number,NHS number", _nhs),
    personal("uk nino", "nino,NI number", _nino, ("prefix", lambda r: f"BG{digits(r, 6)}E"), bare=True),
    _checked("de tax id", "steuer_id,Steuer-ID,IdNr", _steuer),
    _checked("fr nir", "nir,numero de securite sociale", _nir, bare=True),
    personal("es dni/nie", "dni,NIE,documento", _dni, ("checksum", changed_digit(_dni)), bare=True),
    personal("it codice fiscale", "codice_fiscale,CF", _codice, ("checksum", _wrong_letter(_codice)), bare=True),
    _checked("nl bsn", "bsn,BSN,burgerservicenummer", _bsn),
    _checked("be national number", "rijksregisternummer,insz,NISS", _rijksregister),
    _checked("pl pesel", "pesel,PESEL", _pesel),
    _checked("se personnummer", "personnummer,personnr", _personnummer, bare=True),
    personal("fi hetu", "hetu,henkilotunnus", _hetu, ("checksum", changed_digit(_hetu, last=False)), bare=True),
    _checked("no fodselsnummer", "fodselsnummer,fnr", _fodselsnummer),
    _plain("dk cpr", "cpr,CPR-nummer", _cpr, "999999-0000", "missing", "45-1986"),
    _checked("pt nif", "nif,NIF,contribuinte", _nif),
    _checked("ch ahv", "ahv,AHV-Nr", _ahv, bare=True),
    _checked("tr kimlik", "tc_kimlik,TCKN,kimlik no", _kimlik),
    _checked("il id", "teudat_zehut,israeli id", _teudat),
    _checked("br cpf", "cpf,CPF", _cpf),
    _checked("br cnpj", "cnpj,CNPJ", _cnpj, bare=True),
    _checked("cl rut", "rut,RUT", _rut, bare=True),
    _checked("za id", "id_number,SA ID number", _sa_id),
    _checked("in aadhaar", "aadhaar,Aadhaar no", _aadhaar),
    personal("in pan", "pan,PAN", _pan, ("form", lambda r: f"ABC{chars(r, 'DEIK', 1)}K{digits(r, 4)}F")),
    personal("cn resident id", "id_card,身份证", _resident_id, ("checksum", changed_digit(_resident_id, last=False)), bare=True),
    _checked("kr rrn", "rrn,주민등록번호", _rrn, bare=True),
    _checked("jp my number", "my_number,マイナンバー", _my_number),
    personal("sg nric", "nric,NRIC", _nric, ("checksum", changed_digit(_nric)), bare=True),
    _checked("au tfn", "tfn,TFN,tax file number", _tfn),
    personal("au medicare", "medicare,medicare card", _medicare, ("checksum", lambda r: _medicare(r)[:9] + "x")),
    _checked("ca sin", "sin,social insurance number", _sin),
    personal("mx curp", "curp,CURP", _curp, ("checksum", changed_digit(_curp)), bare=True),
    personal("bitcoin", "btc_address,wallet", _bitcoin, ("checksum", _swapped(_bitcoin)), bare=True),
    personal("bitcoin segwit", "btc_address,wallet", _segwit, ("checksum", lambda r: _segwit(r)[:-1] + "b"), bare=True),
    personal("ethereum", "eth_address,wallet,wallet_address", _ethereum, ("length", _hash_hex)),
    _checked("us routing number", "routing_number,ABA routing", _routing),
    _plain("bank account", "account_number,bank account number", lambda r: digits(r, r.randint(8, 12), "123456789"), "pending", "5", "closed"),
    personal("vin", "vin,vehicle", _vin, ("length", lambda r: _vin(r)[:13])),
    _checked("imei", "imei,IMEI", _imei),
    _plain("medical record", "mrn,patient_id,medical record number", lambda r: digits(r, 8), "missing", "12", "pending"),
    _plain("driver licence", "drivers_license,driver license number", lambda r: random_letter(r) + digits(r, 7), "required", "expired", "class B"),
)  # fmt: skip


def random_letter(random: Random) -> str:
    """One of the letters that US licences begin with."""
    return random.choice("ACDFMNSW")
