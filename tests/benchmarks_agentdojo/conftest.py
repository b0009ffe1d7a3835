"""Lets a bare ``pytest`` find ``benchmarks``, which is no installed package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
