"""How the text of a setting becomes its value. A ValueError says what would do."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_TRUE = frozenset(("1", "true", "yes", "on"))
_FALSE = frozenset(("0", "false", "no", "off", ""))
_UNITS = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
MASTER_KEY_BYTES = 32


def text(value: object) -> str:
    """One line of text."""
    found = str(value).strip()
    if any(ord(character) < 32 or ord(character) == 127 for character in found):
        raise ValueError("must be one line without control characters")
    return found


def boolean(value: object) -> bool:
    """1 or 0, in several spellings."""
    if isinstance(value, bool):
        return value
    found = str(value).strip().lower()
    if found not in _TRUE | _FALSE:
        raise ValueError("must be 1 or 0")
    return found in _TRUE


def positive(value: object) -> int:
    """A whole number from 1 on."""
    return _number(value, 1, 10**12)


def port(value: object) -> int:
    """A port; 0 lets the system choose."""
    return _number(value, 0, 65_535)


def bcrypt_cost(value: object) -> int:
    """4 to 16; each step doubles the time."""
    return _number(value, 4, 16)


def seconds(value: object) -> float:
    """A time in seconds, above 0."""
    try:
        found = float(str(value))
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 < found < 86_400:
        raise ValueError("must be a number of seconds above 0 and below a day")
    return found


def hours(value: object) -> float:
    """A number of hours from 0 to a year."""
    try:
        found = float(str(value))
    except ValueError:
        raise ValueError("must be a number of hours") from None
    if not 0 <= found <= 8760:
        raise ValueError("must be a number of hours from 0 to 8760")
    return found


def bytes_(value: object) -> int:
    """A size: ``1048576``, ``512k``, ``2g``."""
    found = str(value).strip().lower().removesuffix("b").removesuffix("i")
    factor = _UNITS.get(found[-1:], 1)
    return _number(found[:-1] if factor > 1 else found, 1, 2**60) * factor


def path(value: object) -> Path:
    """A path, ``~`` expanded."""
    if not str(value).strip():
        raise ValueError("must be a path")
    return Path(str(value)).expanduser().absolute()


def optional_path(value: object) -> Path | None:
    """The same; empty is none."""
    return path(value) if str(value).strip() else None


def url(value: object) -> str:
    """An http(s) URL without a slash at the end; empty is none."""
    found = text(value).rstrip("/")
    if found:
        try:
            parts = urlsplit(found)
            known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            known = False
        if not known or parts.query or parts.fragment or parts.username:
            raise ValueError("must be a URL such as https://rune.example.com")
    return found


def dsn(*schemes: str) -> Callable[[object], str]:
    """An address of one of these kinds; empty is none."""

    def convert(value: object) -> str:
        found = text(value)
        if found and urlsplit(found).scheme.split("+")[0] not in schemes:
            raise ValueError(f"must start with {' or '.join(f'{s}://' for s in schemes)}")
        return found

    return convert


def one_of(*choices: str) -> Callable[[object], Any]:
    """One of these words."""

    def convert(value: object) -> str:
        found = str(value).strip().lower()
        if found not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return found

    return convert


def networks(value: object) -> tuple[str, ...]:
    """Networks such as ``10.0.0.0/8``, comma-separated."""
    found = []
    for part in _parts(value):
        try:
            found.append(str(ipaddress.ip_network(part)))
        except ValueError:
            raise ValueError("must be networks such as 10.0.0.0/8, comma-separated") from None
    return tuple(found)


def master_key(value: object) -> str:
    """32 bytes, given in base64 or hex; kept in hex. Empty is none."""
    found = str(value).strip()
    if not found:
        return ""
    try:
        raw = bytes.fromhex(found)
    except ValueError:
        try:
            padded = found.replace("-", "+").replace("_", "/")
            raw = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
        except binascii.Error:
            raw = b""
    if len(raw) != MASTER_KEY_BYTES:
        raise ValueError(
            "must be 32 random bytes in base64 or hex, as `rune keys new-master` prints them"
        )
    return raw.hex()


def master_keys(value: object) -> tuple[str, ...]:
    """Several of them, comma-separated."""
    return tuple(master_key(part) for part in _parts(value))


def _parts(value: object) -> list[str]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    return [str(part).strip() for part in parts if str(part).strip()]


def _number(value: object, least: int, most: int) -> int:
    try:
        found = int(str(value))
    except ValueError:
        raise ValueError("must be a whole number") from None
    if not least <= found <= most:
        raise ValueError(f"must be between {least} and {most}")
    return found
