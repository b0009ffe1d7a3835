"""A demo server in a process of its own, for tests and pictures."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme

from benchmarks.dashboard.seed import OTHER, PASSWORD, PEOPLE

if TYPE_CHECKING:
    from types import TracebackType

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_ROOT = Path(__file__).parent.parent.parent
_SECONDS = 120


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in."""

    email: str
    name: str
    role: str
    password: str = PASSWORD


PERSONS = {role.value: Person(email, name, role.value) for email, name, role in PEOPLE}
STRANGER = Person(OTHER[0], OTHER[1], "owner")


class DemoServer:
    """Seeds a folder, then serves it. May be stopped and started again.

    Args:
        folder: For data and certificate.
        events: How many events the demo has.
        days: Over how many days.
    """

    def __init__(self, folder: Path, *, events: int, days: int = 14) -> None:
        self._folder = folder
        self._events = events
        self._days = days
        self._process: subprocess.Popen[str] | None = None
        self.port = _free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.demo: dict[str, Any] = {}

    def __enter__(self) -> DemoServer:
        self._certify()
        seeded = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.dashboard.seed",
                "--data-dir",
                str(self._folder / "data"),
                "--events",
                str(self._events),
                "--days",
                str(self._days),
            ],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=_SECONDS * 30,
            check=False,
        )
        if seeded.returncode:
            raise RuntimeError(seeded.stderr[-4000:])
        self.demo = json.loads(seeded.stdout[seeded.stdout.index("{\n") :])
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve the folder; returns when it answers."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.dashboard.serve",
                "--data-dir",
                str(self._folder / "data"),
                "--port",
                str(self.port),
                "--certificate",
                str(self._folder / "certificate.pem"),
                "--key",
                str(self._folder / "key.pem"),
            ],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self._folder / "server.log").open("a"),
            text=True,
        )
        self._until("ready")

    def stop(self) -> None:
        """End it, in order."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        path = self._folder / "server.log"
        return path.read_text() if path.exists() else ""

    def send(self, **command: Any) -> None:
        """Give a command, and wait until it is done."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        self._until("done")

    def _until(self, word: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == word:
                return
        raise RuntimeError(f"the server ended before it said {word}:\n{self.log[-4000:]}")

    def _certify(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        made = trustme.CA().issue_cert("127.0.0.1", "localhost")
        made.private_key_pem.write_to_path(str(self._folder / "key.pem"))
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        (self._folder / "certificate.pem").write_bytes(chain)
        (self._folder / "key.pem").chmod(0o600)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
