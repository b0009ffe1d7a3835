"""What a kind of value is, and the small tools that kinds are made of."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Make = Callable[[Random], str]

LETTERS = string.ascii_letters
DIGITS = string.digits
ALNUM = LETTERS + DIGITS
LOWER = string.ascii_lowercase + DIGITS
UPPER = string.ascii_uppercase + DIGITS
HEX = "0123456789abcdef"
URLSAFE = ALNUM + "-_"
BASE64 = ALNUM + "+/"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of secret or personal datum.

    Attributes:
        name: What the report calls it.
        threat: ``secret_exposure`` or ``pii_exposure``.
        fields: What people call a field that holds it; it stands beside the value.
        make: Makes a valid value.
        wrong: Makes values that look alike and are not valid, by what is wrong with them.
            ``placeholder`` values stand in a field of the kind, so do wrong personal data;
            wrong secrets stand in neutral fields, for a random string in a field called
            ``api_key`` is rightly found whatever its form.
        bare: Whether the value carries its own proof, so that it may stand without its name.
        template: A text around the value when it makes sense only there (``{}``).
    """

    name: str
    threat: str
    fields: tuple[str, ...]
    make: Make
    wrong: tuple[tuple[str, Make], ...] = ()
    bare: bool = True
    template: str = ""


def chars(random: Random, alphabet: str, count: int) -> str:
    """``count`` random characters that neither begin nor end with a sign."""
    out = [random.choice(alphabet) for _ in range(count)]
    plain = [char for char in alphabet if char.isalnum()]
    if out:
        out[0] = random.choice(plain)
        out[-1] = random.choice(plain)
    return "".join(out)


def filled(alphabet: str, random: Random, count: int) -> str:
    """What people write where ``count`` characters of a secret should stand."""
    if alphabet == HEX:
        return random.choice(("0" * count, ("1234567890abcdef" * 12)[:count], "f" * count))
    longest = ("your-key-here", "YOUR_TOKEN_HERE", "<your-token>", "EXAMPLE", "${TOKEN}")
    return random.choice(("x" * count, "X" * count, "*" * count, *longest))


def prefixed(
    name: str,
    fields: str,
    prefix: str,
    alphabet: str,
    count: int,
    suffix: str = "",
) -> Kind:
    """A secret of a fixed prefix and length."""

    def make(random: Random) -> str:
        return prefix + chars(random, alphabet, count) + suffix

    def shortened(random: Random) -> str:
        return prefix + chars(random, alphabet, min(10, count // 2))

    def other_prefix(random: Random) -> str:
        return "zq" + random.choice("-_.") + chars(random, alphabet, count)

    def placeholder(random: Random) -> str:
        return prefix + filled(alphabet, random, count) + suffix

    wrong: list[tuple[str, Make]] = [("length", shortened), ("placeholder", placeholder)]
    if prefix:
        wrong.append(("prefix", other_prefix))
    return Kind(name, "secret_exposure", tuple(fields.split(",")), make, tuple(wrong))


def named(name: str, fields: str, alphabet: str, count: int, prefix: str = "") -> Kind:
    """A secret without a mark of its own, which only its name tells."""

    def make(random: Random) -> str:
        return prefix + chars(random, alphabet, count - len(prefix))

    def placeholder(random: Random) -> str:
        return filled(alphabet, random, count)

    def length(random: Random) -> str:
        return chars(random, alphabet, max(6, count // 4))

    wrong = (("placeholder", placeholder), ("length", length))
    return Kind(name, "secret_exposure", tuple(fields.split(",")), make, wrong, bare=False)


def personal(
    name: str,
    fields: str,
    make: Make,
    *wrong: tuple[str, Make],
    bare: bool = False,
) -> Kind:
    """A kind of personal data."""
    return Kind(name, "pii_exposure", tuple(fields.split(",")), make, wrong, bare)


def digits(random: Random, count: int, first: str = DIGITS) -> str:
    """``count`` digits, the first from ``first``."""
    return random.choice(first) + "".join(random.choice(DIGITS) for _ in range(count - 1))


def uuid4(random: Random) -> str:
    """A version-4 UUID."""
    text = chars(random, HEX, 32)
    last = text[20:]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{random.choice('89ab')}{text[17:20]}-{last}"


def changed_digit(make: Make, *, last: bool = True) -> Make:
    """Values of ``make`` with one digit changed: the last, or some digit."""

    def wrong(random: Random) -> str:
        value = make(random)
        places = [index for index, char in enumerate(value) if char.isdigit()]
        at = places[-1] if last else random.choice(places[2:])
        digit = str((int(value[at]) + random.randint(1, 8)) % 10)
        if digit == value[at]:
            digit = str((int(digit) + 1) % 10)
        return value[:at] + digit + value[at + 1 :]

    return wrong
