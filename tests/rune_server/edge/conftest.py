"""The edge as an ASGI application, with a key that may send events."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from rune_server import edge
from rune_server.actor import Permission
from rune_server.auth import keys
from rune_server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Speaks ASGI to an application, byte for byte as asked."""

    def __init__(self, app: Any, key: str) -> None:
        self.app = app
        self.key = key

    async def __call__(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] | AsyncIterator[bytes] = b"",
        headers: dict[str, str] | None = None,
        *,
        raw_headers: Sequence[tuple[bytes, bytes]] = (),
        address: str = "127.0.0.1",
        key: str | None = None,
    ) -> Answer:
        sent = {"x-rune-key": self.key if key is None else key, **(headers or {})}
        pairs = [(name.encode(), value.encode()) for name, value in sent.items() if value]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [*pairs, *raw_headers],
            "client": (address, 1),
            "scheme": "https",
        }
        pieces = [body] if isinstance(body, bytes) else body
        answer = Answer()
        source = _messages(pieces)

        async def receive() -> dict[str, Any]:
            return await anext(source)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {n.decode(): v.decode() for n, v in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self.app(scope, receive, send)
        return answer

    async def send_events(self, *events: Any, **headers: str) -> Answer:
        """Post events as JSON."""
        body = b'{"events":[' + b",".join(map(_as_json, events)) + b"]}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self("POST", "/v1/events", body, {"content-type": "application/json", **named})


def _as_json(event: Any) -> bytes:
    import msgspec

    return event if isinstance(event, bytes) else msgspec.json.encode(event)


async def _messages(pieces: Any) -> AsyncIterator[dict[str, Any]]:
    if hasattr(pieces, "__aiter__"):
        async for piece in pieces:
            yield {"type": "http.request", "body": piece, "more_body": True}
    else:
        for piece in pieces:
            yield {"type": "http.request", "body": piece, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}
    await asyncio.sleep(3600)


@pytest.fixture
async def client(platform, owner) -> Client:
    made = await keys.create(platform, owner, name="sdk")
    return Client(edge.app(platform), made.key)


@pytest.fixture
def with_settings(platform, client) -> Callable[..., Client]:
    """The same edge under other settings, and with a clock for its rates that stands still."""

    def make(**changed: Any) -> Client:
        changed_platform = replace(
            platform,
            settings=replace(platform.settings, **changed),
            limits=Limits(clock=lambda: 0.0),
        )
        return Client(edge.app(changed_platform), client.key)

    return make


@pytest.fixture
async def reader_key(platform, owner) -> str:
    """A key that may not send events."""
    permissions = (Permission.POLICIES_READ,)
    return (await keys.create(platform, owner, name="reader", permissions=permissions)).key
