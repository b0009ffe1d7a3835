"""Attack memory in a real Chroma: embedded, and on a server of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmarks.ports import free_port

from rune_core.errors import ConfigError
from rune_core.layers.attack_memory import signature_of
from rune_core.layers.l2_vector import VectorLayer
from rune_core.layers.remembering import open_store
from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from collections.abc import Iterator

HERON = "The heron at the mill pond prefers the western bank when the barley is tall."
QUIET = "The harbour opens at nine. The ferry leaves twice a day. Tickets are sold on board. "

pytestmark = [
    # Chroma's own code warns about the Pythons and protobufs to come.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    if find_spec("chromadb") is None:
        pytest.skip("chromadb is not installed: uv run --extra vector --extra chroma pytest …")
    reason = VectorLayer().skip_reason(None, ())
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chroma server on a free port of the loopback interface."""
    port = free_port()
    program = shutil.which("chroma", path=str(Path(sys.executable).parent))
    assert program is not None
    folder = tmp_path_factory.mktemp("chroma")
    arguments = [program, "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(arguments, stdout=quiet, stderr=quiet, env={**os.environ}) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 120
            while True:
                try:
                    with urllib.request.urlopen(f"{address}/api/v2/heartbeat", timeout=5):
                        break
                except OSError:
                    assert process.poll() is None, "the server ended"
                    assert time.monotonic() < deadline, "the server does not answer"
                    time.sleep(0.2)
            yield f"chroma+{address}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(params=["embedded", "server"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "embedded":
        return f"chroma:{tmp_path / 'chroma'}"
    base: str = request.getfixturevalue("server")
    return f"{base}/{tmp_path.name.replace('_', '-')}"


def test_what_is_remembered_is_found_listed_and_forgotten(location: str) -> None:
    layer = VectorLayer(memory=location)
    assert not layer.inspect(HERON, "document").findings
    name = layer.remember(HERON, Threat.JAILBREAK, label="INC-7")
    layer.remember("Another text altogether, about trains and their timetables.")
    text = QUIET * 4 + HERON + " " + QUIET * 4
    (found,) = layer.inspect(text, "tool_result").findings
    assert found.rule_id == f"memory-{name}"
    assert found.threat is Threat.JAILBREAK
    assert text[found.span.start : found.span.end].strip() == HERON
    kept = layer.recognizer.store.signatures()
    assert {(s.id, s.label) for s in kept if s.label} == {(name, "INC-7")}
    assert layer.forget(name)
    assert not layer.forget(name)
    assert not layer.inspect(HERON, "document").findings


def test_two_processes_share_it(location: str) -> None:
    first, second = VectorLayer(memory=location), VectorLayer(memory=location)
    name = first.remember(HERON)
    assert [f.rule_id for f in second.inspect(HERON, "document").findings] == [f"memory-{name}"]


def test_no_words_are_kept(tmp_path: Path) -> None:
    store = open_store(f"chroma:{tmp_path / 'chroma'}")
    store.add(signature_of(HERON, Threat.JAILBREAK))
    files = [path for path in (tmp_path / "chroma").rglob("*") if path.is_file()]
    assert files
    content = b"".join(path.read_bytes() for path in files).lower()
    assert not any(word in content for word in (b"heron", b"barley", b"western"))


@pytest.mark.parametrize("bad", ["chroma+http://127.0.0.1:9", "chroma+ftp://x", "chroma+http:///"])
def test_a_server_that_is_not_there_is_told(bad: str) -> None:
    with pytest.raises(ConfigError, match="attack_memory"):
        open_store(bad)
