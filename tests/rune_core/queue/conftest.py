"""A local Rune server, and sinks and Shields that send to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

from local_rune_server import KEY, RuneServer

from rune_core.testing import shield_for_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rune_core import Shield

collect_ignore = [] if os.environ.get("RUNE_SOAK") == "queue" else ["test_wsgi.py"]
STOP = 'version: "1.0"\nrules:\n  - {name: stop, type: tool_denylist, tools: [danger]}\n'


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("RUNE_STATE_DIR", str(folder))
    return folder


@pytest.fixture
def server() -> Iterator[RuneServer]:
    with RuneServer() as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that a person would not sit through in a test are short."""
    monkeypatch.setattr("rune_core.bundle.backoff.FIRST_SECONDS", 0.01)
    monkeypatch.setattr("rune_core.queue.sender.MAX_PAUSE", 0.01)
    monkeypatch.setattr("rune_core.queue.sender.LATER_SECONDS", 0.01)
    monkeypatch.setattr("rune_core.queue.store.RETRY_SECONDS", 0.05)


@pytest.fixture
def to_server(state: Path, server: RuneServer) -> Iterator[Callable[..., Shield]]:
    made: list[Shield] = []

    def make(**settings: Any) -> Shield:
        chosen = {
            "url": server.url,
            "api_key": KEY,
            "allow_http": True,
            "events_enabled": True,
            "policy_sync_interval_seconds": 0,
            "policy": STOP,
            **settings,
        }
        shield = shield_for_tests(**chosen)
        made.append(shield)
        return shield

    yield make
    for shield in made:
        shield.close(5.0)
