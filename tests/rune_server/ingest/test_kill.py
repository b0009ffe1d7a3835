"""Kill -9 under load, in short; twenty times in `.ci/soak ingest`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_kill_9_loses_and_doubles_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.edge_kills", "--kills", "2", "--clients", "3"],
        check=False,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["acknowledged"] > 0
    assert found["sent_again"] > 0
    assert (found["lost"], found["doubled"]) == (0, 0)
