"""Internet addresses, hardware addresses, e-mail addresses and telephone numbers."""

from __future__ import annotations

import re
from typing import Final

from rune_scanner.validators.checksums import digits_of

_RESOLVERS: Final = frozenset(
    (
        *("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "149.112.112.112"),
        *("208.67.222.222", "208.67.220.220"),
        *("2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111"),
    )
)
_HEX: Final = frozenset("0123456789abcdef")
_FILE_ENDINGS: Final = (
    "png jpg jpeg gif svg webp ico css js ts jsx tsx json html "
    "htm php py rb go java yml yaml toml xml txt md exe dll "
    "so zip tar gz local localhost lan internal invalid test example localdomain service timer "
    "target git patch "
)
_NOT_TLDS: Final = frozenset(_FILE_ENDINGS.split())
# E.164 country codes. All one- and two-digit codes; three-digit codes begin with these two.
_CODES_1: Final = frozenset("17")
_CODES_2: Final = frozenset(
    (
        *("20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46"),
        *("47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63"),
        *("64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98"),
    )
)
_CODES_3_BEGIN: Final = "21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99"
_CODES_3: Final = frozenset(_CODES_3_BEGIN.split())


_DATE_OR_DECIMAL: Final = re.compile(
    r"\b(?:19|20)\d\d[-/. ](?:0?[1-9]|1[0-2])[-/. ](?:0?[1-9]|[12]\d|3[01])\b"
    r"|\b\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d\d\b"
    r"|^(?:19|20)\d\d-(?:19|20)\d\d$|^\d{1,5}\.\d{1,12}$"
)


def ipv4_public(text: str) -> bool:
    """Whether ``text`` is a public IPv4 address of a host.

    Private and reserved ranges and public resolvers are not; nor is what reads like a version
    (``1.2.3.4``).
    """
    from ipaddress import IPv4Address

    try:
        address = IPv4Address(text)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or text in _RESOLVERS:
        return False
    octets = [int(part) for part in text.split(".")]
    return max(octets) > 19 and octets[0] != 0


def ipv6_public(text: str) -> bool:
    """Whether ``text`` is a global unicast IPv6 address (2000::/3) of a host."""
    from ipaddress import IPv6Address

    try:
        address = IPv6Address(text)
    except ValueError:
        return False
    return address.is_global and address.packed[0] >> 5 == 1 and str(address) not in _RESOLVERS


def mac_address(text: str) -> bool:
    """Whether ``text`` is the hardware address of one device, not of a group or a filler."""
    compact = text.replace(":", "").replace("-", "").replace(".", "").lower()
    if len(compact) != 12 or len(set(compact)) < 4 or set(compact) - _HEX:
        return False
    if compact in ("001122334455", "aabbccddeeff", "112233445566", "0123456789ab"):
        return False
    if "." in text and compact.isdecimal():
        return False
    return not int(compact[1], 16) & 1


def email(text: str) -> bool:
    """Whether ``text`` can be somebody's address: sane dots, a real-looking top-level domain."""
    local, _, domain = text.rpartition("@")
    labels = domain.lower().split(".")
    if not local or len(local) > 64 or len(domain) > 253 or len(labels) < 2:
        return False
    if ".." in text or ":" in local or "/" in local or local[0] == "." or local[-1] == ".":
        return False
    if any(not label or label[0] == "-" or label[-1] == "-" for label in labels):
        return False
    return labels[-1] not in _NOT_TLDS and labels[-1].isalpha() and len(labels[-1]) >= 2


def phone_international(text: str) -> bool:
    """Whether ``+…`` can be an E.164 number: an assigned country code, 8 to 15 digits."""
    digits = "".join(map(str, digits_of(text)))
    if digits.startswith("00") and "+" not in text:
        digits = digits[2:]
    if not 8 <= len(digits) <= 15 or len(set(digits)) < 3:
        return False
    if digits[0] == "1":
        return len(digits) == 11 and phone_nanp(digits[1:])
    known = digits[0] in _CODES_1 or digits[:2] in _CODES_2 or digits[:2] in _CODES_3
    return known and not _counts(digits)


def phone_nanp(text: str) -> bool:
    """Whether the digits fit the North American plan: NXX-NXX-XXXX, no N11 codes."""
    digits = "".join(map(str, digits_of(text)))
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    if len(digits) != 10 or digits[0] in "01" or digits[3] in "01":
        return False
    if digits[1:3] == "11" or digits[4:6] == "11" or digits[1] == "9":
        return False
    return len(set(digits)) > 2


def phone_national(text: str) -> bool:
    """Whether the national way of writing has 7 to 12 digits, no filler, date or decimal."""
    digits = "".join(map(str, digits_of(text)))
    return 7 <= len(digits) <= 12 and len(set(digits)) > 2 and not _DATE_OR_DECIMAL.search(text)


def _counts(digits: str) -> bool:
    return digits in "01234567890123456789" or digits in "98765432109876543210"
