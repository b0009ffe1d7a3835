"""The dashboard under load: many open pages, live rows, and first bytes over many events.

    python -m benchmarks.dashboard.load                      # 200 pages, 100,000 events
    python -m benchmarks.dashboard.load --events 10000000    # the bar of every page; takes a while

Reports, for a server process of its own on the same machine: how long from sending a block until
an open page has its row, while all the others are open too; and the time to the first byte of
every page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from benchmarks.dashboard.running import PERSONS, DemoServer

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES = (
    "/",
    "/events",
    "/events?action=block&range=7d",
    "/events?q=billing&range=7d",
    "/sessions",
    "/agents",
    "/agents/billing-assistant?range=7d",
    "/threats?range=7d",
    "/threats/prompt_injection?range=7d",
    "/policies",
    "/alerts",
    "/keys",
    "/members",
    "/audit",
    "/settings",
    "/report",
)
_TRIES = 15
_ROUNDS = 20


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def signed_in(server: DemoServer) -> httpx.AsyncClient:
    """A client with somebody's cookies."""
    client = httpx.AsyncClient(
        verify=False,
        base_url=server.url,
        timeout=60,
        limits=httpx.Limits(max_connections=None),
    )
    person = PERSONS["owner"]
    answer = await client.post(
        "/sign-in", data={"email": person.email, "password": person.password, "next": "/"}
    )
    assert answer.status_code == 303, answer.status_code
    return client


async def watch(
    client: httpx.AsyncClient, ready: asyncio.Event, seen: dict[str, list[float]]
) -> None:
    """One open page: notes when each row comes."""
    async with client.stream("GET", "/events/live?view=row") as answer:
        event = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                event = line[7:]
                if event == "ready":
                    ready.set()
            elif line.startswith("data: ") and event == "rows":
                now = time.monotonic()
                for row in json.loads(line[6:]):
                    seen.setdefault(row["id"], []).append(now)


async def live(server: DemoServer, pages: int) -> dict[str, float]:
    """Seconds from sending to each page, and how many rows were lost or doubled."""
    client = await signed_in(server)
    seen: dict[str, list[float]] = {}
    marks = [asyncio.Event() for _ in range(pages)]
    watchers = [asyncio.create_task(watch(client, mark, seen)) for mark in marks]
    await asyncio.wait_for(asyncio.gather(*(mark.wait() for mark in marks)), 120)
    sent: dict[str, float] = {}
    for _ in range(_ROUNDS):
        began = time.monotonic()
        made = await asyncio.to_thread(server.burst, 1, action="block")
        sent[str(made[0].event_id)] = began
        await asyncio.sleep(1.0)
    await asyncio.sleep(5)
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    await client.aclose()
    waits = [at - began for event, began in sent.items() for at in seen.get(event, [])]
    missing = sum(pages - len(seen.get(event, [])) for event in sent)
    return {
        "pages": pages,
        "p50": round(statistics.median(waits), 3),
        "p95": round(quantile(waits, 0.95), 3),
        "missing": missing,
        "doubled": sum(max(0, len(seen.get(event, [])) - pages) for event in sent),
    }


async def first_bytes(server: DemoServer) -> dict[str, dict[str, float]]:
    """Milliseconds to the first byte of each page."""
    client = await signed_in(server)
    found = {}
    for page in PAGES:
        times = []
        for attempt in range(_TRIES + 1):
            began = time.monotonic()
            async with client.stream("GET", page) as answer:
                assert answer.status_code == 200, (page, answer.status_code)
                times.append((time.monotonic() - began) * 1000)
                await answer.aread()
            if attempt == 0:
                times.clear()
            await asyncio.sleep(0.3)
        found[page] = {
            "p50": round(statistics.median(times), 1),
            "p95": round(quantile(times, 0.95), 1),
        }
    await client.aclose()
    return found


def main() -> None:
    """Seed, serve, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard.load")
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="seed this one, or use what is there")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        # All pages are one person's here.
        DemoServer(
            arguments.folder or Path(folder),
            events=arguments.events,
            settings={"person_streams": "100000", "ip_connections": "100000"},
        ) as server,
    ):
        times = asyncio.run(first_bytes(server))
        print(json.dumps({"events": server.demo["events"], "first byte, ms": times}, indent=2))
        print(json.dumps({"live, s": asyncio.run(live(server, arguments.pages))}, indent=2))


if __name__ == "__main__":
    main()
