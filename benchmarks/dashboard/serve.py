"""Serve a seeded folder on loopback, for tests and pictures: one process, TLS, no other jobs.

    python -m benchmarks.dashboard.serve --data-dir demo --port 8443 --certificate c.pem --key k.pem

Prints ``ready`` when it answers. Each line on standard input is a command as JSON:
``{"organisation": "…", "events": [ … ]}`` writes events as the writer would, and tells the bus;
``{"burst": 5, "organisation": "…"}`` makes some up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from granian.constants import Interfaces
from granian.server.embed import Server

from benchmarks.dashboard import scenes
from benchmarks.dashboard.seed import settings_for
from rune_core.event.schema import Event
from rune_server import dashboard
from rune_server.auth.middleware import Authentication
from rune_server.platform import Platform, open_platform


async def _commands(platform: Platform) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=8 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command: dict[str, Any] = json.loads(line)
        organisation = UUID(command["organisation"])
        events = msgspec.convert(command.get("events", []), list[Event])
        if "burst" in command:
            events += _made_up(platform, int(command["burst"]))
        await platform.analytics.insert(organisation, events, retention_days=365)
        await platform.bus.publish(f"events.{organisation}", b"[]")
        print("done", flush=True)


def _made_up(platform: Platform, number: int) -> list[Event]:
    world = scenes.World(int(platform.clock.now().timestamp() * 1000))
    found: list[Event] = []
    while len(found) < number:
        agent = world.random.choice(scenes.AGENTS)
        found += scenes.session(world, agent, platform.clock.now(), trouble=True)
    now = scenes.stamp(platform.clock.now())
    return [msgspec.structs.replace(event, timestamp=now) for event in found[:number]]


async def _main(arguments: argparse.Namespace) -> None:
    settings = settings_for(
        arguments.data_dir,
        public_url=f"https://127.0.0.1:{arguments.port}",
        ip_requests_per_second=10_000,
    )
    async with open_platform(settings) as platform:
        app = Authentication(dashboard.app(platform), platform)
        server = Server(
            app,
            address="127.0.0.1",
            port=arguments.port,
            interface=Interfaces.ASGINL,
            ssl_cert=arguments.certificate,
            ssl_key=arguments.key,
            log_enabled=False,
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        serving = asyncio.create_task(server.serve())
        commands = asyncio.create_task(_commands(platform))
        print("ready", flush=True)
        await stop.wait()
        platform.stopping.set()
        commands.cancel()
        await asyncio.sleep(0.2)
        server.stop()
        await asyncio.wait([serving], timeout=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard.serve")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    asyncio.run(_main(parser.parse_args()))
