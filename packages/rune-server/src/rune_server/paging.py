"""Pages of a listing, and the cursors that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from rune_server.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
MAX_PAGE = 200
DEFAULT_PAGE = 50


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the cursor of those after them; None after the last."""

    items: tuple[T, ...]
    next_cursor: str | None = None


def cursor_of(*parts: str) -> str:
    """A cursor for the place behind an item. It holds nothing that grants access."""
    return base64.urlsafe_b64encode("\0".join(parts).encode()).decode().rstrip("=")


def parts_of(cursor: str, number: int) -> list[str]:
    """What ``cursor_of`` was given.

    Raises:
        InvalidError: It is no cursor of this listing.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split("\0")
    except (ValueError, binascii.Error):
        parts = []
    if len(parts) != number:
        raise _foreign()
    return parts


def uuid_in(text: str) -> UUID:
    """A cursor's part that is an id.

    Raises:
        InvalidError: It is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise _foreign() from None


def number_in(text: str) -> int:
    """A cursor's part that is a whole number of at most nine digits.

    Raises:
        InvalidError: It is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _foreign()
    return int(text)


def id_of(cursor: str) -> UUID:
    """The id behind which a listing by id goes on.

    Raises:
        InvalidError: It is no cursor of such a listing.
    """
    return uuid_in(parts_of(cursor, 1)[0])


def _foreign() -> InvalidError:
    return InvalidError("cursor: is not one that this listing handed out")


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], tuple[str, ...]]) -> Page[T]:
    """A page of at most ``limit`` of the rows, of which one more than that was asked for."""
    items = tuple(rows[:limit])
    return Page(items, cursor_of(*key(items[-1])) if len(rows) > limit else None)


def bounded(limit: int) -> int:
    """A page size within bounds."""
    return max(1, min(limit, MAX_PAGE))
