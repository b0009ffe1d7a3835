"""Shields that break in every way, connected to a server that records every byte."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "rune_core" / "bundle"))

from canary_scenes import PHRASES, POLICY, SCENES, BrokenSink
from canary_telemetry import Telemetry
from canary_watch import Watch
from local_rune_server import KEY, RuneServer, document

from rune_core import ShieldConfig
from rune_core.connection import Connection
from rune_core.queue.spool_file import ENDING
from rune_core.testing import FakeScanner, shield_for_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rune_core import Shield


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("RUNE_STATE_DIR", str(folder))
    monkeypatch.setenv("RUNE_DEBUG", "1")
    return folder


@pytest.fixture
def watch(state: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Watch]:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "rune_core")
    level = logging.getLogger("rune_core").level
    yield Watch(state, lambda: caplog.get_records("call"))
    logging.getLogger("rune_core").setLevel(level)


@pytest.fixture
def make_shield(
    watch: Watch, state: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Shield]]:
    """The Shield of a scene: it finds fixed words, and every way out is watched."""
    made: list[Shield] = []
    servers: list[RuneServer] = []

    def make(scene: str) -> Shield:
        settings = {"policy": POLICY, **SCENES[scene]()}
        server = RuneServer().__enter__()
        servers.append(server)
        server.publish(document("p", 'version: "1.0"\nrules: []\n'))
        server.fault = settings.pop("fault", None)
        server.verdict = settings.pop("verdict", server.verdict)
        if "events_fault" in settings:
            server.faults["/v1/events"] = settings.pop("events_fault")
            monkeypatch.setattr("rune_core.queue.sender.MAX_BURIED_IN_A_ROW", 20)
        hinder(state, server, settings.pop("spool", ""))
        sink = BrokenSink()
        watch.sink(sink)
        telemetry = Telemetry()
        watch.telemetry(telemetry)
        watch.server(server)
        crash = settings.pop("crash", None)
        if crash:

            def broken(*args: object, **_kwargs: object) -> None:
                raise RuntimeError(f"broke on {args}")

            monkeypatch.setattr(crash, broken)
        shield = shield_for_tests(
            *settings.pop("plugins", ()),
            FakeScanner(PHRASES),
            sink,
            telemetry,
            url=server.url,
            api_key=KEY,
            allow_http=True,
            events_to_file=True,
            debug=True,
            **settings,
        )
        made.append(shield)
        return shield

    yield make
    for shield in made:
        shield.close(20.0)
    for server in servers:
        server.stop()


def hinder(state: Path, server: RuneServer, how: str) -> None:
    """Keep the spool from working."""
    folder = state / "spool"
    if how == "in the way":
        state.mkdir()
        folder.write_text("a file")
    elif how == "damaged":
        folder.mkdir(parents=True)
        settings = {"url": server.url, "api_key": KEY, "allow_http": True}
        name = Connection(ShieldConfig(**settings)).identity
        (folder / f"{name}{ENDING}").write_bytes(b"no database" * 1000)


@pytest.fixture
def finish(watch: Watch) -> Callable[..., None]:
    """Let everything out that wants out, then look."""

    def end(shield: Shield, *, planted: int, events: bool = True) -> None:
        shield.flush(20.0)
        shield.sync_policies(20.0)
        for what, value in (
            ("shield", shield),
            ("config", shield.config),
            ("coverage", shield.coverage()),
            ("stats", shield.stats),
            ("policy sync", shield.policy_sync),
        ):
            watch.show(what, value)
        shield.close(20.0)
        watch.check(planted=planted, events=events)

    return end
