"""A whole answer of a server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rune_core.errors import ServerAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the server.

    Attributes:
        status: The HTTP status, 200–299 or 304.
        headers: Header names in lower case.
        body: The decoded bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ServerAnswerError: It is not JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ServerAnswerError("the server's answer is not JSON") from None
