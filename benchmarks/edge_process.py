"""An edge in a process of its own, as ``rune up`` runs one: for load and for kill -9.

``EdgeProcess(folder)`` makes the state database, an organisation and a key, then starts granian
with one worker over TLS. Settings beyond that are environment variables.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.ports import free_port
from rune_server import settings as server_settings
from rune_server.actor import SDK_PERMISSIONS, Role, member
from rune_server.auth import keys
from rune_server.clock import SystemClock
from rune_server.platform import Role as ProcessRole
from rune_server.platform import open_platform
from rune_server.state import migrations, open_state
from rune_server.state.tables.organisations import Organisation
from rune_server.storage import Vault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

MASTER_KEY = "01" * 32


class Application:
    """The ASGI application that granian loads: opens the platform in its worker's lifespan."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._edge: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or follow the process's life."""
        if scope["type"] != "lifespan":
            await self._edge(scope, receive, send)
            return
        await receive()
        from rune_server import edge, logs
        from rune_server.serve import keep_pauses_short

        settings = server_settings.load()
        logs.configure(settings)
        platform = await self._stack.enter_async_context(open_platform(settings, ProcessRole.EDGE))
        self._edge = edge.app(platform)
        keep_pauses_short()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})


app = Application()


async def prepare(data_dir: Path, state_dsn: str = "") -> tuple[UUID, str]:
    """A migrated state database with one organisation on the largest plan. Its id and a key."""
    options = {"data_dir": data_dir, "master_key": MASTER_KEY, "state_dsn": state_dsn or None}
    settings = server_settings.load(options, environ={})
    state = open_state(settings, Vault(bytes.fromhex(MASTER_KEY)), SystemClock())
    try:
        await migrations.upgrade(state)
        async with state.begin() as session:
            organisation = Organisation(
                name="Load", plan="growth", region="us", created_at=SystemClock().now()
            )
            session.add(organisation)
            await session.flush()
            actor = member(organisation.id, "bench", Role.OWNER)
            made = await keys.insert(session, actor, name="load", permissions=SDK_PERMISSIONS)
        return organisation.id, made.key
    finally:
        await state.close()


class EdgeProcess:
    """One edge.

    Args:
        folder: For data, certificate and log.
        environment: Settings.

    Attributes:
        key: An API key.
        organisation_id: Its organisation.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        import trustme

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data_dir = folder / "data"
        self.port = free_port()
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        # granian reads one key and the chain behind it.
        issued.private_key_pem.write_to_path(folder / "key.pem")
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        (folder / "cert.pem").write_bytes(chain)
        self.environment = {
            "RUNE_DATA_DIR": str(self.data_dir),
            "RUNE_MASTER_KEY": MASTER_KEY,
            "RUNE_IP_REQUESTS_PER_SECOND": "100000",
            "RUNE_IP_CONNECTIONS": "10000",
            "RUNE_KEY_REQUESTS_PER_SECOND": "100000",
            "RUNE_LOG_LEVEL": "warning",
            **(environment or {}),
        }
        dsn = self.environment.get("RUNE_STATE_DSN", "")
        self.organisation_id, self.key = asyncio.run(prepare(self.data_dir, dsn))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """What trusts its certificate."""
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))

    def start(self, seconds: float = 60.0) -> None:
        """Start it and wait until it is ready."""
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "benchmarks.edge_process:app"),
                *("--interface", "asgi", "--workers", "1", "--host", "127.0.0.1"),
                *("--port", str(self.port), "--no-ws", "--log-level", "warning"),
                *("--ssl-certificate", str(self.folder / "cert.pem")),
                *("--ssl-keyfile", str(self.folder / "key.pem")),
            ],
            env={**os.environ, **self.environment},
            cwd=Path(__file__).parent.parent,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"the edge did not start:\n{tail}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Whether it answers."""
        import httpx

        try:
            url = f"https://127.0.0.1:{self.port}/healthz"
            return httpx.get(url, verify=self.ssl_context, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """Kill -9, all of it."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 15.0) -> float:
        """End it in order. How long that took, in seconds."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        return time.monotonic() - began

    def memory(self) -> int:
        """Resident bytes of the worker."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        total = 0
        for pid in [str(self.process.pid), *children.read_text().split()]:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total = max(total, int(line.split()[1]) * 1024)
        return total

    def processor_seconds(self) -> float:
        """Processor time that the worker and its parent used so far."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        ticks = 0
        for pid in [str(self.process.pid), *children.read_text().split()]:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")
