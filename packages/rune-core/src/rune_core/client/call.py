"""One request of the management API, as a value; and what a client does with it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

One = TypeVar("One")
Many = TypeVar("Many")
Nothing = TypeVar("Nothing")
Pieces = TypeVar("Pieces")


class Unset:
    """Stands for an argument that was not given: the server's default holds."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        method: The HTTP method.
        path: With the names of its parameters in braces.
        places: The path's parameters.
        query: The query's parameters; those that are ``UNSET`` or None are left out.
        body: The body's fields; those that are ``UNSET`` are left out. None for no body.
        version: The version that a change is based on; None for whichever there is.
        versioned: Whether the operation asks for a version.
    """

    method: str
    path: str
    places: Mapping[str, object] = field(default_factory=dict)
    query: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    version: int | None = None
    versioned: bool = False

    @property
    def target(self) -> str:
        """Path and query, encoded."""
        path = self.path.format(
            **{name: quote(str(value), safe="") for name, value in self.places.items()}
        )
        pairs = [
            (name, _query(each))
            for name, value in self.query.items()
            if value is not None and not isinstance(value, Unset)
            for each in (value if isinstance(value, list | tuple) else [value])
        ]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    @property
    def content(self) -> bytes | None:
        """The body as JSON."""
        if self.body is None:
            return None
        given = {name: value for name, value in self.body.items() if not isinstance(value, Unset)}
        return json.dumps(given, default=_plain).encode()

    @property
    def headers(self) -> dict[str, str]:
        """Headers besides those of every request."""
        found = {} if self.body is None else {"Content-Type": "application/json"}
        if self.versioned:
            found["If-Match"] = "*" if self.version is None else f'"{self.version}"'
        return found

    def after(self, cursor: str) -> Call:
        """The same request for the next page."""
        return replace(self, query={**self.query, "cursor": cursor})


class Sender(ABC, Generic[One, Many, Nothing, Pieces]):
    """What the operations rest on: sends a call and gives what came back."""

    @abstractmethod
    def _one(self, call: Call) -> One:
        """A JSON object."""

    @abstractmethod
    def _many(self, call: Call) -> Many:
        """The items of every page."""

    @abstractmethod
    def _nothing(self, call: Call) -> Nothing:
        """Only that it was done."""

    @abstractmethod
    def _pieces(self, call: Call) -> Pieces:
        """A file, piece by piece."""


def _query(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(_plain(value))


def _plain(value: object) -> Any:
    """Times as the API reads them; other things by their text."""
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    moment = getattr(value, "isoformat", None)
    return moment() if moment is not None else str(value)


def items_of(page: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The items of one page."""
    items: list[dict[str, Any]] = page["items"]
    return items
