"""Names and addresses that people give things, checked in one place."""

from __future__ import annotations

import re
import unicodedata

from rune_server.errors import UnprocessableError

MAX_NAME = 128
MAX_EMAIL = 254
# Deliberately plain: one @, a dot in the host, nothing that could start a header or another
# address.
_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)


def checked_name(name: str, key: str = "name") -> str:
    """A name: 1 to 128 characters without control and format characters, spaces trimmed.

    Raises:
        UnprocessableError: It is none. Names ``key``.
    """
    found = unicodedata.normalize("NFC", name).strip()
    if not found or len(found) > MAX_NAME:
        raise UnprocessableError(f"{key}: must have 1 to {MAX_NAME} characters")
    if any(
        unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in found
    ):
        raise UnprocessableError(f"{key}: must not hold control or invisible characters")
    return found


def email_as_typed(email: str) -> str:
    """What to look an account up by: in lower case, and empty for what can be no address."""
    found = email.strip().lower()
    return found if _EMAIL.fullmatch(found) else ""


def checked_email(email: str) -> str:
    """An e-mail address in lower case.

    Raises:
        UnprocessableError: It is none.
    """
    found = email.strip().lower()
    if len(found) > MAX_EMAIL or not _EMAIL.fullmatch(found):
        raise UnprocessableError("email: must be an address such as ada@example.com")
    return found
