"""``rune up`` as a user runs it: a real process, a folder of its own, a real port."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import httpx
import pytest
from benchmarks.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_SECONDS = 120
TOO_LONG = "stopping took too long"
COMMAND_SECONDS = 300
"""Nothing is timed: a busy machine takes a minute to load and to rewrite what takes seconds."""


@dataclass
class Up:
    """A server and what it said.

    Attributes:
        folder: Its data folder.
        said: What it printed, all starts together.
        logged: Its log, all starts together.
        settings: More ``RUNE_*`` variables, for starts and commands alike.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    said: str = ""
    logged: str = ""
    process: subprocess.Popen[bytes] | None = None
    secrets: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "tls" / "certificate.pem"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNE_")}
        return kept | {
            "RUNE_DATA_DIR": str(self.folder),
            "RUNE_CHDB_MEMORY_BYTES": "512m",
            "RUNE_LOG_LEVEL": "debug",
            # The first comes after a minute, which only a busy machine lets pass.
            "RUNE_BACKUP_HOURS": "0",
            **self.settings,
        }

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A ``rune`` command on this server's folder."""
        return subprocess.run(
            [sys.executable, "-m", "rune_core.cli", *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )

    def start(self) -> str:
        """Start it and wait until it is there; what it printed."""
        out, log = self._file("out"), self._file("log")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rune_core.cli", "up", "--port", str(self.port)],
            env=self.environment,
            stdout=out,
            stderr=log,
        )
        deadline = time.monotonic() + START_SECONDS
        while "Rune is at" not in self._text("out"):
            assert self.process.poll() is None, self._text("log")
            assert time.monotonic() < deadline, self._text("log")
            time.sleep(0.05)
        out.close()
        log.close()
        return self._text("out")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Tell it to stop. Its exit code, and how many seconds it took.

        The code is 0, or 1 where the machine was too busy and it ended before it was done.
        """
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.said += self._text("out")
        self.logged += self._text("log")
        self.process = None
        assert code == 0 or TOO_LONG in self._text("log"), self._text("log")[-2000:]
        return code, time.monotonic() - began

    def client(self, **options: Any) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.certificate)
        return httpx.Client(base_url=self.url, verify=context, timeout=60, **options)

    @property
    def password(self) -> str:
        found = re.search(r"password +(\S+)", self.said + self._text("out"))
        assert found is not None
        return found[1]

    @property
    def key(self) -> str:
        found = re.search(r"rune_live_\S+", self.said + self._text("out"))
        assert found is not None
        return found[0]

    def _file(self, name: str) -> IO[bytes]:
        return (self.folder.parent / name).open("wb")

    def _text(self, name: str) -> str:
        path = self.folder.parent / name
        return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A server that has started for the first time."""
    server = Up(tmp_path_factory.mktemp("up") / "data")
    server.start()
    yield server
    if server.process is not None:
        server.stop()
