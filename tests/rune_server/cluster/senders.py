"""Agents that send events until each batch is acknowledged, to whichever edge answers."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import httpx
import msgspec
from benchmarks.made_events import made_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.rune_server.cluster.processes import RoleProcess

PER_BATCH = 20


class Sender(threading.Thread):
    """One agent. A batch that was not acknowledged goes again, unchanged, to the next edge.

    Args:
        edges: The edges; the seed says with which it begins.
        key: An API key.
        seed: Of its events.
        pause: Seconds between batches.

    Attributes:
        acknowledged: Ids of the events that were.
        again: Batches that were sent more than once.
        refused: Answers of 503, by code.
        longest: Seconds that the slowest answer took.
    """

    def __init__(self, edges: Sequence[RoleProcess], key: str, seed: int, pause: float = 0) -> None:
        super().__init__(daemon=True)
        self._edges = list(edges)
        self._headers = {"X-Rune-Key": key, "Content-Type": "application/json"}
        self._chance = random.Random(seed)
        self._ending = threading.Event()
        self._at = seed
        self._pause = pause
        self.acknowledged: set[str] = set()
        self.again = 0
        self.refused: dict[str, int] = {}
        self.longest = 0.0
        self.wrong = ""

    def run(self) -> None:
        clients = [edge.client(headers=self._headers) for edge in self._edges]
        while not self._ending.is_set():
            events = made_events(PER_BATCH, seed=self._chance.randrange(1 << 30))
            body = b'{"events":[' + b",".join(map(msgspec.json.encode, events)) + b"]}"
            attempts = 1
            while not self._taken(clients[self._at % len(clients)], body):
                self._at += 1
                attempts += 1
                time.sleep(0.05)
            self.again += attempts > 1
            self.acknowledged |= {event.event_id for event in events}
            self._ending.wait(self._pause)
        for client in clients:
            client.close()

    def end(self) -> None:
        """Stop after the batch it is at."""
        self._ending.set()
        self.join(60)
        assert not self.is_alive(), "a sender hangs"
        assert not self.wrong, self.wrong

    def _taken(self, client: httpx.Client, body: bytes) -> bool:
        began = time.monotonic()
        try:
            answer = client.post("/v1/events", content=body)
        except httpx.TransportError:
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        if answer.status_code == 202:
            found = answer.json()
            if found["accepted"] + found["duplicates"] != PER_BATCH:
                self.wrong = answer.text
            return True
        if answer.status_code not in (429, 503) or "retry-after" not in answer.headers:
            self.wrong = f"{answer.status_code} {answer.text}"
            return True
        code = answer.json()["code"]
        self.refused[code] = self.refused.get(code, 0) + 1
        return False
