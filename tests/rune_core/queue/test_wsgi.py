"""A real pre-forking WSGI server. Run by ``.ci/soak queue``, which brings gunicorn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter

import pytest
from benchmarks.ports import free_port
from local_rune_server import KEY
from waiting import until

from rune_core.queue.spool import Spool

APP = """
import os
from rune_core import Shield
shield = Shield()
shield.scan_output("made before the fork")

def app(environ, start_response):
    shield.scan_input(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize("worker", [["sync"], ["gthread", "--threads", "4"]], ids=lambda w: w[0])
def test_workers_of_gunicorn(server, state, tmp_path, worker):
    (tmp_path / "wsgi_app.py").write_text(APP)
    port = free_port()
    environment = {
        **os.environ,
        "RUNE_URL": server.url,
        "RUNE_API_KEY": KEY,
        "RUNE_ALLOW_HTTP": "1",
        "RUNE_STATE_DIR": str(state),
        "RUNE_L1_ENABLED": "0",
        "RUNE_EVENT_FLUSH_INTERVAL_SECONDS": "0.1",
    }
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "3", "-k", *worker,
               "-b", f"127.0.0.1:{port}", "--log-level", "error", "wsgi_app:app"]  # fmt: skip
    gunicorn = subprocess.Popen(command, cwd=tmp_path, env=environment)
    pids: Counter[int] = Counter()

    def ask(count: int) -> None:
        for _ in range(count):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=30) as answer:
                pids[int(answer.read())] += 1

    def is_up() -> bool:
        try:
            ask(1)
        except OSError:
            return False
        return True

    try:
        until(is_up, 60)
        ask(100)
        os.kill(next(iter(pids)), signal.SIGKILL)
        time.sleep(1)
        ask(100)
        gunicorn.send_signal(signal.SIGTERM)
        assert gunicorn.wait(30) == 0
    finally:
        gunicorn.kill()
    [file] = (state / "spool").glob("*.db")
    spool = Spool(file.parent, file.name.removesuffix(".v1.db"), max_rows=10**5, max_bytes=10**8)
    spool.sweep()
    figures = spool.figures()
    waiting = {json.loads(body)["event_id"] for body in spool.waiting()}
    spool.close()
    surfaces = Counter(event["surface"] for event in server.events.values())
    print(f"requests by worker {dict(pids)}, arrived {dict(surfaces)}, {figures}")
    assert set(figures.losses) <= {"killed"}
    arrived = len(set(server.events) | waiting) + sum(figures.losses.values())
    assert arrived == sum(pids.values()) + 1
    assert len(pids) >= 3
