"""The two clients: the same operations, sent at once or awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TYPE_CHECKING, Any

from rune_core.client.call import Call, items_of
from rune_core.client.operations import Operations
from rune_core.config import ShieldConfig
from rune_core.connection import Connection
from rune_core.errors import ConfigError, ServerAnswerError

if TYPE_CHECKING:
    from pathlib import Path

    from rune_core.server_answer import Answer


class RuneClient(Operations[dict[str, Any], Iterator[dict[str, Any]], None, Iterator[bytes]]):
    """Speaks to the management API. Threads may share it. Listings fetch page after page.

    Args:
        url: The server; by default ``RUNE_URL``.
        api_key: A key with the permissions that the calls need; by default ``RUNE_API_KEY``.
        ca_file: Certificates to trust besides; by default ``RUNE_CA_FILE``.
        settings: Further fields of ``ShieldConfig`` about the connection, such as
            ``connection_timeout_seconds``.

    Raises:
        ConfigError: An argument cannot be used, or there is no server or key.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        ca_file: str | Path | None = None,
        **settings: Any,
    ) -> None:
        self.connection = _connection(url, api_key, ca_file, settings)

    def __enter__(self) -> RuneClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections, for good."""
        self.connection.close()

    def _one(self, call: Call) -> dict[str, Any]:
        return _object(
            self.connection.request(
                call.method, call.target, content=call.content, headers=call.headers
            )
        )

    def _many(self, call: Call) -> Iterator[dict[str, Any]]:
        while True:
            page = self._one(call)
            yield from items_of(page)
            if page.get("next_cursor") is None:
                return
            call = call.after(page["next_cursor"])

    def _pieces(self, call: Call) -> Iterator[bytes]:
        with self.connection.open(call.method, call.target, headers=call.headers) as response:
            yield from response.iter_bytes()

    def _nothing(self, call: Call) -> None:
        self.connection.request(
            call.method, call.target, content=call.content, headers=call.headers
        )


class AsyncRuneClient(
    Operations[
        Awaitable[dict[str, Any]],
        AsyncIterator[dict[str, Any]],
        Awaitable[None],
        AsyncIterator[bytes],
    ]
):
    """``RuneClient`` on an event loop: ``await`` single answers, ``async for`` over listings."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        ca_file: str | Path | None = None,
        **settings: Any,
    ) -> None:
        self.connection = _connection(url, api_key, ca_file, settings)

    async def __aenter__(self) -> AsyncRuneClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections of the running event loop."""
        await self.connection.aclose()

    async def _one(self, call: Call) -> dict[str, Any]:
        return _object(
            await self.connection.arequest(
                call.method, call.target, content=call.content, headers=call.headers
            )
        )

    async def _many(self, call: Call) -> AsyncIterator[dict[str, Any]]:
        while True:
            page = await self._one(call)
            for item in items_of(page):
                yield item
            if page.get("next_cursor") is None:
                return
            call = call.after(page["next_cursor"])

    async def _pieces(self, call: Call) -> AsyncIterator[bytes]:
        async with self.connection.aopen(
            call.method, call.target, headers=call.headers
        ) as response:
            async for piece in response.aiter_bytes():
                yield piece

    async def _nothing(self, call: Call) -> None:
        await self.connection.arequest(
            call.method, call.target, content=call.content, headers=call.headers
        )


def _connection(
    url: str | None, api_key: str | None, ca_file: str | Path | None, settings: dict[str, Any]
) -> Connection:
    given: dict[str, Any] = {"url": url, "api_key": api_key, "ca_file": ca_file, **settings}
    config = ShieldConfig(**{name: value for name, value in given.items() if value is not None})
    for name, value in (("url", config.url), ("api_key", config.api_key)):
        if not value:
            raise ConfigError(f"{name} is missing: give it, or set RUNE_{name.upper()}")
    return Connection(config)


def _object(answer: Answer) -> dict[str, Any]:
    found = answer.json()
    if not isinstance(found, dict):
        raise ServerAnswerError("the server's answer is not what its API promises")
    return found
