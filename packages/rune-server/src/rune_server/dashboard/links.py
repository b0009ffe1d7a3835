"""Addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable


def query(pairs: Iterable[tuple[str, str]] = (), **more: object) -> str:
    """``?a=1&b=2``, or nothing when there is nothing to say. None leaves a name out."""
    found = [*pairs, *((name, str(value)) for name, value in more.items() if value is not None)]
    return "?" + urlencode(found) if found else ""
