"""Runs one process of the server: opens the platform, serves its role over TLS, stops in order.

granian runs inside this process: embedded ClickHouse can be opened by one process only, and
forking after it is open hangs.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from granian.constants import Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from rune_server import jobs
from rune_server.asgi import HSTS, application
from rune_server.errors import ConfigurationError, ProblemError
from rune_server.failure import described
from rune_server.http import send_problem
from rune_server.platform import Role, open_platform
from rune_server.storage import at_rest
from rune_server.tls import Certificate, certificate, readable_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rune_server.asgi import App, Message, Receive, Scope, Send
    from rune_server.clock import Clock
    from rune_server.platform import Platform
    from rune_server.settings import Settings
    from rune_server.storage import Vault

_log = structlog.get_logger("rune_server.serve")
STREAMS_SECONDS = 2.0
"""How long requests may go on after the process was told to stop; streams end at once."""
WHOLE_SECONDS = 4.5
"""How long stopping may take. Whatever was acknowledged is on disk long before."""
_BACKLOG = 2048
_HEADER_MILLISECONDS = 10_000


class Requests:
    """ASGI middleware that knows which requests are open, so that they can be ended."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._open: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        began = False

        async def sending(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 - the rim: nothing of a fault reaches the caller
            _log.error("request failed", error=described(error))
            if not began:
                await send_problem(
                    send,
                    ProblemError("something went wrong on our side"),
                    [(HSTS[0].decode(), HSTS[1].decode())],
                    request_id=secrets.token_hex(8),
                )
        finally:
            self._open.discard(task)

    async def drain(self, seconds: float) -> int:
        """Wait until none is open, then end those that still are. How many those were."""
        if self._open:
            await asyncio.wait(tuple(self._open), timeout=seconds)
        left = tuple(self._open)
        for task in left:
            task.cancel()
        return len(left)


async def serve(
    settings: Settings,
    role: Role,
    vault: Vault,
    clock: Clock,
    *,
    ready: Callable[[Certificate], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: The settings.
        role: What this process does.
        vault: The vault.
        clock: The time.
        ready: Called when the port is open.

    Raises:
        ConfigurationError: A setting cannot be used, or the port is taken.
    """
    _check_role(settings, role)
    _check_port(settings)
    _raise_file_limit()
    found = certificate(settings, vault, clock.now())
    async with open_platform(settings, role, clock=clock) as platform:
        _name_stores(settings, vault)
        requests = Requests(application(platform))
        async with jobs.running(platform):
            with readable_key(found) as key_path:
                server = _server(settings, found, key_path, requests)
                serving = asyncio.create_task(server.serve(), name="http")
                await _opened(settings, serving)
            keep_pauses_short()
            if ready is not None:
                ready(found)
            await _until_stopped(platform, server, serving, requests)
    _log.info("stopped")


def keep_pauses_short() -> None:
    """Leave what the process is made of to itself when garbage is collected.

    Call it once all that is there to stay is there. A full collection looked through all of it, a
    tenth of a second and more, several times a second under load, while nobody was answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _server(settings: Settings, found: Certificate, key_path: Path, app: Any) -> Server:
    return Server(
        app,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGINL,
        websockets=False,
        backlog=_BACKLOG,
        # Streams stay open for hours: each takes one of these.
        backpressure=settings.connections,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        log_enabled=False,
        ssl_cert=found.path,
        ssl_key=key_path,
        ssl_protocol_min=SSLProtocols.tls13,
    )


async def _until_stopped(
    platform: Platform, server: Server, serving: asyncio.Task[None], requests: Requests
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def told() -> None:
        if stop.is_set():
            os._exit(130)  # told twice: somebody is in a hurry
        _give_up_after(WHOLE_SECONDS)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            raise ConfigurationError("the HTTP server ended by itself; see the log")
        _log.info("stopping")
        platform.stopping.set()
        server.stop()  # type: ignore[no-untyped-call]
        cut = await requests.drain(STREAMS_SECONDS)
        if cut:
            _log.warning("requests cut off", requests=cut)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(serving), STREAMS_SECONDS / 2)
    finally:
        stopping.cancel()
        serving.cancel()
        await asyncio.wait((serving, stopping), timeout=STREAMS_SECONDS / 4)


async def _opened(settings: Settings, serving: asyncio.Task[None]) -> None:
    """Wait until the port takes connections.

    Raises:
        ConfigurationError: It cannot be opened.
    """
    for _ in range(200):
        await asyncio.wait((serving,), timeout=0.02)
        if serving.done():
            error = serving.exception()
            reason = f": {error}" if isinstance(error, OSError | RuntimeError) else ""
            raise ConfigurationError(
                f"port: {settings.host}:{settings.port} cannot be opened{reason}; "
                "choose another with --port or RUNE_PORT"
            )
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
        try:
            _, writer = await asyncio.open_connection(host, settings.port)
        except OSError:
            continue
        writer.close()
        return
    raise ConfigurationError(f"port: {settings.host}:{settings.port} takes no connections")


def _check_role(settings: Settings, role: Role) -> None:
    if role is Role.ALL:
        return
    missing = [
        f"RUNE_{name.upper()}"
        for name in ("state_dsn", "analytics_dsn", "redis_dsn")
        if not getattr(settings, name)
    ]
    if missing:
        raise ConfigurationError(
            f"`rune {role}` is one of several processes, which share their stores: set "
            f"{', '.join(missing)}. For everything in one process: `rune up`"
        )


def _check_port(settings: Settings) -> None:
    """See that nobody listens there: granian would share the port with them."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigurationError(
                f"port: {settings.host}:{settings.port} cannot be opened: {error.strerror}; "
                "choose another with --port or RUNE_PORT"
            ) from None


def _name_stores(settings: Settings, vault: Vault) -> None:
    for store in at_rest.stores(settings, vault):
        if not store.encrypted:
            _log.warning("not encrypted at rest", store=store.name, note=store.note)


def _raise_file_limit() -> None:
    """Every connection takes a file; the usual limit of 1,024 is soon reached."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _give_up_after(seconds: float) -> None:
    """End the process even when something refuses to."""

    def end() -> None:
        time.sleep(seconds)
        print("rune: stopping took too long: ended", file=sys.stderr)  # noqa: T201 - logging may be what hangs
        os._exit(1)

    threading.Thread(target=end, daemon=True, name="give up").start()
