"""Serve a seeded folder on loopback, for tests and pictures: one process, TLS, no other jobs.

    python -m benchmarks.dashboard.serve --data-dir demo --port 8443 --certificate c.pem --key k.pem

Prints ``ready`` when it answers: edge, API and dashboard, as ``rune up`` has them.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from granian.constants import Interfaces
from granian.server.embed import Server

from benchmarks.dashboard.seed import settings_for
from rune_server.asgi import application
from rune_server.platform import open_platform


async def _main(arguments: argparse.Namespace) -> None:
    settings = settings_for(
        arguments.data_dir,
        public_url=f"https://127.0.0.1:{arguments.port}",
        ip_requests_per_second=10_000,
        **dict(setting.split("=", 1) for setting in arguments.setting),
    )
    async with open_platform(settings) as platform:
        server = Server(
            application(platform),
            address="127.0.0.1",
            port=arguments.port,
            interface=Interfaces.ASGINL,
            backlog=1024,
            backpressure=settings.connections,
            ssl_cert=arguments.certificate,
            ssl_key=arguments.key,
            log_enabled=False,
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        serving = asyncio.create_task(server.serve())
        print("ready", flush=True)
        await stop.wait()
        platform.stopping.set()
        await asyncio.sleep(0.2)
        server.stop()
        await asyncio.wait([serving], timeout=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard.serve")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE")
    asyncio.run(_main(parser.parse_args()))
