"""Redis, PostgreSQL and ClickHouse of our own, on free ports, for tests that need the real thing.

ClickHouse is the embedded engine behind ``clickhouse_shim``: there is no package of its server."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmarks.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


def required(program: str, package: str) -> str:
    """The path of a program; without it the test is skipped, or fails where CI is set."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)
    found = shutil.which(program) or next(map(str, places), None)
    if found is not None:
        return found
    message = f"{program} is missing: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class Redis:
    """A Redis that keeps nothing. ``stop`` and ``start`` let it go away and come back, empty."""

    def __init__(self, folder: Path) -> None:
        self._program = required("redis-server", "redis-server")
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                self._program,
                *("--bind", "127.0.0.1", "--port", str(self.port)),
                *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
            ],
            stdout=subprocess.DEVNULL,
        )
        _until_it_listens(self.port, self._process)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """A running Redis."""
    server = Redis(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class ClickHouse:
    """A ClickHouse over HTTP, in a process. ``stop`` kills it; ``start`` finds its data again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.rune_server.clickhouse_shim"),
                *(str(self._folder), str(self.port)),
            ],
            cwd=Path(__file__).parents[2],
        )
        _until_it_listens(self.port, self._process)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it take connections and answer nothing, until ``thaw``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def clickhouse_server(folder: Path) -> Iterator[ClickHouse]:
    """A running ClickHouse; ``folder`` is its data's."""
    server = ClickHouse(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def postgres_server() -> Iterator[str]:
    """A running, empty PostgreSQL; its DSN."""
    initdb, postgres = required("initdb", "postgresql"), required("postgres", "postgresql")
    with tempfile.TemporaryDirectory(prefix="rune-pg-", dir="/tmp") as name:
        folder = Path(name)
        user: str | None = None
        if os.geteuid() == 0:  # it refuses to run as root
            user = "nobody"
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        data, port = folder / "data", free_port()
        log = (folder / "log").open("wb")
        subprocess.run(
            [initdb, "-D", data, "-U", "rune", "-A", "trust", "-E", "UTF8", "--locale=C"],
            check=True,
            stdout=log,
            stderr=log,
            user=user,
            cwd=folder,
        )
        process = subprocess.Popen(
            [
                *(postgres, "-D", data, "-p", str(port), "-k", folder),
                *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
            ],
            stdout=log,
            stderr=log,
            user=user,
            cwd=folder,
        )
        try:
            _wait_for(port, process)
            yield f"postgresql://rune@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(30)
            log.close()


def _until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "the server ended by itself"
        assert time.monotonic() < deadline, "the server did not come up"
        time.sleep(0.02)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it takes connections: it listens before that, while it is starting up."""
    ask = [required("pg_isready", "postgresql"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if subprocess.run(ask, check=False).returncode == 0:
            return
        time.sleep(0.02)
    raise AssertionError("the server did not come up")
