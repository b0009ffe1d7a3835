"""Ask a server for its bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_core.bundle.model import Bundle, decode
from rune_core.errors import ServerAnswerError

if TYPE_CHECKING:
    from rune_core.connection import Connection

PATH = "/v1/policies"


def fetch(connection: Connection, known: str = "") -> Bundle | None:
    """The server's bundle; None when it is still ``known``.

    Args:
        connection: The server.
        known: Revision of the bundle fetched last; empty to get it in any case.

    Raises:
        ServerError: No bundle came.
    """
    headers = {"If-None-Match": f'"{known}"'} if known else {}
    answer = connection.request("GET", PATH, headers=headers)
    if answer.status == 304 and known:
        return None
    if answer.status != 200:
        raise ServerAnswerError(f"{connection.url}{PATH} answers {answer.status}, not 200")
    return decode(answer.body)
