"""A demo server in a process of its own, for tests and pictures."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import trustme

from benchmarks.dashboard import scenes
from benchmarks.dashboard.seed import MASTER_KEY, OTHER, PASSWORD, PEOPLE
from benchmarks.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from rune_core.event.schema import Event

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
        folder: For data and certificate. One that was seeded already is served as it is.
        events: How many events the demo has.
        days: Over how many days.
        settings: What its server is told besides.
    """

    def __init__(
        self,
        folder: Path,
        *,
        events: int,
        days: int = 14,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._events = events
        self._days = days
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[str] | None = None
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.demo: dict[str, Any] = {}

    def __enter__(self) -> DemoServer:
        self._certify()
        known = self._folder / "demo.json"
        if not known.exists():
            known.write_text(self._seeded())
        self.demo = json.loads(known.read_text())
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _seeded(self) -> str:
        """Fill the folder; what was made, as JSON."""
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
        return seeded.stdout[seeded.stdout.index("{\n") :]

    def start(self) -> None:
        """Serve the folder; returns when it answers."""
        with (self._folder / "server.log").open("a") as log:
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
                    *(f"--setting={name}={value}" for name, value in self._settings.items()),
                ],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._until("ready")
        for _ in range(600):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError("the server does not listen")

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
        if process.stdout is not None:
            process.stdout.close()

    def command(self, *words: str) -> str:
        """What a ``rune`` command of the server's operator prints, on the folder that is served."""
        folder = str(self._folder / "data")
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "rune_core.cli",
                *words,
                "--data-dir",
                folder,
            ],
            env={name: value for name, value in os.environ.items() if "RUNE_" not in name}
            | {"RUNE_MASTER_KEY": MASTER_KEY, "RUNE_PASSWORD_COST": "4"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-4000:])
        return done.stdout

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        path = self._folder / "server.log"
        return path.read_text() if path.exists() else ""

    def send(self, events: Sequence[Event], *, key: str | None = None) -> None:
        """Send events as an SDK does; durable when this returns, written soon after."""
        with httpx.Client(verify=False, timeout=60) as client:
            answer = client.post(
                f"{self.url}/v1/events",
                content=scenes.encoded(events),
                headers={
                    "x-rune-key": key or self.demo["key"],
                    "content-type": "application/json",
                },
            )
        answer.raise_for_status()
        rejected = answer.json()["rejected"]
        assert not rejected, rejected

    def burst(self, number: int, *, key: str | None = None, **changes: Any) -> list[Event]:
        """Send some decisions that are made now; ``changes`` replace fields of each."""
        world = scenes.World(time.time_ns() % 2**32)
        made: list[Event] = []
        while len(made) < number:
            agent = world.random.choice(scenes.AGENTS)
            made += scenes.session(world, agent, datetime.now(UTC), trouble=True)
        now = scenes.stamp(datetime.now(UTC))
        made = [msgspec.structs.replace(event, timestamp=now, **changes) for event in made[:number]]
        self.send(made, key=key)
        return made

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
