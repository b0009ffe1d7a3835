"""Streams hold places while they are open, and give them back however they end."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from rune_server.dashboard.streams import CountedStream
from rune_server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Call:
    """One request for a stream; ``said`` is what came back."""

    def __init__(self, limits: Limits, person: str, organisation: str, ends: asyncio.Event) -> None:
        async def content() -> AsyncIterator[str]:
            yield ": begin\n\n"
            await ends.wait()

        places = ((person, 2, "your account"), (organisation, 3, "your organisation"))
        self.said: list[dict[str, Any]] = []
        self.opened = asyncio.Event()
        self.task = asyncio.create_task(
            CountedStream(content(), limits, places)({"type": "http"}, self.receive, self.send)
        )

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: dict[str, Any]) -> None:
        self.said.append(message)
        self.opened.set()

    async def status(self) -> int:
        await self.opened.wait()
        found: int = self.said[0]["status"]
        return found


async def test_places_by_person_and_by_organisation() -> None:
    limits, ends, ends_first = Limits(), asyncio.Event(), asyncio.Event()
    ada = [Call(limits, "ada", "acme", ends_first), Call(limits, "ada", "acme", ends)]
    assert [await call.status() for call in ada] == [200, 200]
    refused = Call(limits, "ada", "other", ends)
    assert await refused.status() == 429
    await refused.task
    headers = dict(refused.said[0]["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"retry-after"] == b"5"
    told = json.loads(refused.said[1]["body"])
    assert told["code"] == "too_many_streams"
    assert "your account has 2 live pages" in told["detail"]
    bob = Call(limits, "bob", "acme", ends)
    assert await bob.status() == 200
    eve = Call(limits, "eve", "acme", ends)
    assert await eve.status() == 429
    await eve.task
    assert "your organisation has 3" in json.loads(eve.said[1]["body"])["detail"]
    # Whether a stream ends by itself or its reader leaves: the place is free again.
    ends_first.set()
    await ada[0].task
    ada[1].task.cancel()
    await asyncio.gather(ada[1].task, return_exceptions=True)
    again = [Call(limits, "ada", "acme", ends), Call(limits, "ada", "acme", ends)]
    assert [await call.status() for call in again] == [200, 200]
    ends.set()
    await asyncio.gather(bob.task, *(call.task for call in again))
    assert not limits._open
