"""What the tests of policy sync share."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from local_rune_server import KEY, RuneServer

from rune_core import Shield, ShieldConfig
from rune_core.bundle import push, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def own_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Path:
    # Whatever another test did to the loggers.
    caplog.set_level(logging.INFO, "rune_core")
    folder = tmp_path / "state"
    monkeypatch.setenv("RUNE_STATE_DIR", str(folder))
    for name in ("RUNE_URL", "RUNE_API_KEY", "RUNE_CA_FILE", "RUNE_ALLOW_HTTP", "RUNE_POLICIES"):
        monkeypatch.delenv(name, raising=False)
    # Waits that are seconds in earnest.
    monkeypatch.setattr(sync, "SPREAD_SECONDS", 0.01)
    monkeypatch.setattr(push, "FIRST_SECONDS", 0.02)
    return folder


@pytest.fixture
def server() -> Iterator[RuneServer]:
    with RuneServer() as running:
        yield running


@pytest.fixture
def connect(server: RuneServer) -> Iterator[Callable[..., Shield]]:
    """Make Shields that talk to the server; they are closed at the end."""
    made: list[Shield] = []

    def make(policy: str | None = None, **settings: object) -> Shield:
        chosen = {
            "url": server.url,
            "api_key": KEY,
            "allow_http": True,
            "events_enabled": False,
            "plugins_enabled": False,
            "l1_enabled": False,
            "l2_enabled": False,
            "connection_timeout_seconds": 20.0,
            **settings,
        }
        shield = Shield(config=ShieldConfig(**chosen), policy=policy)
        made.append(shield)
        return shield

    yield make
    for shield in made:
        shield.close(20.0)
