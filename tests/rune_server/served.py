"""A server process as agents and programs meet it: granian with one worker, on real sockets.

``python -m`` nothing: granian loads ``app`` from here. It opens the platform in the worker's
lifespan and serves the edge and the API; background jobs run too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from benchmarks.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MASTER_KEY = "00" * 31 + "01"


class Application:
    """Edge and API of one platform."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._platform: Any = None
        self._edge: Any = None
        self._api: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from rune_server.asgi import EDGE_ROUTES, HEALTH_PATHS

        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif (scope["method"], scope["path"]) in EDGE_ROUTES or scope["path"] in HEALTH_PATHS:
            await self._edge(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        from rune_server import api, edge, jobs
        from rune_server import settings as server_settings
        from rune_server.platform import open_platform

        await receive()
        settings = server_settings.load()
        self._platform = await self._stack.enter_async_context(open_platform(settings))
        await self._stack.enter_async_context(jobs.running(self._platform))
        self._edge, self._api = edge.app(self._platform), api.app(self._platform)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._platform.stopping.set()
        await self._stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})


app = Application()


# One for each test that changes its own: the process is shared, and some tests end their keys.
ORGANISATIONS = (
    "pushed", "bystander", "ours", "theirs", "tagged", "fuzzed", "client", "delivered",
)  # fmt: skip


async def prepared(data_dir: Path, analytics: Any, **options: str) -> dict[str, dict[str, str]]:
    """A migrated database with some organisations; of each an SDK's and an administrator's key."""
    from tests.rune_server.conftest import MovableClock, make_organisation, migrate

    from rune_server import settings as server_settings
    from rune_server.actor import ROLE_PERMISSIONS, Role, member
    from rune_server.auth import keys
    from rune_server.platform import open_platform

    given = {"data_dir": data_dir, "master_key": MASTER_KEY, **options}
    settings = server_settings.load(given, environ={})
    clock = MovableClock()
    data_dir.mkdir(mode=0o700)  # noqa: ASYNC240 - a test
    await migrate(settings, clock)
    found = {}
    async with open_platform(settings, clock=clock, analytics=analytics) as platform:
        for name in ORGANISATIONS:
            organisation = await make_organisation(platform, name)
            owner = member(organisation.id, "owner", Role.OWNER)
            sdk = await keys.create(platform, owner, name="sdk")
            everything = await keys.create(
                platform, owner, name="all", permissions=ROLE_PERMISSIONS[Role.OWNER]
            )
            found[name] = {
                "sdk": sdk.key,
                "sdk_id": str(sdk.info.id),
                "all": everything.key,
            }
    return found


@contextmanager
def served(data_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """A running server process; its address. Its state database must be migrated already."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RUNE_")},
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "RUNE_DATA_DIR": str(data_dir),
        "RUNE_MASTER_KEY": MASTER_KEY,
        "RUNE_PUBLIC_URL": "https://rune.test",
        "RUNE_CHDB_MEMORY_BYTES": "536870912",
        "RUNE_BACKUP_HOURS": "0",
        "RUNE_IP_REQUESTS_PER_SECOND": "20000",
        "RUNE_KEY_REQUESTS_PER_SECOND": "2000",
        **(settings or {}),
    }
    log = (data_dir.parent / f"{data_dir.name}.log").open("wb")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "asgi", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers-kill-timeout", "5"),
            "tests.rune_server.served:app",
        ],
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, data_dir)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            log.close()


def _wait_for(url: str, process: subprocess.Popen[bytes], data_dir: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/v1/openapi.json").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    said = (data_dir.parent / f"{data_dir.name}.log").read_text()
    raise AssertionError(f"the server did not come up:\n{said[-3000:]}")
