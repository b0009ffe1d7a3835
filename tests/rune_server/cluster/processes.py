"""``rune edge``, ``rune web`` and ``rune worker`` as an operator runs them, on shared stores."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from benchmarks.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

START_SECONDS = 120
MASTER_KEY = "02" * 32


@dataclass
class RoleProcess:
    """One process of a cluster.

    Attributes:
        role: ``edge``, ``web`` or ``worker``.
        folder: Its data folder; its log lies beside it.
        settings: The cluster's ``RUNE_*`` variables.
    """

    role: str
    folder: Path
    settings: Mapping[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "tls" / "certificate.pem"

    @property
    def logged(self) -> str:
        path = self._log
        return path.read_text() if path.exists() else ""

    def launch(self) -> None:
        """Start it; ``wait`` waits until it answers."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rune_core.cli", self.role, "--port", str(self.port)],
                env=environment(self.settings, self.folder),
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, self.logged[-3000:]
            assert time.monotonic() < deadline, self.logged[-3000:]
            time.sleep(0.05)

    def client(self, **options: Any) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.certificate)
        return httpx.Client(base_url=self.url, verify=context, timeout=60, **options)

    def kill(self) -> None:
        """Kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> tuple[int, float]:
        """Tell it to stop. Its exit code, and how many seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            code = -9
        self.process = None
        return code, time.monotonic() - began

    @property
    def _log(self) -> Path:
        return self.folder.with_suffix(".log")

    def _answers(self) -> bool:
        if not self.certificate.exists():
            return False
        try:
            with self.client() as client:
                return client.get("/healthz").status_code == 200
        except (httpx.TransportError, ssl.SSLError):
            return False


class Cluster:
    """Two edges, a web process and a worker.

    Args:
        folder: For everything.
        settings: The stores' addresses, and whatever else is to be set, as ``RUNE_*`` variables.

    Attributes:
        key: An API key for agents.
        email: An owner's address.
        password: Its password.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.settings = {
            "RUNE_MASTER_KEY": MASTER_KEY,
            "RUNE_LOG_LEVEL": "debug",
            # The first comes after a minute, in the middle of whatever is tested then.
            "RUNE_BACKUP_HOURS": "0",
            **settings,
        }
        self.edges = [self._process("edge", name) for name in ("edge-1", "edge-2")]
        self.web = self._process("web", "web")
        self.worker = self._process("worker", "worker")
        self.email = "ada@example.com"
        self.password = self.key = ""

    @property
    def processes(self) -> list[RoleProcess]:
        return [*self.edges, self.web, self.worker]

    def start(self) -> None:
        """Migrate, make an owner, start every process."""
        self.command("migrate")
        said = self.command("owner", self.email)
        self.password = _word(r"password +(\S+)", said)
        self.key = _word(r"(rune_live_\S+)", said)
        for process in self.processes:
            process.launch()
        for process in self.processes:
            process.wait()

    def stop(self) -> None:
        for process in self.processes:
            if process.process is not None:
                process.kill()

    def command(self, *arguments: str) -> str:
        """What a ``rune`` command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "rune_core.cli", *arguments],
            env=environment(self.settings, self.folder / "operator"),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _process(self, role: str, name: str) -> RoleProcess:
        return RoleProcess(role, self.folder / name, self.settings)


def environment(settings: Mapping[str, str], folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNE_")}
    return {**kept, **settings, "RUNE_DATA_DIR": str(folder)}


def _word(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None
    return found[1]
